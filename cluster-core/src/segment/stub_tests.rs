//! Segments of records and stubs are those of the records, wherever the power is cut.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use pyralog_crypto::{Encode, Record};

use super::conformance::{Owned, read};
use super::*;
use crate::disk::{Disk, FaultyDisk};
use crate::stub::{leaf_of, time_of};

pub(super) const DIR: &str = "/s";
pub(super) const SEGMENT_BYTES: u64 = 6000;

/// The record at an offset, encoded.
pub(super) fn record(offset: u64) -> Bytes {
    of_length(offset, (offset * 37 % 900) as usize)
}

fn of_length(offset: u64, length: usize) -> Bytes {
    Record::new(offset * 10, None, vec![offset as u8; length].into(), Vec::new()).unwrap().to_bytes().into()
}

pub(super) fn stub(record: &[u8]) -> Bytes {
    Stub::of(record).unwrap().to_bytes().to_vec().into()
}

pub(super) fn open(disk: &FaultyDisk) -> SegmentLog {
    try_open(disk).unwrap()
}

fn try_open(faulty: &FaultyDisk) -> Result<SegmentLog, Error> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    Ok(SegmentLog::open_records(&disk, Path::new(DIR), 5, SEGMENT_BYTES)?.0)
}

pub(super) fn append(log: &dyn RecordLog, items: &[Bytes]) -> Result<u64, Error> {
    let items: Vec<Item<'_>> = items.iter().map(|bytes| Item { timestamp: time_of(bytes).unwrap(), bytes }).collect();
    log.append(&items)
}

/// Appends `count` items, `batch` at once: records where `kept` says so, else their stubs.
pub(super) fn grow(log: &dyn RecordLog, count: u64, batch: u64, kept: impl Fn(u64) -> bool) -> Result<(), Error> {
    let end = log.next_offset() + count;
    while log.next_offset() < end {
        let first = log.next_offset();
        let item = |offset| if kept(offset) { record(offset) } else { stub(&record(offset)) };
        append(log, &(first..end.min(first + batch)).map(item).collect::<Vec<_>>())?;
    }
    Ok(())
}

pub(super) fn firsts(log: &dyn RecordLog) -> Vec<u64> {
    log.segments().iter().map(|segment| segment.first).collect()
}

