//! What clients were told, and what members show.

use std::collections::{BTreeMap, BTreeSet};

use pyralog_crypto::{Decode, Record};

use crate::Partition;
use crate::logs::tests::record;
use crate::member::{Acked, Placed, Unplaced};
use crate::replication::AckMode;
use crate::segment::Stored;

/// An append.
pub(super) struct Append {
    mode: AckMode,
    numbers: std::ops::Range<u64>,
    /// Offsets below this one were acknowledged before it was asked for.
    floor: u64,
}

#[derive(Default)]
pub(super) struct Oracle {
    next: u64,
    waiting: BTreeMap<u64, Append>,
    /// Number of each acknowledged record, by offset.
    acknowledged: BTreeMap<u64, u64>,
    /// Numbers of which clients were told that they are not stored.
    refused: BTreeSet<u64>,
    /// What any member ever showed, by offset.
    seen: BTreeMap<u64, u64>,
    pub(super) unknown: u64,
    /// Numbers of the records that were acknowledged before they were durable, and how.
    early: BTreeMap<u64, AckMode>,
}

impl Oracle {
    /// A client asks for so many records.
    pub(super) fn ask(&mut self, ticket: u64, mode: AckMode, records: u64) -> Vec<Record> {
        let (append, asked) = self.fresh(records);
        self.waiting.insert(ticket, Append { mode, ..append });
        asked
    }

    /// So many records that are nowhere yet.
    pub(super) fn fresh(&mut self, records: u64) -> (Append, Vec<Record>) {
        let numbers = self.next..self.next + records;
        self.next += records;
        let floor = self.acknowledged.last_key_value().map_or(0, |(offset, _)| offset + 1);
        let asked = numbers.clone().map(record).collect();
        (Append { mode: AckMode::Durable, numbers, floor }, asked)
    }

    /// A client is told, for the first time, that it has this offset.
    pub(super) fn acknowledge(&mut self, append: &Append, offset: u64) {
        assert!(offset >= append.floor, "at {offset}, and {} were acknowledged before", append.floor);
        for (offset, number) in (offset..).zip(append.numbers.clone()) {
            let other = self.acknowledged.insert(offset, number);
            assert_eq!(other, None, "offset {offset} of record {number}");
            self.see(offset, number);
        }
    }

    /// It is told.
    pub(super) fn hear(&mut self, ticket: u64, acked: Result<Acked, Unplaced>) {
        let append = self.waiting.remove(&ticket).expect("an append is answered once");
        match acked {
            Ok(Acked::Durable(Placed { offset, .. })) => self.acknowledge(&append, offset),
            Ok(Acked::Early { mode, .. }) => {
                assert_eq!(mode, append.mode, "an early answer to who did not ask for it");
                assert_ne!(mode, AckMode::Durable);
                self.early.extend(append.numbers.map(|number| (number, mode)));
            }
            Err(Unplaced::Unknown { .. }) => self.unknown += 1,
            Err(_) => self.refused.extend(append.numbers),
        }
    }

    fn see(&mut self, offset: u64, number: u64) {
        let seen = *self.seen.entry(offset).or_insert(number);
        assert_eq!(seen, number, "offset {offset} shows record {number}, and showed {seen}");
    }

    /// A member shows its records.
    pub(super) fn look(&mut self, partition: &Partition) -> u64 {
        let mut numbers = BTreeSet::new();
        let mut read = Vec::new();
        let mut visit = |stored: Stored<'_>| {
            read.push((stored.offset, stored.bytes.to_vec()));
            true
        };
        let range = partition.range().and_then(|range| partition.read(range.0, &mut visit).map(|()| range));
        let (first, end) = match range {
            Ok(range) => range,
            Err(reason) => {
                assert!(reason.to_string().contains("power is off"), "{reason}");
                return 0;
            }
        };
        assert_eq!(read.len() as u64, end - first);
        for (offset, bytes) in read {
            let found = Record::from_bytes(&bytes).unwrap();
            let number = u64::from_be_bytes(found.key().unwrap()[..].try_into().unwrap());
            assert_eq!(found, record(number), "offset {offset}");
            assert!(number < self.next && !self.refused.contains(&number), "record {number} was never stored");
            assert!(numbers.insert(number), "record {number} stands twice");
            self.see(offset, number);
        }
        end
    }

    /// A member that has everything shows all that was acknowledged.
    pub(super) fn look_at_all(&mut self, partition: &Partition) -> u64 {
        let end = self.look(partition);
        let last = self.acknowledged.last_key_value().map_or(0, |(offset, _)| offset + 1);
        assert!(end >= last, "{end} records, and {last} were acknowledged");
        end
    }

    /// Records that were acknowledged before they were durable.
    pub(super) fn early(&self) -> usize {
        self.early.len()
    }

    /// Those of this mode that no member has ever shown.
    pub(super) fn lost(&self, mode: AckMode) -> usize {
        let shown: BTreeSet<u64> = self.seen.values().copied().collect();
        self.early.iter().filter(|(number, of)| **of == mode && !shown.contains(number)).count()
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }
}
