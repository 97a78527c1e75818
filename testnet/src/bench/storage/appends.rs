//! Durable appends: one client, one batch after the other, every store in turn.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::contest::{self, Turns, records_per_s};
use super::etcd::{self, Etcd};
use super::fjall::Fjall;
use super::journal::{JOURNAL, Journaled};
use super::pyralog::{PYRALOG, Pyralog};
use super::raw::{RAW, Raw};
use super::redis::{self, Command, Redis};
use super::rocksdb::{ROCKSDB, Rocks};
use super::store::{Batch, Store};
use crate::bench::report::{Aim, Figure, Group, Place, Setting};
use crate::bench::timing::Times;

/// Bytes of a record.
const RECORDS: [usize; 2] = [100, 1_024];
/// Records of a batch.
const BATCHES: [usize; 3] = [1, 100, 1_000];
/// Ours, which have the aims.
const OURS: [&str; 2] = [JOURNAL, PYRALOG];
/// What a batched append is to reach of the raw file.
const AIM_OF_RAW: f64 = 0.7;
/// How many times RocksDB's rate it is to reach.
const AIM_OF_ROCKSDB: f64 = 3.0;
/// How many times the raw file's median a single durable record may take at the 99th percentile.
const AIM_OF_SYNC: f64 = 3.0;
const ONE_SYNC: &str = "one write + fdatasync, median";

/// What one store did.
struct Row {
    name: &'static str,
    durability: &'static str,
    clients: &'static str,
    times: Times,
}

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Vec<Group>> {
    let turns = Turns { turn: Duration::from_millis(cx.either(100, 500)), rounds: cx.either(2, 6) };
    let mut groups = Vec::new();
    let mut missing = Vec::new();
    for bytes in RECORDS {
        crate::bench::note(&format!("storage: appends of {bytes} bytes"));
        let home = cx.home()?;
        let mut stores = open(home.path(), &mut missing)?;
        for count in BATCHES {
            let batch = Batch::new(bytes, count);
            let times = contest::run(&mut stores, &batch, turns, home.path(), cx.interrupt)?;
            let row = |(store, times): (&dyn Store, Times)| Row {
                name: store.name(),
                durability: store.durability(),
                clients: store.clients(),
                times,
            };
            let rows: Vec<Row> = stores.iter().map(AsRef::as_ref).zip(times).map(row).collect();
            groups.push(group(&rows, &batch));
        }
    }
    missing.sort();
    missing.dedup();
    if let Some(last) = groups.last_mut() {
        last.notes = notes(turns, missing);
    }
    Ok(groups)
}

fn open(dir: &Path, missing: &mut Vec<String>) -> Result<Vec<Box<dyn Store>>> {
    let mut stores: Vec<Box<dyn Store>> = vec![
        Box::new(Raw::padded(dir)?),
        Box::new(Raw::unpadded(dir)?),
        Box::new(Journaled::open(&dir.join("journal"))?),
        Box::new(Pyralog::open(&dir.join("pyralog"))?),
        Box::new(Rocks::open(&dir.join("rocksdb"))?),
        Box::new(Fjall::open(&dir.join("fjall"))?),
    ];
    for (name, command) in [("redis-push", Command::Push), ("redis-add", Command::Add)] {
        match Redis::start(&dir.join(name), command)? {
            Some(redis) => stores.push(Box::new(redis)),
            None => missing.push(format!("left out: Redis is not installed ({})", redis::INSTALL)),
        }
    }
    match Etcd::start(&dir.join("etcd"))? {
        Some(etcd) => stores.push(Box::new(etcd)),
        None => missing.push(format!("left out: etcd is not installed ({})", etcd::INSTALL)),
    }
    Ok(stores)
}