/// What does not depend on where the bytes are.
fn shown(found: &[Owned]) -> Vec<(u64, u64, pyralog_crypto::Hash)> {
    found.iter().map(|(offset, time, bytes)| (*offset, *time, leaf_of(bytes))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Of records of any size and the stubs of some, in any parts and over restarts.
    #[test]
    fn segments_end_where_those_of_the_records_do(
        records in prop::collection::vec((0usize..3000, any::<bool>()), 1..80),
        part in 1usize..20,
        restart in 1usize..5,
        max_bytes in 0u64..60_000,
    ) {
        let (whole, disk) = (open(&FaultyDisk::new(1)), FaultyDisk::new(2));
        let mut some = open(&disk);
        let records: Vec<(u64, &(usize, bool))> = (0..).zip(&records).collect();
        for (number, part) in records.chunks(part).enumerate() {
            let bytes: Vec<Bytes> = part.iter().map(|(offset, (length, _))| of_length(*offset, *length)).collect();
            let item = |(bytes, (_, (_, kept))): (&Bytes, &(u64, &(usize, bool)))| if *kept { bytes.clone() } else { stub(bytes) };
            append(&some, &bytes.iter().zip(part).map(item).collect::<Vec<_>>()).unwrap();
            // The other one takes them one by one.
            bytes.iter().for_each(|bytes| assert!(append(&whole, std::slice::from_ref(bytes)).is_ok()));
            if number % restart == 0 {
                drop(some);
                some = open(&disk);
            }
        }
        prop_assert_eq!(firsts(&some), firsts(&whole));
        prop_assert_eq!(shown(&read(&some, 0).unwrap()), shown(&read(&whole, 0).unwrap()));
        prop_assert_eq!(some.counted_alike().len(), some.segments().len());
        for time in (0..900).step_by(35) {
            prop_assert_eq!(some.offset_at(time).unwrap(), whole.offset_at(time).unwrap());
        }
        let retention = Retention { max_bytes: Some(max_bytes), max_age_ms: None };
        let [one, other] = [&some, &whole].map(|log| retention.trim_to(&log.counted_alike(), 0));
        prop_assert_eq!(one, other, "both keep the same");
        [&some, &whole].iter().for_each(|log| log.trim(one).unwrap());
        prop_assert_eq!(firsts(&some), firsts(&whole));
    }
}

#[test]
fn what_is_kept_has_the_bytes_that_it_should_have() {
    let log = open(&FaultyDisk::new(1));
    grow(&log, 200, 7, |_| false).unwrap();
    let infos = log.counted_alike();
    assert!(infos.len() > 8 && log.segments()[0].bytes < 1500, "on disk there is little");
    assert!(infos[..infos.len() - 1].iter().all(|info| info.bytes == SEGMENT_BYTES));
    let last = infos.last().unwrap();
    assert_eq!(last.bytes, (last.first..200).map(|offset| 12 + record(offset).len() as u64).sum::<u64>());
}

#[test]
fn where_there_are_no_records_nothing_counts_as_a_stub() {
    // A leaf of a notary log may look like a stub of a large record.
    let leaf = Stub { timestamp: 0, length: 1 << 20, leaf: pyralog_crypto::Hash([1; 32]) }.to_bytes();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(1));
    let open = || SegmentLog::open(&disk, Path::new(DIR), 5, SEGMENT_BYTES).unwrap().0;
    for _ in 0..20 {
        open().append(&[Item { timestamp: 0, bytes: &leaf }; 5]).unwrap();
    }
    assert_eq!(open().segments().len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    /// So many items, which the journal has, so many at once.
    Append(u64, u64),
    Sync,
    /// Each of so many lacking records of a sealed segment.
    Fill(usize),
    Trim(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u64..20, 1u64..9).prop_map(|(count, batch)| Step::Append(count, batch)),
        2 => Just(Step::Sync),
        4 => (1usize..4).prop_map(Step::Fill),
        1 => (0u64..150).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..20)
}

/// What outlives the power.
#[derive(Default)]
struct Oracle {
    /// How many items the journal has.
    items: u64,
    filled: BTreeSet<u64>,
}

fn kept(offset: u64) -> bool {
    offset.is_multiple_of(3)
}

impl Oracle {
    /// Opens the stream, and gives it what the journal has, in parts.
    fn open(&self, disk: &FaultyDisk, part: u64) -> Result<SegmentLog, Error> {
        let log = try_open(disk)?;
        grow(&log, self.items - log.next_offset(), part, kept)?;
        Ok(log)
    }

    fn step(&mut self, log: &SegmentLog, step: &Step) -> Result<(), Error> {
        match step {
            Step::Append(count, batch) => {
                self.items += count;
                grow(log, *count, *batch, kept)
            }
            Step::Sync => log.sync().map(drop),
            Step::Fill(every) => {
                let last = log.segments().last().map_or(0, |last| last.first);
                let lacking = read(log, log.first_offset())?.into_iter().filter(|(_, _, bytes)| crate::is_stub(bytes));
                let due: Vec<(u64, Bytes)> = lacking
                    .take_while(|(offset, ..)| *offset < last)
                    .step_by(*every)
                    .map(|(offset, ..)| (offset, record(offset)))
                    .collect();
                let filled = log.fill(&due, &|| Ok(()))?;
                assert!(filled > 0 || due.is_empty());
                self.filled.extend(due[..filled].iter().map(|(offset, _)| *offset));
                Ok(())
            }
            Step::Trim(up_to) => log.trim(*up_to),
        }
    }

