//! Segments behind a journal: power cuts at every operation, against an oracle of what the journal acknowledged.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::conformance::{Owned, read};
use super::*;
use crate::disk::{Disk, FaultyDisk};
use crate::journal::{Entry, Journal, JournalOptions};

/// Streams that share the journal.
const STREAMS: usize = 2;

/// What a caller does.
#[derive(Debug, Clone)]
enum Step {
    /// A durable group: for each record its stream and length.
    Append(Vec<(usize, usize)>),
    /// The segments get what the journal has, in batches of so many records.
    Flush(usize),
    /// The segments are synced and the journal released.
    Release,
    /// The oldest segments of a stream go.
    Trim(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = prop::collection::vec((0..STREAMS, 0usize..1500), 1..6);
    let step = prop_oneof![
        6 => records.prop_map(Step::Append),
        3 => (1usize..5).prop_map(Step::Flush),
        2 => Just(Step::Release),
        1 => (0..STREAMS).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..30)
}

/// Both stores as a member would drive them.
struct Member {
    journal: Journal,
    logs: Vec<SegmentLog>,
    /// Durable in the journal, not yet in a segment.
    waiting: Vec<Vec<Owned>>,
}

impl Member {
    fn open(faulty: &FaultyDisk) -> Result<Self, Error> {
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let open = |stream| SegmentLog::open(&disk, Path::new(&format!("/streams/{stream}")), stream as u64, 6000);
        let logs = (0..STREAMS).map(|stream| Ok(open(stream)?.0)).collect::<Result<Vec<_>, Error>>()?;
        let mut waiting: Vec<Vec<Owned>> = vec![Vec::new(); STREAMS];
        let options = JournalOptions { file_bytes: 8 * 4096, spare_files: 1 };
        let (journal, _) = Journal::open(&disk, Path::new("/journal"), options, |_, entry| {
            let stream = entry.stream as usize;
            let due = logs[stream].next_offset() + waiting[stream].len() as u64;
            assert!(entry.position <= due, "record {} of stream {stream} is there, {due} is not", entry.position);
            if entry.position == due {
                waiting[stream].push((due, due * 10, entry.bytes.to_vec()));
            }
            Ok(())
        })?;
        Ok(Self { journal, logs, waiting })
    }

    fn next(&self, stream: usize) -> u64 {
        self.logs[stream].next_offset() + self.waiting[stream].len() as u64
    }

    fn append(&mut self, records: &[(usize, usize)]) -> Result<(), Error> {
        let mut next: Vec<u64> = (0..STREAMS).map(|stream| self.next(stream)).collect();
        let mut owned = Vec::new();
        for (stream, length) in records {
            owned.push((*stream, next[*stream], vec![next[*stream] as u8; *length]));
            next[*stream] += 1;
        }
        let entry = |(stream, position, bytes): &'_ (usize, u64, Vec<u8>)| (*stream as u64, *position, bytes.clone());
        let parts: Vec<(u64, u64, Vec<u8>)> = owned.iter().map(entry).collect();
        let entries: Vec<Entry<'_>> = parts
            .iter()
            .map(|(stream, position, bytes)| Entry { stream: *stream, position: *position, bytes })
            .collect();
        self.journal.append(&entries)?;
        for (stream, position, bytes) in owned {
            self.waiting[stream].push((position, position * 10, bytes));
        }
        Ok(())
    }

