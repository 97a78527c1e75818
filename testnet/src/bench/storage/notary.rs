//! The notary log alone: leaves in both trees and the index, proofs from the disk, and what opening takes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pyralog_cluster_core::{Core, LogId, NotaryLog, Options};

use super::Bench;
use super::flight::{Clients, drive};
use crate::bench::report::{Figure, Group, Place, Setting};
use crate::bench::timing::{millis, ns_per_call};

/// Bytes of a leaf: about those of a document.
const LEAF: usize = 100;
const DURABLE: &str = "journal with fdatasync, both trees, index";

const CLIENTS: [Clients; 3] = [
    Clients { threads: 1, flight: 1, batch: 1 },
    Clients { threads: 4, flight: 256, batch: 1 },
    Clients { threads: 2, flight: 8, batch: 1_000 },
];

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Group> {
    crate::bench::note("storage: notary log");
    let home = cx.home()?;
    let dir = home.path().join("home");
    let time = Duration::from_millis(cx.either(200, 3_000));
    let mut group = Group::new("notary log", Place::InProcess);
    let (core, log) = open(&dir)?;
    let mut one = 0.0;
    for clients in CLIENTS {
        cx.check()?;
        let rate = leaves(&mut group, &log, clients, time, one)?;
        one = if one > 0.0 { one } else { rate };
    }
    let size = log.size();
    ensure!(size > 0, "no leaf was appended");
    let proof = ns_per_call(time / 10, |call| log.inclusion(call.wrapping_mul(982_451_653) % size, size).is_ok());
    let setting = |what: &str| Setting { sample: Some(format!("{size} leaves{what}")), ..Setting::default() };
    group.add(Figure::new("inclusion proofs in both trees, verified", proof / 1e3, "us", setting("")));
    drop(log);
    core.close()?;
    let clean = opened(&dir)?;
    group.add(Figure::new("open after a clean end", clean, "ms", setting("")));
    forget_trees(&dir)?;
    let rebuilt = opened(&dir)?;
    let rebuilt = Figure::new("open without the trees, which are made again", rebuilt, "ms", setting(""));
    group.add(rebuilt.against(clean, "with them"));
    Ok(group)
}

fn open(dir: &Path) -> Result<(Core, NotaryLog)> {
    let (core, _) = Core::open(dir, Options::default())?;
    let log = core.notary_log(LogId([1; 32]))?;
    Ok((core, log))
}

fn leaves(group: &mut Group, log: &NotaryLog, clients: Clients, time: Duration, one: f64) -> Result<f64> {
    let (before, run) = (log.size(), u64::from(clients.flight == 1) << 62);
    let (seconds, times) = drive(clients, time, |thread, number, done| {
        // No leaf is like another one.
        let leaf = |place: usize| {
            let mut leaf = vec![7; LEAF];
            leaf[..8].copy_from_slice(&(number | run).to_be_bytes());
            leaf[8..16].copy_from_slice(&((thread as u64) << 32 | place as u64).to_be_bytes());
            leaf[16] = clients.batch as u8;
            leaf
        };
        log.append_then((0..clients.batch).map(leaf).collect(), done)?;
        Ok(())
    })?;
    let taken = times.len() * clients.batch;
    ensure!(log.size() - before == taken as u64, "{taken} leaves are durable, but the log grew by another number");
    let rate = taken as f64 / seconds;
    let setting = Setting {
        record_bytes: Some(LEAF as u64),
        batch: Some(clients.batch as u64),
        durability: Some(DURABLE),
        clients: Some(clients.text()),
        sample: Some(format!("{taken} leaves")),
    };
    let what = format!("leaves, {} submissions of {} waiting", clients.threads * clients.flight, clients.batch);
    group.add(Figure::new(what, rate, "leaves/s", setting).timed(&times).against(one, "one by one"));
    Ok(rate)
}

/// Milliseconds until the store is open.
fn opened(dir: &Path) -> Result<f64> {
    let started = Instant::now();
    let (core, log) = open(dir)?;
    let took = millis(started.elapsed());
    drop(log);
    core.close()?;
    Ok(took)
}

/// Removes what is derived from the leaves.
fn forget_trees(dir: &Path) -> Result<()> {
    for log in fs::read_dir(dir.join("notary"))? {
        for name in ["tree.blake3", "tree.sha256"] {
            let path = log.as_ref().map_or_else(|_| dir.to_owned(), |log| log.path()).join(name);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_counted_and_trees_are_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (core, log) = open(dir.path()).unwrap();
        let mut group = Group::new("notary log", Place::InProcess);
        let clients = Clients { threads: 2, flight: 2, batch: 3 };
        let rate = leaves(&mut group, &log, clients, Duration::from_millis(20), 0.0).unwrap();
        let size = log.size();
        assert!(rate > 0.0 && size > 0 && size % 3 == 0);
        let root = log.roots(size).unwrap();
        drop(log);
        core.close().unwrap();
        forget_trees(dir.path()).unwrap();
        assert!(opened(dir.path()).unwrap() > 0.0);
        let (core, log) = open(dir.path()).unwrap();
        assert_eq!(log.roots(size).unwrap(), root);
        drop(log);
        core.close().unwrap();
    }
}