    fn check(&self, log: &SegmentLog, seed: u64) {
        let first = log.first_offset();
        let found = read(log, first).unwrap();
        assert_eq!((first + found.len() as u64, log.next_offset()), (self.items, self.items), "seed {seed}");
        for (offset, time, bytes) in &found {
            let record = record(*offset);
            assert_eq!((*time, leaf_of(bytes)), (offset * 10, leaf_of(&record)), "seed {seed}");
            let whole = *bytes == record;
            assert!(whole || *bytes == stub(&record), "seed {seed}: {offset} is neither");
            assert!(whole || !(kept(*offset) || self.filled.contains(offset)), "seed {seed}: {offset} is lost");
        }
        let whole = MemoryLog::new(5, SEGMENT_BYTES);
        grow(&whole, self.items, 50, |_| true).unwrap();
        let firsts_of = |log: &dyn RecordLog| firsts(log).into_iter().filter(|from| *from >= first).collect::<Vec<_>>();
        assert_eq!(firsts_of(log), firsts_of(&whole), "seed {seed}");
        for offset in (first..self.items).step_by(7) {
            assert_eq!(log.offset_at(offset * 10).unwrap(), Some(offset), "seed {seed}");
        }
        super::tests::verify(log).unwrap();
    }
}

fn live(disk: &FaultyDisk, seed: u64, lives: &[(Vec<Step>, u64)]) -> usize {
    let mut oracle = Oracle::default();
    for (number, (steps, operations)) in lives.iter().enumerate() {
        let log = oracle.open(disk, 1 + number as u64 % 7).unwrap();
        oracle.check(&log, seed);
        disk.cut_power_after(*operations);
        let lived = steps.iter().try_for_each(|step| oracle.step(&log, step));
        assert!(!matches!(lived, Err(Error::Damaged { .. } | Error::NotTheRecord { .. })), "seed {seed}: {lived:?}");
        drop(log);
        disk.crash();
        for operations in [1, 4, 9] {
            disk.cut_power_after(operations);
            let opened = oracle.open(disk, 5);
            assert!(!matches!(opened, Err(Error::Damaged { .. })), "seed {seed}: {opened:?}");
            disk.crash();
        }
    }
    let log = oracle.open(disk, 13).unwrap();
    oracle.check(&log, seed);
    assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".tmp")), "seed {seed}");
    oracle.filled.len()
}

/// Fills, of both meanings, and trims.
fn script() -> Vec<Step> {
    let round = |number: u64| {
        [
            Step::Append(9, 4),
            Step::Fill(2),
            Step::Sync,
            Step::Append(20, 6),
            Step::Fill(1),
            Step::Fill(1),
            Step::Trim(number * 20),
        ]
    };
    (0..4).flat_map(round).collect()
}

#[test]
fn power_cuts_at_every_operation_of_a_script() {
    let probe = FaultyDisk::new(0);
    let filled = live(&probe, 0, &[(script(), u64::MAX)]);
    let operations = probe.operations();
    assert!(operations > 150 && filled > 30, "{operations} {filled}");
    for operation in 0..operations {
        for seed in 0..2 {
            let seed = operation << 8 | seed;
            live(&FaultyDisk::new(seed), seed, &[(script(), operation), (script(), operation / 3)]);
        }
    }
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let caught = (0..30).filter(|seed| {
        let lied = std::panic::catch_unwind(|| {
            let disk = FaultyDisk::new(*seed);
            drop(open(&disk));
            disk.ignore_syncs();
            live(&disk, *seed, &[(script(), 90), (script(), 120)]);
        });
        lied.is_err()
    });
    assert!(caught.count() > 15);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_was_filled_stays_over_power_cuts(seed: u64, lives in prop::collection::vec((steps(), 0u64..200), 1..4)) {
        live(&FaultyDisk::new(seed), seed, &lives);
    }
}
