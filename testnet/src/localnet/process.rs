//! Processes that outlive the launcher: started in a session of their own, recognised again by later invocations.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Name of the hidden subcommand that makes a session and then becomes the program named after it.
pub const SESSION_COMMAND: &str = "exec-in-session";

/// Locked by whoever has a home's store open.
const STORE_LOCK: &str = "data/core/LOCK";
/// How long a process that has ended may have a home locked: until its last thread has let go of its files.
const LET_GO: Duration = Duration::from_secs(10);

/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(20);

/// A process that is recognised again after the launcher has gone: the pid alone is reused by the kernel,
/// the pid together with its start time and the boot it ran under is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id` at the time of the start.
    pub boot_id: String,
}

/// What a recognised process does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Scheduled as usual.
    Running,
    /// Stopped by SIGSTOP (`fault pause`).
    Paused,
    /// Gone, or a zombie nobody has reaped, with all its threads: until the last one has ended, files and ports are open.
    Dead,
}

impl ProcessId {
    /// Describes the process that has `pid` now, `None` when there is none or it is a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (stat.state() != RunState::Dead).then(|| Self { pid, start_ticks: stat.start_ticks, boot_id: boot_id() })
    }

    /// State of exactly this process; a stranger that was given the same pid counts as `Dead`.
    pub fn state(&self) -> RunState {
        match Stat::read(self.pid) {
            Some(stat) if stat.start_ticks == self.start_ticks && self.boot_id == boot_id() => stat.state(),
            _ => RunState::Dead,
        }
    }

    /// Whether the process still exists, running or paused.
    pub fn is_alive(&self) -> bool {
        self.state() != RunState::Dead
    }

    /// Sends `signal` if, and only if, the pid still belongs to this process. `Ok(false)`: it is gone.
    ///
    /// The pidfd is opened first and the identity checked afterwards, so that the signal cannot reach a stranger
    /// that took the pid in between.
    pub fn signal(&self, signal: Signal) -> Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let fd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("cannot open process {}", self.pid)),
        };
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&fd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot send a signal to process {}", self.pid)),
        }
    }

    /// Waits until the process is gone; false when it still lives after `limit`.
    pub fn wait_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }
}

/// Waits until nobody has the store in `home` open.
///
/// # Errors
/// Where somebody still has after a while.
pub fn wait_unlocked(home: &Path) -> Result<()> {
    wait_unlocked_for(home, LET_GO)
}

fn wait_unlocked_for(home: &Path, limit: Duration) -> Result<()> {
    // A home that was never used has none.
    let Ok(file) = File::open(home.join(STORE_LOCK)) else { return Ok(()) };
    let deadline = Instant::now() + limit;
    while rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        == Err(rustix::io::Errno::WOULDBLOCK)
    {
        if Instant::now() >= deadline {
            bail!("{} is still locked after {limit:?}: a process has its data open", home.display());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Ends all of `processes`: SIGTERM to each, up to `grace` for all together, then SIGKILL. Paused ones are woken,
/// since a stopped process does not see SIGTERM. Returns how many had to be killed.
pub fn stop_all(processes: &[ProcessId], grace: Duration) -> Result<usize> {
    for process in processes {
        process.signal(Signal::TERM)?;
        process.signal(Signal::CONT)?;
    }
    let deadline = Instant::now() + grace;
    let mut killed = 0;
    for process in processes {
        if !process.wait_gone(deadline.saturating_duration_since(Instant::now())) {
            killed += usize::from(process.signal(Signal::KILL)?);
        }
    }
    for process in processes {
        if !process.wait_gone(Duration::from_secs(5)) {
            bail!("process {} does not end, even after SIGKILL", process.pid);
        }
    }
    Ok(killed)
}

/// Starts `program args…` in a session of its own with both outputs appended to `log` and nothing on its input.
///
/// The launcher re-executes itself for this: `setsid` must be called by the child, and a process group alone would
/// receive SIGHUP when the launcher dies while a member is paused.
///
/// Where root is the launcher's user the process has the group `group`, so that its packets are told from those of others ([`super::partition`]).
pub fn spawn_session(program: &Path, args: &[&str], log: &Path, group: u16) -> Result<Child> {
    let launcher = std::env::current_exe().context("cannot find the launcher's own executable")?;
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open the log file {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("cannot share the log file {}", log.display()))?;
    let mut command = Command::new(launcher);
    // A node takes its settings from its own file: what this shell exports for other nodes would override it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PYRALOG_") && !text.starts_with("PYRALOG_LOG_") {
            command.env_remove(&name);
        }
    }
    command
        .arg(SESSION_COMMAND)
        .arg(group.to_string())
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The body of the hidden subcommand: becomes the leader of a new session, then the program. Returns only on failure.
pub fn exec_in_session(group: u16, program: &Path, args: &[std::ffi::OsString]) -> Result<()> {
    // A process that already leads its group gets EPERM; it then has a session of its own in all but name.
    if let Err(error) = rustix::process::setsid()
        && error != rustix::io::Errno::PERM
    {
        return Err(error).context("cannot make a session");
    }
    if rustix::process::geteuid().is_root() {
        // A root that may not, as in some namespaces, gets nodes that no partition can be made of.
        let _refused = rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(u32::from(group)));
    }
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot execute {}", program.display()))
}

/// Finds live processes whose command line holds both `program_name` (as the last path component of argument 0)
/// and `home` as one whole argument: a node started by a launcher that died before it could write the pid down.
pub fn find_by_home(program_name: &str, home: &Path) -> Vec<ProcessId> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<ProcessId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| runs(*pid, program_name, home))
        .filter_map(ProcessId::of)
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Whether the command line of `pid` is `program_name` on `home`.
pub fn runs(pid: u32, program_name: &str, home: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut args = line.split(|byte| *byte == 0);
    let named = args
        .next()
        .and_then(|first| first.rsplit(|byte| *byte == b'/').next().map(|name| name == program_name.as_bytes()))
        .unwrap_or(false);
    named && args.any(|arg| arg == home.as_os_str().as_encoded_bytes())
}

struct Stat {
    state: char,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::read_in(Path::new("/proc"), pid)
    }

    /// The first thread of a process that was killed may have ended before the others, which wait for the disk: it is then what they are.
    fn read_in(proc: &Path, pid: u32) -> Option<Self> {
        let dir = proc.join(pid.to_string());
        let stat_of = |dir: &Path| Self::parse(&fs::read_to_string(dir.join("stat")).ok()?);
        let stat = stat_of(&dir)?;
        if stat.state() != RunState::Dead {
            return Some(stat);
        }
        let threads = fs::read_dir(dir.join("task")).into_iter().flatten().flatten();
        let mut living =
            threads.filter_map(|thread| stat_of(&thread.path())).filter(|stat| stat.state() != RunState::Dead);
        Some(Self { state: living.next().map_or(stat.state, |thread| thread.state), ..stat })
    }

    /// `pid (comm) state ppid …`: comm may hold spaces and parentheses, so fields are counted after the last `)`.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let start_ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { state, start_ticks })
    }

    fn state(&self) -> RunState {
        match self.state {
            'Z' | 'X' | 'x' => RunState::Dead,
            'T' | 't' => RunState::Paused,
            _ => RunState::Running,
        }
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
