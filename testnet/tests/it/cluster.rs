//! A cluster of three real processes that are killed, paused, cut off from each other and robbed of their disks while clients append to a record log.
//! What was acknowledged must be there at the end, where it was said to be and at every member, and what was refused must not.
//!
//! `PYRALOG_FAULT_ROUNDS=300` runs longer (with `cargo test`: nextest ends a test after 10 minutes), `PYRALOG_FAULT_SEED` repeats a choice of faults,
//! `PYRALOG_FAULT_KINDS=cut,part` does these alone, `PYRALOG_FAULT_COPYSETS=record` has each record stored by two of the members, and
//! `PYRALOG_FAULT_KEEP=DIR` keeps homes and logs of a run that failed.

mod copysets;
mod disk;
mod history;
mod members;
mod membership;
mod metadata;
mod oracle;
mod partition;
mod reads;
mod signing;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::members::{Members, SIZE, until};
use self::oracle::{Ledger, client};
use crate::apart::{Own, Place, apart};
use crate::net::{Net, Ran, beside, run};

/// Rounds of an ordinary test run: each kind once.
const ROUNDS: usize = 6;
/// Threads that append.
const CLIENTS: usize = 2;
/// Acknowledged appends that show that writes go on: more than those that were on their way when the fault began.
const PROGRESS: usize = CLIENTS + 20;
/// How long a state may take: longer than any should, on a machine that is busy with others.
const LONG: Duration = Duration::from_secs(60);

/// What is done to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// SIGKILL, and started again.
    Kill,
    /// SIGSTOP until writes go on without it, and SIGCONT.
    Pause,
    /// SIGSTOP for less than it takes to be given up, and SIGCONT.
    Blink,
    /// SIGKILL, and started again without its disk.
    Wipe,
    /// It and another one do not hear each other, and the third hears both.
    Part,
    /// It hears nobody.
    Cut,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Kill, Self::Pause, Self::Blink, Self::Wipe, Self::Part, Self::Cut];

    fn is_of_the_network(self) -> bool {
        matches!(self, Self::Part | Self::Cut)
    }

    /// Those that were asked for, or all, as far as they can be done here.
    fn of_this_run(cuts: bool) -> Vec<Self> {
        let asked = std::env::var("PYRALOG_FAULT_KINDS").ok();
        let named = |name: &str| Self::ALL.into_iter().find(|kind| format!("{kind:?}").eq_ignore_ascii_case(name));
        let kinds = asked.map_or(Self::ALL.to_vec(), |asked| {
            asked.split(',').map(|name| named(name).unwrap_or_else(|| panic!("no fault is called {name}"))).collect()
        });
        kinds.into_iter().filter(|kind| cuts || !kind.is_of_the_network()).collect()
    }
}

/// One round.
#[derive(Debug, Clone, Copy)]
struct Fault {
    kind: Kind,
    /// Index of the node.
    node: usize,
    /// Index of another one.
    other: usize,
    /// How long a pause lasts at least.
    pause: Duration,
}

/// The choice of faults.
struct Plan {
    chance: ChaCha8Rng,
    /// Each of them comes once before one comes again.
    kinds: Vec<Kind>,
}

impl Plan {
    fn kinds(&mut self, rounds: usize) -> Vec<Kind> {
        let all = self.kinds.clone();
        let mut first = all.clone();
        first.shuffle(&mut self.chance);
        let more: Vec<Kind> = (first.len()..rounds).map(|_| all[self.chance.random_range(0..all.len())]).collect();
        first.into_iter().take(rounds).chain(more).collect()
    }

    /// Half of the time it hits the leader.
    fn fault(&mut self, kind: Kind, leader: Option<usize>) -> Fault {
        let (any, prefer) = (self.chance.random_range(0..SIZE), self.chance.random_range(0..2) == 0);
        let node = leader.filter(|_| prefer).unwrap_or(any);
        let other = (node + self.chance.random_range(1..SIZE)) % SIZE;
        let millis = if kind == Kind::Blink { 200..=2_500 } else { 1_000..=6_000 };
        Fault { kind, node, other, pause: Duration::from_millis(self.chance.random_range(millis)) }
    }
}