fn group(rows: &[Row], batch: &Batch) -> Group {
    let (bytes, count) = (batch.record_bytes(), batch.records().len());
    let mut group = Group::new(format!("durable appends, {bytes} B, batch {count}"), Place::InProcess);
    let setting = |row: &Row| Setting {
        record_bytes: Some(bytes as u64),
        batch: Some(count as u64),
        durability: Some(row.durability),
        clients: Some(row.clients.into()),
        sample: Some(format!("{} batches", row.times.len())),
    };
    let rate = |row: &Row| records_per_s(&row.times, count);
    let named = |name: &str| rows.iter().find(|row| row.name == name);
    let (raw, rocksdb) = (named(RAW).map_or(0.0, rate), named(ROCKSDB).map_or(0.0, rate));
    let sync = named(RAW).map_or(0.0, |raw| raw.times.percentile_ms(50.0));
    for row in rows {
        let ours = OURS.contains(&row.name);
        let aim = |figure: Figure, applies: bool, aim| if ours && applies { figure.aim(aim) } else { figure };
        let figure = Figure::new(row.name, rate(row), "records/s", setting(row)).timed(&row.times);
        let figure = if row.name == RAW { figure } else { figure.against(raw, RAW) };
        group.add(aim(figure, count > 1, Aim::RatioAtLeast(AIM_OF_RAW)));
        if ours {
            let what = format!("{}, beside RocksDB", row.name);
            let figure = Figure::new(what, rate(row), "records/s", setting(row)).against(rocksdb, ROCKSDB);
            group.add(aim(figure, count > 1, Aim::RatioAtLeast(AIM_OF_ROCKSDB)));
        }
        if count == 1 && (ours || row.name == RAW) {
            let what = format!("{}, p99 of one record", row.name);
            let figure = Figure::new(what, row.times.percentile_ms(99.0), "ms", setting(row)).against(sync, ONE_SYNC);
            group.add(aim(figure, true, Aim::RatioAtMost(AIM_OF_SYNC)));
        }
    }
    group
}

fn notes(turns: Turns, missing: Vec<String>) -> Vec<String> {
    let mut notes = missing;
    notes.push(format!(
        "the stores take {} turns of {} ms each, in an order that is drawn; in between the file system is synced and background work \
         waited for, untimed. Records do not compress, and no store tries to",
        turns.rounds,
        turns.turn.as_millis(),
    ));
    notes.push(
        "raw pre-written file: batches begin at multiples of 4,096 bytes, so that no write touches what was written before; unpadded \
         they stand close to each other"
            .into(),
    );
    notes.push(
        "Redis and etcd are asked over loopback, so their figures hold system calls and switches of processes that the others do without; \
         etcd's also HTTP/2 and protobuf, its own gateway for JSON would add more"
            .into(),
    );
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, us: u64) -> Row {
        let times = Times::new(vec![Duration::from_micros(us); 10]);
        Row { name, durability: "synced", clients: "one", times }
    }

    #[test]
    fn batches_of_ours_are_aimed_at_the_raw_file_and_at_rocksdb() {
        let rows = [row(RAW, 100), row(JOURNAL, 125), row(PYRALOG, 200), row(ROCKSDB, 500)];
        let group = group(&rows, &Batch::new(100, 100));
        let judged = |name: &str| {
            let figure = group.figures.iter().find(|figure| figure.what == name).unwrap();
            (figure.ratio.as_ref().unwrap().value, figure.aim.unwrap().met(figure))
        };
        assert_eq!(judged(JOURNAL), (0.8, true));
        assert_eq!(judged(PYRALOG), (0.5, false));
        assert_eq!(judged(&format!("{JOURNAL}, beside RocksDB")), (4.0, true));
        assert_eq!(judged(&format!("{PYRALOG}, beside RocksDB")), (2.5, false));
        assert!(group.figures[0].ratio.is_none() && group.figures[0].value > 999_999.0);
        assert_eq!(group.figures.len(), 6);
        assert_eq!(group.name, "durable appends, 100 B, batch 100");
    }

    #[test]
    fn a_single_record_is_aimed_at_one_sync() {
        let rows = [row(RAW, 100), row(JOURNAL, 250), row(PYRALOG, 350)];
        let group = group(&rows, &Batch::new(1_024, 1));
        let aimed: Vec<_> = group.figures.iter().filter_map(|f| Some((f.what.as_str(), f.aim?.met(f)))).collect();
        let what = |name: &str| format!("{name}, p99 of one record");
        assert_eq!(aimed, [(what(JOURNAL).as_str(), true), (what(PYRALOG).as_str(), false)]);
    }

    #[test]
    fn what_is_left_out_is_named() {
        let turns = Turns { turn: Duration::from_millis(5), rounds: 2 };
        let notes = notes(turns, vec![format!("left out: Redis is not installed ({})", redis::INSTALL)]);
        assert!(notes[0].contains("apt-get install") && notes[1].contains("2 turns of 5 ms"), "{notes:?}");
    }
}
