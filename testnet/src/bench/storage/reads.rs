//! Reads of what was appended: one after the other and anywhere, from memory and from the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Bench;
use super::cache::{self, COLD, Cached};
use super::fjall::Fjall;
use super::pyralog::Pyralog;
use super::rocksdb::{ROCKSDB, Rocks};
use super::store::{Batch, Open, Reads};
use crate::bench::report::{Figure, Group, Place, Setting};
use crate::bench::timing::Times;

/// Bytes of a record.
const RECORD: usize = 1_024;
/// Records of an append while the store is filled.
const BATCH: usize = 1_000;
const CLIENTS: &str = "one thread";

/// What takes part; ours first.
const STORES: [(&str, Open<dyn Reads>); 3] = [
    ("pyralog", |dir| Ok(Box::new(Pyralog::open(dir)?))),
    ("rocksdb", |dir| Ok(Box::new(Rocks::open(dir)?))),
    ("fjall", |dir| Ok(Box::new(Fjall::open(dir)?))),
];

/// How much is read.
#[derive(Clone, Copy)]
struct Effort {
    /// Records of the store.
    records: u64,
    /// Single reads from the disk, each of another record.
    cold: u64,
    /// Single reads from memory.
    warm: u64,
}

/// What one store did.
struct Row {
    name: &'static str,
    /// Records per second of a whole scan.
    scan_cold: f64,
    scan_warm: f64,
    cold: Times,
    warm: Times,
}

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Group> {
    let effort = cx.either(
        Effort { records: 20_000, cold: 200, warm: 10_000 },
        Effort { records: 200_000, cold: 2_000, warm: 100_000 },
    );
    let mut rows = Vec::new();
    for (name, open) in STORES {
        crate::bench::note(&format!("storage: reads, {name}"));
        cx.check()?;
        let home = cx.home()?;
        rows.push(one(&home.path().join(name), open, effort)?);
    }
    Ok(group(&rows, effort))
}

fn one(dir: &Path, open: Open<dyn Reads>, effort: Effort) -> Result<Row> {
    let mut store = open(dir)?;
    let batch = Batch::new(RECORD, BATCH);
    for _ in 0..effort.records / BATCH as u64 {
        store.append(&batch)?;
    }
    store.finish()?;
    drop(store);

    // A database that was just opened has an empty cache of its own.
    let scanned = open(dir)?;
    scanned.read(0)?;
    Cached::of(dir)?.forget()?;
    let scan_cold = scan(scanned.as_ref(), effort)?;
    let scan_warm = scan(scanned.as_ref(), effort)?;
    let mut warm = Vec::with_capacity(effort.warm as usize);
    for turn in 0..effort.warm {
        warm.push(read(scanned.as_ref(), turn, effort)?);
    }
    drop(scanned);

    let store = open(dir)?;
    store.read(0)?;
    let cached = Cached::of(dir)?;
    let mut cold = Vec::with_capacity(effort.cold as usize);
    for turn in 0..effort.cold {
        cached.forget()?;
        cold.push(read(store.as_ref(), turn, effort)?);
    }
    cache::sync(dir)?;
    Ok(Row { name: store.name(), scan_cold, scan_warm, cold: Times::new(cold), warm: Times::new(warm) })
}

fn scan(store: &dyn Reads, effort: Effort) -> Result<f64> {
    let started = Instant::now();
    let records = store.scan()?;
    ensure!(records == effort.records, "{}: {records} of {} records were read", store.name(), effort.records);
    Ok(records as f64 / started.elapsed().as_secs_f64())
}

/// One read of a record that no cache expects.
fn read(store: &dyn Reads, turn: u64, effort: Effort) -> Result<Duration> {
    // A stride that shares no factor with a power of ten visits everything, each once.
    let number = turn.wrapping_mul(982_451_653) % effort.records;
    let started = Instant::now();
    let bytes = store.read(number)?;
    let took = started.elapsed();
    ensure!(bytes == RECORD, "{}: record {number} has {bytes} bytes", store.name());
    Ok(took)
}

fn group(rows: &[Row], effort: Effort) -> Group {
    let mut group = Group::new(format!("reads, {RECORD} B"), Place::InProcess);
    let setting = |sample: String| Setting {
        record_bytes: Some(RECORD as u64),
        clients: Some(CLIENTS.into()),
        sample: Some(sample),
        ..Setting::default()
    };
    let other = rows.iter().find(|row| row.name == ROCKSDB);
    let mut add = |what: &str, sample: &str, of: &dyn Fn(&Row) -> f64, times: Option<&dyn Fn(&Row) -> &Times>| {
        for row in rows {
            let figure = Figure::new(format!("{what}: {}", row.name), of(row), "records/s", setting(sample.into()));
            let figure = if row.name == ROCKSDB { figure } else { figure.against(other.map_or(0.0, of), ROCKSDB) };
            group.add(match times {
                Some(times) => figure.timed(times(row)),
                None => figure,
            });
        }
    };
    let single = |times: &Times| records_per_s(times);
    let all = format!("all {} records in order", effort.records);
    add("in order, cold", &all, &|row| row.scan_cold, None);
    add("in order, warm", &all, &|row| row.scan_warm, None);
    add("single, cold", &format!("{} records anywhere", effort.cold), &|row| single(&row.cold), Some(&|row| &row.cold));
    add("single, warm", &format!("{} records anywhere", effort.warm), &|row| single(&row.warm), Some(&|row| &row.warm));
    group.notes.push(format!(
        "cold: {COLD} (of a scan, once before it); a virtual machine's host may still have the bytes. Warm: after a scan; RocksDB and \
         fjall have caches of 512 MiB, ours is the page cache"
    ));
    group.notes.push(
        "ours reads a page of an index, and checks the batch of up to 16 KiB that holds the record; RocksDB and fjall \
         read blocks of 4 KiB. Filled with batches of 1,000, flushed and compacted before"
            .into(),
    );
    group
}

fn records_per_s(times: &Times) -> f64 {
    super::contest::records_per_s(times, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: Effort = Effort { records: 2_000, cold: 3, warm: 50 };

    #[test]
    fn every_store_is_filled_and_read_in_all_ways() {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<Row> =
            STORES.iter().map(|(name, open)| one(&dir.path().join(name), *open, LITTLE).unwrap()).collect();
        let group = group(&rows, LITTLE);
        assert_eq!(group.figures.len(), 4 * STORES.len());
        assert!(group.figures.iter().all(|figure| figure.value > 0.0 && figure.value.is_finite()));
        assert_eq!(group.figures.iter().filter(|figure| figure.ratio.is_none()).count(), 4, "RocksDB's own");
        assert_eq!(group.figures.iter().filter(|figure| figure.took.is_some()).count(), 2 * STORES.len());
    }
}
