//! Members whose disks are full: appends go on while enough others have space, and are refused with a sentence that helps where not.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::members::{Members, SIZE, until};
use super::oracle::{Ledger, client};
use super::{CLIENTS, LONG, Stop, compare, down_and_clean, progress};
use crate::apart::{Own, only_apart};
use crate::net::{Net, lives, run};

const NAME: &str =
    "cluster::disk::appends_go_on_beside_full_disks_are_refused_where_all_are_full_and_go_on_when_there_is_space";
/// Megabytes of each disk.
const SIZE_MB: u32 = 256;
/// Bytes that are left on a full one: half of what a node keeps for itself.
const LEFT: u64 = 24 << 20;
/// Bytes of the value of a large record.
const LARGE: usize = 512 << 10;
/// So many of them are more than is left on a full disk.
const MANY: u64 = 2 * LEFT / LARGE as u64;

#[test]
fn appends_go_on_beside_full_disks_are_refused_where_all_are_full_and_go_on_when_there_is_space() {
    if !only_apart(NAME, Own::Mounts) {
        return;
    }
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    net.launcher(&["down"]).expect(0);
    let disks = Disks::of(&net);
    net.launcher(&["up", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "a log is made", || members.create());
    until(LONG, "another log is made", || members.post(0, "/v1/cluster/logs", &json!({"name": "large"})));
    until(LONG, "the cluster is whole", || members.whole());

    let (ledger, stop) = (Ledger::new(2), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for at in 0..CLIENTS {
            let (members, ledger, stop) = (&members, &ledger, &stop);
            threads.spawn(move || client(members, ledger, stop, at));
        }
        progress(&members, &ledger, "before any disk is full");
        one_is_full(&net, &disks, &members, &ledger);
        all_are_full(&disks, &members, &ledger);
        one_has_no_byte_left(&net, &disks, &members, &ledger);
    });
    compare(&members, &ledger);
    down_and_clean(&net);
    println!("{}", ledger.summary());
}

/// The disk of who leads is full: nothing stops, it says so, and it has all again when there is space.
fn one_is_full(net: &Net, disks: &Disks, members: &Members<'_>, ledger: &Ledger) {
    let full = until(LONG, "somebody leads", || members.leader().ok_or_else(|| members.views()));
    let (name, pid) = (members.name(full), net.manifest().nodes[full].pid);
    let ballast = disks.fill(full, LEFT);
    let when = format!("while the disk of {name} is full");
    let why = until(LONG, "it says so", || said(members, full).ok_or_else(|| members.views()));
    assert!(why.contains("free some space") && why.contains(disks.0[full].to_str().unwrap()), "{why}");
    let token = disks.0[full].join("data/admin.token");
    let status = net.wallet(full, &["cluster", "status", "--token-file", token.to_str().unwrap()]).expect(0);
    assert!(status.out.contains("free some space"), "{}", status.out);
    for other in (0..SIZE).filter(|other| *other != full) {
        assert_eq!(said(members, other), None, "at {}", members.name(other));
    }
    progress(members, ledger, &when);

    // More than would fit there, through each member; and logs, some of which it would have led.
    let value = "5a".repeat(LARGE);
    for number in 0..MANY {
        append(members, number as usize % SIZE, "large", &value, &when);
    }
    for number in 0..2 * SIZE {
        let (log, through) = (format!("made-{number}"), number % SIZE);
        until(LONG, &format!("{log} is made {when}"), || {
            members.post(through, "/v1/cluster/logs", &json!({"name": log}))
        });
        append(members, (through + 1) % SIZE, &log, "5a", &when);
    }
    let left = disks.free(full);
    assert!(left > LEFT / 2, "the node went on writing on its full disk: {left} bytes are left");
    assert_eq!(net.manifest().nodes[full].pid, pid);
    assert!(pid.is_some_and(lives), "{name} ended {when}");
    progress(members, ledger, &when);

    drop(ballast);
    until(LONG, &format!("{name} has all again"), || members.whole());
    assert_eq!(said(members, full), None);
    progress(members, ledger, "when there is space again");
}

