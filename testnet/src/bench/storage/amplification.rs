//! Write amplification: what goes to the disk for each byte of payload.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::cache;
use super::device::Device;
use super::fjall::Fjall;
use super::journal::Journaled;
use super::pyralog::Pyralog;
use super::raw::{RAW, Raw};
use super::rocksdb::Rocks;
use super::store::{Batch, IN_PROCESS, Open, Store};
use crate::bench::report::{Figure, Group, Place, Setting};

/// What takes part.
const STORES: [(&str, Open<dyn Store>); 6] = [
    ("raw", |dir| Ok(Box::new(Raw::padded(dir)?))),
    ("unpadded", |dir| Ok(Box::new(Raw::unpadded(dir)?))),
    ("journal", |dir| Ok(Box::new(Journaled::open(dir)?))),
    ("pyralog", |dir| Ok(Box::new(Pyralog::open(dir)?))),
    ("rocksdb", |dir| Ok(Box::new(Rocks::open(dir)?))),
    ("fjall", |dir| Ok(Box::new(Fjall::open(dir)?))),
];

/// Bytes written by one store.
struct Row {
    name: &'static str,
    durability: &'static str,
    written: u64,
}

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Vec<Group>> {
    let plans = cx.either([(1_024, 100, 200), (100, 1, 500)], [(1_024, 100, 2_000), (100, 1, 10_000)]);
    let Some(device) = Device::under(cx.home()?.path())? else {
        let mut group = Group::new("write amplification", Place::InProcess);
        group.notes.push("left out: TMPDIR is on no block device that counts what it writes".into());
        return Ok(vec![group]);
    };
    let idle = idle(&device)?;
    let mut groups = Vec::new();
    for (bytes, count, appends) in plans {
        crate::bench::note(&format!("storage: bytes written for {bytes} bytes, batches of {count}"));
        let batch = Batch::new(bytes, count);
        let mut rows = Vec::new();
        for (name, open) in STORES {
            let home = cx.home()?;
            rows.push(one(&home.path().join(name), open, &device, &batch, appends).context(name)?);
        }
        groups.push(group(&rows, &batch, appends));
    }
    if let Some(last) = groups.last_mut() {
        last.notes.push(
            "what the block device wrote, over the bytes of the records: behind as many appends that are not counted and that make the files \
             which are used again, and until everything is where it stays (ours closed, RocksDB and fjall flushed and compacted)"
                .into(),
        );
        last.notes.push(format!(
            "the file system's own journal counts, and so does what other programs write: {:.0} KiB per second before this, when \
             nothing of ours was written",
            idle / 1024.0
        ));
    }
    Ok(groups)
}

/// Bytes per second that others have written.
fn idle(device: &Device) -> Result<f64> {
    let (started, before) = (Instant::now(), device.written()?);
    std::thread::sleep(Duration::from_secs(1));
    Ok((device.written()? - before) as f64 / started.elapsed().as_secs_f64())
}

fn one(dir: &Path, open: Open<dyn Store>, device: &Device, batch: &Batch, appends: u64) -> Result<Row> {
    std::fs::create_dir_all(dir)?;
    let mut store = open(dir)?;
    let mut fill = || -> Result<u64> {
        for _ in 0..appends {
            store.append(batch)?;
        }
        store.finish()?;
        cache::sync(dir)?;
        device.written()
    };
    let before = fill()?;
    let written = fill()?.saturating_sub(before);
    Ok(Row { name: store.name(), durability: store.durability(), written })
}

fn group(rows: &[Row], batch: &Batch, appends: u64) -> Group {
    let (bytes, count) = (batch.record_bytes(), batch.records().len());
    let mut group = Group::new(format!("write amplification, {bytes} B, batch {count}"), Place::InProcess);
    let payload = batch.bytes() * appends;
    let of = |row: &Row| row.written as f64 / payload as f64;
    let raw = rows.iter().find(|row| row.name == RAW).map_or(0.0, of);
    for row in rows {
        let setting = Setting {
            record_bytes: Some(bytes as u64),
            batch: Some(count as u64),
            durability: Some(row.durability),
            clients: Some(IN_PROCESS.into()),
            sample: Some(format!("{appends} appends")),
        };
        let figure = Figure::new(row.name, of(row), "bytes/byte", setting);
        group.add(if row.name == RAW { figure } else { figure.against(raw, RAW) });
    }
    group
}

#[cfg(test)]
mod tests {
    use super::super::store::Reads;
    use super::*;

    #[test]
    fn every_store_takes_what_is_counted_and_as_much_before() {
        let home = tempfile::tempdir().unwrap();
        let dir = |name: &str| home.path().join(name);
        // A temporary directory in memory has none, so any will do.
        let device = Device::at(&home.path().join("stat"));
        std::fs::write(home.path().join("stat"), "0 0 0 0 0 0 8 0").unwrap();
        for (name, open) in STORES {
            one(&dir(name), open, &device, &Batch::new(500, 4), 3).unwrap();
        }
        let scans = [
            Pyralog::open(&dir("pyralog")).unwrap().scan().unwrap(),
            Rocks::open(&dir("rocksdb")).unwrap().scan().unwrap(),
            Fjall::open(&dir("fjall")).unwrap().scan().unwrap(),
        ];
        assert_eq!(scans, [24; 3]);
    }

    #[test]
    fn amplification_is_bytes_written_over_payload() {
        let row = |name, written| Row { name, durability: "synced", written };
        let group = group(&[row(RAW, 8_000), row("other", 20_000)], &Batch::new(100, 10), 4);
        assert_eq!(group.figures.iter().map(|figure| figure.value).collect::<Vec<_>>(), [2.0, 5.0]);
        assert_eq!(group.figures[1].ratio.as_ref().map(|ratio| ratio.value), Some(2.5));
    }
}
