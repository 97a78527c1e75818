//! Many partitions in one store: what opening them takes, and an append to each of them at once.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use pyralog_cluster_core::{Partition, completion};

use super::Bench;
use super::opening::{Opening, in_a_process};
use super::pyralog::{open_log, records};
use super::store::Batch;
use crate::bench::report::{Aim, Figure, Group, Place, Setting};
use crate::bench::timing::{Times, millis};

/// Partitions that are opened.
const PARTITIONS: u32 = 1_000;
/// Records of each, and their bytes.
const RECORDS: usize = 10;
const RECORD: usize = 1_024;
/// What opening them may take, milliseconds.
const AIM_MS: f64 = 500.0;
/// What the process may take then, MiB.
const AIM_MIB: f64 = 100.0;
/// Partitions that are appended to at once, and the bytes of each record.
const AT_ONCE: u32 = 500;
const LARGE: usize = 10_240;
const DURABLE: &str = "journal with fdatasync, hashes, segment";
const ALL: &str = "one thread, all in flight";
const EACH: &str = "a file each: write + fdatasync, one after the other";

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Vec<Group>> {
    Ok(vec![opened(cx)?, at_once(cx)?])
}

fn opened(cx: &Bench<'_>) -> Result<Group> {
    crate::bench::note(&format!("storage: opening {PARTITIONS} partitions"));
    let home = cx.home()?;
    let (clean, crashed) = (home.path().join("clean"), home.path().join("crashed"));
    let (core, log) = open_log(&clean, PARTITIONS)?;
    fill(log.partitions(), RECORD, RECORDS)?;
    // What is in the files while the store is open is what a crash of the process leaves.
    copy(&clean, &crashed).context("cannot copy the store")?;
    drop(log);
    core.close()?;
    let mut group = Group::new(format!("{PARTITIONS} partitions in one store"), Place::InProcess);
    for (how, dir) in [("clean end", &clean), ("crash", &crashed)] {
        cx.check()?;
        figures(&mut group, how, in_a_process(dir)?);
    }
    group.notes.push(
        "in a process of its own that does nothing else; the files are in the page cache. Memory is VmRSS, RocksDB's included. After a crash \
         the journal is read again, which opens the partitions that it names"
            .into(),
    );
    Ok(group)
}

fn figures(group: &mut Group, how: &str, took: Opening) {
    let setting = || Setting {
        record_bytes: Some(RECORD as u64),
        clients: Some("one thread".into()),
        sample: Some(format!("{RECORDS} records in each partition, store opened after a {how}")),
        ..Setting::default()
    };
    // A crash has no aim.
    let clean = how != "crash";
    let aim = |figure: Figure, most: f64| if clean { figure.aim(Aim::AtMost(most)) } else { figure };
    group.add(aim(Figure::new(format!("open after a {how}"), took.open_ms, "ms", setting()), AIM_MS));
    let open = Figure::new(format!("memory, open after a {how}"), took.rss_open, "MiB", setting());
    group.add(aim(open.against(took.rss_before, "the process before"), AIM_MIB));
    group.add(Figure::new("a read of each", took.read_ms, "ms", setting()));
    let read = Figure::new("memory, after a read of each", took.rss_read, "MiB", setting());
    group.add(aim(read.against(took.rss_before, "the process before"), AIM_MIB));
}

