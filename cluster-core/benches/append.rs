//! Leaves per second into a durable notary log, beside what the disk gives in the same run.
//!
//! `cargo bench -p pyralog-cluster-core` (a fresh directory under `$TMPDIR`; set it to the disk in question). Leaves of 100
//! bytes; every submission is durable (fdatasync) and in both trees and the index before it counts.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pyralog_cluster_core::{Core, Event, LogId, NotaryLog, Options, completion};

const LEAF: usize = 100;
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let home = tempfile::tempdir().unwrap();
    let syncs = raw_disk(home.path());
    println!("raw: append {LEAF} B + fdatasync, one thread          {syncs:>10.0} /s");
    let idle = resident();
    let (core, _) = Core::open(&home.path().join("home"), Options::default()).unwrap();
    println!("resident memory, idle                          {:>10.1} MiB ({:.1} before opening)", resident(), idle);
    let log = core.notary_log(LogId([1; 32])).unwrap();
    println!();
    println!("threads  batch  in flight   leaves/s   x raw     groups/s  p50 ms   p99 ms");
    for (threads, batch, flight) in
        [(1, 1, 1), (4, 1, 1), (16, 1, 1), (1, 1, 256), (4, 1, 256), (1, 1000, 1), (4, 1000, 1), (2, 1000, 8)]
    {
        measure(&core, &log, threads, batch, flight, syncs);
    }
    println!();
    println!("resident memory, {} leaves           {:>10.1} MiB", log.size(), resident());
    proofs(&log);
    let size = log.size();
    drop(log);
    core.close().unwrap();
    let started = Instant::now();
    let (core, _) = Core::open(&home.path().join("home"), Options::default()).unwrap();
    println!("open after a clean end, {size} leaves    {:>10.1} ms", millis(started.elapsed()));
    drop(core);
    for name in ["tree.blake3", "tree.sha256"] {
        let dir = std::fs::read_dir(home.path().join("home/notary")).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    let started = Instant::now();
    let (_core, _) = Core::open(&home.path().join("home"), Options::default()).unwrap();
    println!("open with trees rebuilt, {size} leaves   {:>10.1} ms", millis(started.elapsed()));
}

fn raw_disk(dir: &Path) -> f64 {
    let mut file = std::fs::File::create(dir.join("raw")).unwrap();
    let started = Instant::now();
    let mut writes = 0;
    while started.elapsed() < TIME / 2 {
        file.write_all(&[7; LEAF]).unwrap();
        file.sync_data().unwrap();
        writes += 1;
    }
    f64::from(writes) / started.elapsed().as_secs_f64()
}

fn measure(core: &Core, log: &NotaryLog, threads: u64, batch: u64, flight: usize, raw: f64) {
    let groups = core.stats().groups;
    let started = Instant::now();
    let mut waits: Vec<Duration> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || submit(log, thread, batch, flight))).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    waits.sort();
    let leaves = waits.len() as f64 * batch as f64 / seconds;
    let at = |share: usize| millis(waits[(waits.len() - 1) * share / 100]);
    let groups = (core.stats().groups - groups) as f64 / seconds;
    println!(
        "{threads:>7} {batch:>6} {flight:>10} {leaves:>10.0} {:>7.1} {groups:>12.0} {:>7.2} {:>8.2}",
        leaves / raw,
        at(50),
        at(99)
    );
}

/// Keeps `flight` submissions waiting and answers how long each took.
fn submit(log: &NotaryLog, thread: u64, batch: u64, flight: usize) -> Vec<Duration> {
    let started = Instant::now();
    let mut number = 0u64;
    let mut waiting = std::collections::VecDeque::<(Instant, mpsc::Receiver<Event>)>::new();
    let mut waits = Vec::new();
    loop {
        let more = started.elapsed() < TIME;
        if more && waiting.len() < flight {
            let leaves = (0..batch)
                .map(|place| {
                    let mut leaf = vec![7; LEAF];
                    leaf[..8].copy_from_slice(&number.to_be_bytes());
                    leaf[8..16].copy_from_slice(&(thread << 32 | place).to_be_bytes());
                    leaf
                })
                .collect();
            number += 1;
            let (done, event) = completion();
            log.append_then(leaves, done).unwrap();
            waiting.push_back((Instant::now(), event));
            continue;
        }
        let Some((asked, event)) = waiting.pop_front() else { return waits };
        event.recv().unwrap().durable().unwrap();
        waits.push(asked.elapsed());
    }
}

fn proofs(log: &NotaryLog) {
    let size = log.size();
    let started = Instant::now();
    let mut index = 0;
    let mut count = 0;
    while started.elapsed() < TIME / 3 {
        log.inclusion(index, size).unwrap();
        index = (index + 7_919_317) % size;
        count += 1;
    }
    println!(
        "inclusion proofs in both trees, verified  {:>10.1} us",
        started.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Resident memory of this process in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