/// Ends the clients however the rounds end.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Keeps what a failed run leaves, where that was asked for.
struct Keep<'a>(&'a Net);

impl Drop for Keep<'_> {
    fn drop(&mut self) {
        let Some(to) = std::env::var_os("PYRALOG_FAULT_KEEP").filter(|_| std::thread::panicking()) else { return };
        for node in ["node0", "node0-1", "node0-2"] {
            let _ = self.0.launcher(&["fault", "kill", node]);
        }
        let _ = std::fs::create_dir_all(&to);
        println!("kept: {:?}", run(Command::new("cp").arg("-a").arg(self.0.root().join("nodes")).arg(&to)));
    }
}

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// The name of the test.
const NAME: &str = "cluster::what_a_cluster_acknowledged_is_kept_whoever_is_killed_paused_cut_off_or_loses_its_disk";

#[test]
fn what_a_cluster_acknowledged_is_kept_whoever_is_killed_paused_cut_off_or_loses_its_disk() {
    let cuts = match apart(NAME, Own::Network) {
        Place::Inside => true,
        Place::Done => return,
        Place::Refused(why) => {
            println!("nobody is cut off in these rounds: {why}");
            false
        }
    };
    let seed = asked("PYRALOG_FAULT_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let rounds = asked("PYRALOG_FAULT_ROUNDS").map_or(ROUNDS, |rounds| rounds.try_into().unwrap());
    println!("PYRALOG_FAULT_SEED={seed} PYRALOG_FAULT_ROUNDS={rounds}");
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let _keep = Keep(&net);
    let members = Members::of(&net);
    let copysets = std::env::var("PYRALOG_FAULT_COPYSETS").unwrap_or_else(|_| "partition".to_owned());
    until(LONG, "a log is made", || members.create_with(&copysets));
    until(LONG, "the cluster is whole", || members.whole());

    let (ledger, stop) = (Ledger::new(seed), AtomicBool::new(false));
    let mut gaps = BTreeMap::new();
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for at in 0..CLIENTS {
            let (members, ledger, stop) = (&members, &ledger, &stop);
            threads.spawn(move || client(members, ledger, stop, at));
        }
        let mut plan = Plan { chance: ChaCha8Rng::seed_from_u64(seed), kinds: Kind::of_this_run(cuts) };
        progress(&members, &ledger, "before any fault");
        for (number, kind) in plan.kinds(rounds).into_iter().enumerate() {
            let leader = members.leader();
            let fault = plan.fault(kind, leader);
            let led = if leader == Some(fault.node) { ", the leader" } else { "" };
            println!("round {number}: {kind:?} of {}{led}", members.name(fault.node));
            let began = Instant::now();
            ledger.begin_window();
            let from = ledger.next_offset();
            play(&net, &members, &ledger, fault);
            let gap = ledger.window();
            println!("round {number}: took {:.1?}, longest gap {gap:.1?}; {}", began.elapsed(), ledger.summary());
            gaps.entry((kind, !led.is_empty())).or_insert_with(Vec::new).push(gap);
            // What was acknowledged during the round, at the member that it hit.
            let read = members.read(fault.node, from);
            assert_eq!(ledger.differences(&read, from, false), [""; 0], "at {}", members.name(fault.node));
        }
    });

    compare(&members, &ledger);
    signs_on(&net);
    down_and_clean(&net);
    for ((kind, of_leader), mut gaps) in gaps {
        gaps.sort();
        let whom = if of_leader { "the leader" } else { "another" };
        let (median, longest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        println!(
            "{kind:?} of {whom}, {} times: longest gap between two acknowledgements {longest:.1?}, median {median:.1?}",
            gaps.len()
        );
    }
    println!("{}", ledger.summary());
}