/// All disks are full: appends are refused and nothing else, until there is space.
fn all_are_full(disks: &Disks, members: &Members<'_>, ledger: &Ledger) {
    let ballast: Vec<Ballast> = (0..SIZE).map(|node| disks.fill(node, LEFT)).collect();
    until(LONG, "all say so", || {
        if (0..SIZE).all(|node| said(members, node).is_some()) { Ok(()) } else { Err(members.views()) }
    });
    // All at once: each waits for a while for somebody with space.
    std::thread::scope(|threads| {
        for node in 0..SIZE {
            threads.spawn(move || is_refused(members, node));
        }
    });
    // Also the clients that have appended all along.
    let refusals = ledger.answers("disk_full") + CLIENTS;
    until(LONG, "the clients are refused", || {
        if ledger.answers("disk_full") >= refusals { Ok(()) } else { Err(ledger.summary()) }
    });
    let (before, end) = (ledger.acknowledged(), ledger.next_offset());
    until(LONG, &format!("all {end} records that were acknowledged are read"), || {
        let longest = (0..SIZE).map(|node| members.read(node, 0).len() as u64).max();
        if longest >= Some(end) { Ok(()) } else { Err(format!("{longest:?}")) }
    });
    for node in 0..SIZE {
        let read = members.read(node, 0);
        assert_eq!(ledger.differences(&read, 0, false), [""; 0], "at {}", members.name(node));
    }
    let refusals = ledger.answers("disk_full") + CLIENTS;
    until(LONG, "the clients are refused again", || {
        if ledger.answers("disk_full") >= refusals { Ok(()) } else { Err(ledger.summary()) }
    });
    assert_eq!(ledger.acknowledged(), before, "nothing is acknowledged that no disk has place for");

    drop(ballast);
    progress(members, ledger, "when all have space again");
    until(LONG, "the cluster is whole", || members.whole());
}

/// An append through a member is refused with a sentence that helps.
fn is_refused(members: &Members<'_>, node: usize) {
    let record = json!({"records": [{"value": "5a"}]});
    let refused = until(LONG, "an append is refused for the disk", || {
        let answer = members.posted(node, "/v1/cluster/logs/large/records?partition=0", &record);
        match answer {
            Some((507, refused)) if refused["error"]["code"] == "disk_full" => Ok(refused),
            other => Err(format!("{other:?}")),
        }
    });
    let text = |part: &str| refused["error"][part].as_str().unwrap_or_default().to_owned();
    assert!(text("remedy").contains("free some space") && text("remedy").contains("no record was taken"), "{refused}");
}

/// Not even what a node keeps for itself is left: it may end, and says why; the others go on, and it has all again when there is space.
fn one_has_no_byte_left(net: &Net, disks: &Disks, members: &Members<'_>, ledger: &Ledger) {
    let full = until(LONG, "somebody leads", || members.leader().ok_or_else(|| members.views()));
    let (name, pid) = (members.name(full), net.manifest().nodes[full].pid.unwrap());
    let ballast = disks.fill(full, 0);
    let when = format!("while {name} has no byte left");
    progress(members, ledger, &when);
    append(members, (full + 1) % SIZE, "large", "5a", &when);
    if !lives(pid) {
        let log = net.launcher(&["logs", name, "--lines", "30"]).expect(0).out;
        assert!(log.contains("no space left"), "{log}");
    }
    drop(ballast);
    if !lives(pid) {
        println!("{name} ended {when}");
        net.launcher(&["fault", "restart", name]).expect(0);
    }
    until(LONG, &format!("{name} has all again"), || members.whole());
    progress(members, ledger, "in the end");
}

/// What a member says of its disk.
fn said(members: &Members<'_>, node: usize) -> Option<String> {
    members.view(node)?["disk_low"].as_str().map(str::to_owned)
}

/// Appends a record, and waits until it is acknowledged.
fn append(members: &Members<'_>, node: usize, log: &str, value: &str, when: &str) {
    let (path, record): (_, Value) =
        (format!("/v1/cluster/logs/{log}/records?partition=0"), json!({"records": [{"value": value}]}));
    until(LONG, &format!("{log} takes a record through {} {when}", members.name(node)), || {
        members.post(node, &path, &record)
    });
}

/// A file system for the home of each node.
struct Disks(Vec<PathBuf>);

/// A file that takes space until it is dropped.
struct Ballast(PathBuf);

impl Disks {
    /// Brings the homes of a network that is down to them.
    fn of(net: &Net) -> Self {
        let disks = Self(net.manifest().nodes.into_iter().map(|node| node.home).collect());
        for home in &disks.0 {
            let was = home.with_extension("was");
            std::fs::rename(home, &was).unwrap();
            std::fs::create_dir(home).unwrap();
            let size = format!("size={SIZE_MB}m,mode=0700");
            let mount = run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "pyralog-test"]).arg(home));
            assert_eq!(mount.code, 0, "{mount:?}");
            run(Command::new("cp").arg("-a").arg(was.join(".")).arg(home)).expect(0);
            std::fs::remove_dir_all(was).unwrap();
        }
        disks
    }

    /// Bytes that are free for a node.
    fn free(&self, node: usize) -> u64 {
        let stat = rustix::fs::statvfs(&self.0[node]).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Takes all but about so many bytes.
    fn fill(&self, node: usize, left: u64) -> Ballast {
        let path = self.0[node].join("ballast");
        let mut file = File::create(&path).unwrap();
        let ballast = Ballast(path);
        for size in [1 << 20, 4_096] {
            let block = vec![0x5a; size];
            while self.free(node) > left {
                match file.write_all(&block) {
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    other => other.unwrap(),
                }
            }
        }
        ballast
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        // What stands on them would keep the network from being removed.
        for home in &self.0 {
            let _ = Command::new("umount").arg("-l").arg(home).status();
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