    fn flush(&mut self, batch: usize) -> Result<(), Error> {
        for (log, waiting) in self.logs.iter().zip(&mut self.waiting) {
            for records in std::mem::take(waiting).chunks(batch) {
                let items: Vec<Item<'_>> =
                    records.iter().map(|(_, timestamp, bytes)| Item { timestamp: *timestamp, bytes }).collect();
                assert_eq!(log.append(&items)?, records[0].0);
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Append(records) => self.append(records),
            Step::Flush(batch) => self.flush(*batch),
            Step::Release => {
                let up_to = self.journal.next_group();
                self.flush(3)?;
                for log in &self.logs {
                    log.sync()?;
                }
                self.journal.release(up_to)
            }
            Step::Trim(stream) => {
                let log = &self.logs[*stream];
                log.trim(log.segments()[0].next)
            }
        }
    }
}

/// Lengths of all records that were acknowledged, by stream, and how many were asked for.
#[derive(Default)]
struct Oracle {
    acknowledged: [Vec<usize>; STREAMS],
    asked: [Vec<usize>; STREAMS],
}

impl Oracle {
    fn check(&mut self, member: &mut Member, seed: u64) -> Result<(), Error> {
        member.flush(4)?;
        for (stream, log) in member.logs.iter().enumerate() {
            let first = log.first_offset() as usize;
            let found = read(log, first as u64)?;
            let lengths: Vec<usize> = found.iter().map(|(_, _, bytes)| bytes.len()).collect();
            let (acknowledged, asked) = (&self.acknowledged[stream], &self.asked[stream]);
            let end = first + found.len();
            assert!(end >= acknowledged.len(), "seed {seed}: {end} of {} records", acknowledged.len());
            assert_eq!(lengths, asked[first..end], "seed {seed}, stream {stream}");
            for (offset, time, bytes) in &found {
                assert!(*time == offset * 10 && bytes.iter().all(|byte| *byte == *offset as u8), "seed {seed}");
            }
            self.acknowledged[stream] = asked[..end].to_vec();
            self.asked[stream].truncate(end);
            super::tests::verify(log)?;
        }
        Ok(())
    }
}

fn live(disk: &FaultyDisk, seed: u64, lives: &[(Vec<Step>, u64)]) {
    let mut oracle = Oracle::default();
    for (steps, operations) in lives {
        let mut member = Member::open(disk).unwrap();
        disk.cut_power_after(*operations);
        let lived = (|| {
            oracle.check(&mut member, seed)?;
            for step in steps {
                if let Step::Append(records) = step {
                    records.iter().for_each(|(stream, length)| oracle.asked[*stream].push(*length));
                }
                member.step(step)?;
                oracle.acknowledged = oracle.asked.clone();
            }
            Ok::<(), Error>(())
        })();
        assert!(!matches!(lived, Err(Error::Damaged { .. })), "seed {seed}: {lived:?}");
        drop(member);
        disk.crash();
        for operations in [2, 9] {
            disk.cut_power_after(operations);
            let _may_fail = Member::open(disk);
            disk.crash();
        }
    }
    let mut member = Member::open(disk).unwrap();
    oracle.check(&mut member, seed).unwrap();
}

fn disk(seed: u64) -> FaultyDisk {
    FaultyDisk::new(seed)
}

/// Fills, seals, releases and trims.
fn script() -> Vec<Step> {
    let append = |length: usize| Step::Append(vec![(0, length), (1, 20), (0, length / 2)]);
    let round = [append(900), append(1400), Step::Flush(2), append(10), Step::Release, append(700), Step::Trim(0)];
    round.into_iter().cycle().take(28).collect()
}

#[test]
fn power_cuts_at_every_operation_of_a_script() {
    let probe = disk(0);
    live(&probe, 0, &[(script(), u64::MAX)]);
    let operations = probe.operations();
    assert!(operations > 150, "{operations}");
    for operation in 0..operations {
        for seed in 0..2 {
            let seed = operation << 8 | seed;
            live(&disk(seed), seed, &[(script(), operation), (script(), operation / 3)]);
        }
    }
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let caught = (0..30).filter(|seed| {
        let lied = std::panic::catch_unwind(|| {
            let disk = disk(*seed);
            drop(Member::open(&disk).unwrap());
            disk.ignore_syncs();
            live(&disk, *seed, &[(script(), 90), (script(), 120)]);
        });
        lied.is_err()
    });
    assert!(caught.count() > 15);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn nothing_acknowledged_is_lost_over_power_cuts(seed: u64, lives in prop::collection::vec((steps(), 0u64..250), 1..4)) {
        live(&disk(seed), seed, &lives);
    }
}
