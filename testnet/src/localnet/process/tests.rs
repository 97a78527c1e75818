use super::*;

fn sleeper() -> Child {
    Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap()
}

#[test]
fn stat_is_read_past_a_hostile_command_name() {
    let line = "17 (a) R (b c) S 1 17 17 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1000 10 18446744073709551615";
    let stat = Stat::parse(line).unwrap();
    assert_eq!(stat.start_ticks, 4242);
    assert_eq!(stat.state(), RunState::Running);
    assert!(Stat::parse("17 no parenthesis").is_none());
    assert!(Stat::parse("17 (short) S 1 2 3").is_none());
}

#[test]
fn a_process_is_not_gone_before_its_last_thread() {
    let proc = tempfile::tempdir().unwrap();
    let thread = |dir: &str, state: char| {
        let dir = proc.path().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let line = format!(
            "17 (node) {state} 1 17 17 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1000 10 18446744073709551615"
        );
        fs::write(dir.join("stat"), line).unwrap();
    };
    let state = || Stat::read_in(proc.path(), 17).map(|stat| (stat.state(), stat.start_ticks));
    assert_eq!(state(), None);
    for (dir, state) in [("17", 'Z'), ("17/task/17", 'Z'), ("17/task/18", 'X'), ("17/task/19", 'D')] {
        thread(dir, state);
    }
    assert_eq!(state(), Some((RunState::Running, 4242)));
    fs::remove_dir_all(proc.path().join("17/task/19")).unwrap();
    assert_eq!(state(), Some((RunState::Dead, 4242)));
}

#[test]
fn a_home_is_waited_for_until_nobody_has_it_open() {
    let home = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(100);
    wait_unlocked_for(home.path(), limit).unwrap();
    let lock = home.path().join(STORE_LOCK);
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = File::create(&lock).unwrap();
    held.lock().unwrap();
    let error = wait_unlocked_for(home.path(), limit).unwrap_err().to_string();
    assert!(error.contains("is still locked"), "{error}");
    let waiting = std::thread::spawn({
        let home = home.path().to_owned();
        move || wait_unlocked(&home)
    });
    std::thread::sleep(limit);
    assert!(!waiting.is_finished());
    drop(held);
    waiting.join().unwrap().unwrap();
}

#[test]
fn a_process_is_recognised_paused_resumed_and_killed() {
    let mut child = sleeper();
    let id = ProcessId::of(child.id()).unwrap();
    assert_eq!(id.state(), RunState::Running);
    assert!(id.signal(Signal::STOP).unwrap());
    wait_for(|| id.state() == RunState::Paused);
    assert!(id.signal(Signal::CONT).unwrap());
    wait_for(|| id.state() == RunState::Running);
    assert!(id.signal(Signal::KILL).unwrap());
    // Nobody has reaped the child yet: a zombie is dead.
    assert!(id.wait_gone(Duration::from_secs(5)));
    assert!(ProcessId::of(child.id()).is_none());
    child.wait().unwrap();
    assert!(!id.signal(Signal::KILL).unwrap());
}

#[test]
fn a_reused_pid_is_a_stranger_and_gets_no_signal() {
    let mut child = sleeper();
    let real = ProcessId::of(child.id()).unwrap();
    let stale = ProcessId { start_ticks: real.start_ticks.wrapping_sub(1), ..real.clone() };
    assert_eq!(stale.state(), RunState::Dead);
    assert!(!stale.signal(Signal::KILL).unwrap());
    let other_boot = ProcessId { boot_id: "another".to_owned(), ..real.clone() };
    assert!(!other_boot.signal(Signal::KILL).unwrap());
    assert_eq!(real.state(), RunState::Running);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn stop_all_wakes_a_paused_process_and_kills_a_deaf_one() {
    let mut paused = sleeper();
    // `exec` keeps the pid; the ignored TERM is inherited by sleep.
    let mut deaf = Command::new("sh").args(["-c", "trap '' TERM; exec sleep 60"]).spawn().unwrap();
    let ids = [ProcessId::of(paused.id()).unwrap(), ProcessId::of(deaf.id()).unwrap()];
    ids[0].signal(Signal::STOP).unwrap();
    wait_for(|| ids[0].state() == RunState::Paused);
    wait_for(|| runs_sleep(deaf.id()));
    assert_eq!(stop_all(&ids, Duration::from_millis(500)).unwrap(), 1);
    assert!(!paused.wait().unwrap().success());
    assert!(!deaf.wait().unwrap().success());
}

#[test]
fn an_unrecorded_process_is_found_by_program_and_whole_argument() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("node0");
    let mut child = Command::new("sh").args(["-c", "sleep 60", "--home"]).arg(&home).spawn().unwrap();
    wait_for(|| runs(child.id(), "sh", &home));
    // For a moment the child of the shell still is a copy of it.
    wait_for(|| find_by_home("sh", &home).iter().map(|id| id.pid).eq([child.id()]));
    assert!(find_by_home("sh", dir.path()).is_empty(), "a prefix of the home is another home");
    assert!(find_by_home("bash2", &home).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
}

fn runs_sleep(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
}

fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "condition not reached");
        std::thread::sleep(POLL);
    }
}