fn at_once(cx: &Bench<'_>) -> Result<Group> {
    crate::bench::note(&format!("storage: an append to each of {AT_ONCE} partitions"));
    let rounds = cx.either(3, 20);
    let home = cx.home()?;
    let batch = Batch::new(LARGE, 1);
    let [record] = batch.records() else { anyhow::bail!("a batch of one record") };
    let each = files(&home.path().join("files"), record, rounds)?;
    let (core, log) = open_log(&home.path().join("store"), AT_ONCE)?;
    let first = append_to_each(log.partitions(), record)?;
    let mut further = Vec::new();
    for _ in 0..rounds {
        cx.check()?;
        further.push(append_to_each(log.partitions(), record)?);
    }
    drop(log);
    core.close()?;
    let further = Times::new(further);
    let mut group = Group::new(format!("an append to each of {AT_ONCE} partitions"), Place::InProcess);
    let setting = |durability, clients: &str, sample: String| Setting {
        record_bytes: Some(LARGE as u64),
        batch: Some(1),
        durability: Some(durability),
        clients: Some(clients.into()),
        sample: Some(sample),
    };
    let median = || format!("median of {rounds} rounds");
    let files = each.percentile_ms(50.0);
    group.add(Figure::new(format!("{AT_ONCE} files"), files, "ms", setting(EACH, "one thread", median())));
    let until = "until all are durable";
    let later = Figure::new(until, further.percentile_ms(50.0), "ms", setting(DURABLE, ALL, median()));
    group.add(later.against(files, "a file each"));
    let first =
        Figure::new(format!("{until}, first appends"), millis(first), "ms", setting(DURABLE, ALL, "once".into()));
    group.add(first.against(files, "a file each"));
    group.notes.push("the first append to a partition makes its files".into());
    Ok(group)
}

/// Appends records to every partition, an append each.
pub fn fill(partitions: &[Partition], bytes: usize, count: usize) -> Result<()> {
    let batch = records(Batch::new(bytes, count).records())?;
    for partition in partitions {
        let (done, event) = completion();
        partition.append_then(&batch, done)?;
        event.recv()?.durable()?;
    }
    Ok(())
}

/// Appends the record to every partition and waits for all.
fn append_to_each(partitions: &[Partition], record: &Bytes) -> Result<Duration> {
    let one = records(std::slice::from_ref(record))?;
    let started = Instant::now();
    let mut waiting = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let (done, event) = completion();
        partition.append_then(&one, done)?;
        waiting.push(event);
    }
    for event in waiting {
        event.recv()?.durable()?;
    }
    Ok(started.elapsed())
}

/// The same with a file for each partition, which are open and grow.
fn files(dir: &Path, record: &Bytes, rounds: u64) -> Result<Times> {
    fs::create_dir_all(dir)?;
    let files: Vec<File> =
        (0..AT_ONCE).map(|number| File::create(dir.join(number.to_string()))).collect::<Result<_, _>>()?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let started = Instant::now();
        for file in &files {
            file.write_all_at(record, round * record.len() as u64)?;
            file.sync_data()?;
        }
        times.push(started.elapsed());
    }
    Ok(Times::new(times))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_an_open_store_is_what_a_crash_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let (open, crashed) = (dir.path().join("open"), dir.path().join("crashed"));
        let (core, log) = open_log(&open, 3).unwrap();
        fill(log.partitions(), 50, 4).unwrap();
        append_to_each(log.partitions(), Batch::new(60, 1).records().first().unwrap()).unwrap();
        copy(&open, &crashed).unwrap();
        let (other, copied) = open_log(&crashed, 1).unwrap();
        let sizes = |of: &[Partition]| of.iter().map(|one| one.range().unwrap()).collect::<Vec<_>>();
        assert_eq!(sizes(copied.partitions()), [(0, 5); 3]);
        assert_eq!(sizes(log.partitions()), [(0, 5); 3]);
        drop((log, copied));
        core.close().unwrap();
        other.close().unwrap();
    }

    #[test]
    fn only_a_clean_end_has_aims() {
        let mut group = Group::new("x", Place::InProcess);
        let took = Opening { open_ms: 600.0, read_ms: 1.0, rss_before: 10.0, rss_open: 50.0, rss_read: 120.0 };
        figures(&mut group, "clean end", took);
        figures(&mut group, "crash", took);
        let met: Vec<Option<bool>> = group.figures.iter().map(|f| f.aim.map(|aim| aim.met(f))).collect();
        assert_eq!(met, [Some(false), Some(true), None, Some(false), None, None, None, None]);
    }
}