/// Breaks a member, sees writes go on without it, mends it, and waits until nothing is missing any more.
fn play(net: &Net, members: &Members<'_>, ledger: &Ledger, Fault { kind, node, other, pause }: Fault) {
    let name = members.name(node);
    let fault = |what: &str| drop(net.launcher(&["fault", what, name]).expect(0));
    let without = format!("while {name} is away");
    match kind {
        Kind::Kill | Kind::Wipe => {
            fault("kill");
            progress(members, ledger, &without);
            if kind == Kind::Wipe {
                fault("wipe");
            }
            fault("restart");
        }
        Kind::Pause | Kind::Blink => {
            fault("pause");
            // This is the fault itself, not a wait for something.
            std::thread::sleep(pause);
            if kind == Kind::Pause {
                progress(members, ledger, &without);
            }
            fault("resume");
        }
        Kind::Part | Kind::Cut => {
            let others: Vec<usize> =
                (0..SIZE).filter(|one| *one == other || (kind == Kind::Cut && *one != node)).collect();
            for other in others {
                net.launcher(&["fault", "partition", name, members.name(other)]).expect(0);
            }
            std::thread::sleep(pause);
            progress(members, ledger, &without);
            net.launcher(&["fault", "heal"]).expect(0);
        }
    }
    until(LONG, &format!("the cluster is whole after {kind:?} of {name}"), || members.whole());
    progress(members, ledger, &format!("after {kind:?} of {name}"));
}

/// Waits until blocks go on: the cluster is a validator all the while, and the only one.
fn signs_on(net: &Net) {
    let begun = net.height(0);
    until(LONG, "the cluster signs", || {
        let heights: Vec<u64> = (0..SIZE).map(|node| net.height(node)).collect();
        if heights.iter().all(|height| *height > begun + 1) { Ok(()) } else { Err(format!("{begun}, now {heights:?}")) }
    });
}

/// Waits until writes go on.
fn progress(members: &Members<'_>, ledger: &Ledger, when: &str) {
    let wanted = ledger.acknowledged() + PROGRESS;
    until(LONG, &format!("writes go on {when}"), || {
        ledger.assert_sound();
        let (acknowledged, summary) = (ledger.acknowledged(), ledger.summary());
        if acknowledged >= wanted { Ok(()) } else { Err(format!("{summary}\n{}", members.views())) }
    });
}

/// Stops all nodes, and looks at all that they have on their disks.
fn down_and_clean(net: &Net) {
    let down = net.launcher(&["down"]).expect(0);
    assert!(!down.err.contains("were killed"), "{}", down.err);
    for node in &net.manifest().nodes {
        let checked: Ran = run(Command::new(beside("pyralogd")).args(["fsck", "--json", "--home"]).arg(&node.home));
        let clean = checked.code == 0 && checked.json()["clean"] == true;
        assert!(clean, "{}: {checked:?}", node.name);
    }
}

/// Every member has the same records, and they are those that were acknowledged, with others of which nobody knew.
fn compare(members: &Members<'_>, ledger: &Ledger) {
    ledger.assert_sound();
    let read = until(LONG, "all members hold equally many records", || {
        members.whole()?;
        let read: Vec<_> = (0..SIZE).map(|node| members.read(node, 0)).collect();
        let counts: Vec<_> = read.iter().map(Vec::len).collect();
        if counts.windows(2).all(|pair| pair[0] == pair[1]) { Ok(read) } else { Err(format!("{counts:?}")) }
    });
    for (node, records) in read.iter().enumerate() {
        let name = members.name(node);
        assert_eq!(ledger.differences(records, 0, true), [""; 0], "at {name}");
        let differs = records.iter().zip(&read[0]).position(|(one, other)| one != other);
        assert_eq!(differs, None, "{name} and node0 hold different records from this offset on");
    }
    let roots: Vec<_> = (0..SIZE).map(|node| members.checkpoint(node)).collect();
    assert!(roots[0].is_object() && roots.iter().all(|root| *root == roots[0]), "{roots:?}");
}
