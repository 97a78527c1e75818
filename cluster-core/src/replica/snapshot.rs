//! A replica in the tables: what a start begins with, before it reads the journal.

use std::collections::BTreeMap;

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::held::{Checked, Frontier, Held, Step};
use crate::chain::{Batch, Family};
use crate::replication::{Change, Entry, Lsn, MemberState, Precedence, Producers};

const COPY: &[u8] = b"copy/";
const VERSION: u8 = 1;

/// The value of a replica, beside its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) stream: u64,
    /// Stream of the partition whose records they become.
    pub(super) of: u64,
    pub(super) held: HeldValue,
}

/// [`Held`] without its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldValue {
    next: u64,
    applied: Frontier,
    state: MemberState,
    producers: Producers,
}

/// What the tables have of a replica.
#[derive(Debug, Default)]
pub(super) struct Saved {
    value: Option<Vec<u8>>,
    copies: BTreeMap<Lsn, Precedence>,
}

/// A replica at one moment.
pub(super) struct Snapshot {
    value: Value,
    copies: BTreeMap<Lsn, Entry>,
}

impl Value {
    /// The value of a new replica.
    pub(super) fn new(stream: u64, of: u64, held: &Held) -> Self {
        let Held { next, applied, state, settled, .. } = held;
        let (state, producers) = (state.clone(), settled.clone());
        Self { stream, of, held: HeldValue { next: *next, applied: *applied, state, producers } }
    }

    /// The same replica without records: others have them all. Its copies stay.
    pub(super) fn anew(mut self) -> Self {
        // Whatever it takes from others first has no position until its last record has one.
        self.held.applied = Frontier { between: true, ..Frontier::behind(0) };
        self.held.producers = Producers::default();
        self
    }

    /// The replica, with its copies in the tables.
    ///
    /// # Errors
    /// [`CodecError`] for a copy that is none.
    pub(super) fn held(&self, copies: &BTreeMap<Lsn, Entry>) -> Result<Held, CodecError> {
        let mut held = Held::new(self.held.applied);
        let put = |(lsn, entry): (&Lsn, &Entry)| Change::Put { lsn: *lsn, entry: entry.clone() };
        held.step(&Checked::of(Step::Changes(copies.iter().map(put).collect()))?);
        (held.state, held.next) = (self.held.state.clone(), self.held.next);
        (held.producers, held.settled) = (self.held.producers.clone(), self.held.producers.clone());
        Ok(held)
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Writer) {
        let HeldValue { next, applied: Frontier { lsn, offset, between }, state, producers } = &self.held;
        out.u8(VERSION).u64(self.stream).u64(self.of).u64(*next).put(lsn).u64(*offset).bool(*between).put(state);
        out.put(producers);
    }
}

impl Decode for Value {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("replica", VERSION)?;
        let (stream, of, next) = (input.u64()?, input.u64()?, input.u64()?);
        let applied = Frontier { lsn: input.get()?, offset: input.u64()?, between: input.bool()? };
        let (state, producers) = (input.get()?, input.get()?);
        Ok(Self { stream, of, held: HeldValue { next, applied, state, producers } })
    }
}

impl Snapshot {
    pub(super) fn of(stream: u64, of: u64, held: &Held) -> Self {
        let copies = held.copies.iter().map(|(lsn, (entry, _))| (*lsn, entry.clone())).collect();
        Self { value: Value::new(stream, of, held), copies }
    }

    /// Enters what the tables have not into a batch, and answers what they then have.
    pub(super) fn write(&self, key: Vec<u8>, saved: &Saved, batch: &mut Batch) -> Saved {
        let value = self.value.to_bytes();
        if saved.value.as_ref() != Some(&value) {
            batch.put(Family::Log, key, value.clone());
        }
        let copies: BTreeMap<_, _> = self.copies.iter().map(|(lsn, entry)| (*lsn, entry.precedence)).collect();
        for (lsn, entry) in &self.copies {
            if saved.copies.get(lsn) != Some(&entry.precedence) {
                batch.put(Family::Log, copy_key(self.value.stream, *lsn), entry.to_bytes());
            }
        }
        for lsn in saved.copies.keys().filter(|lsn| !copies.contains_key(lsn)) {
            batch.delete(Family::Log, copy_key(self.value.stream, *lsn));
        }
        Saved { value: Some(value), copies }
    }
}

impl Saved {
    pub(super) fn new(value: &Value, copies: &BTreeMap<Lsn, Entry>) -> Self {
        let copies = copies.iter().map(|(lsn, entry)| (*lsn, entry.precedence)).collect();
        Self { value: Some(value.to_bytes()), copies }
    }

    /// Deletes the copies that the tables have.
    pub(super) fn delete(&self, stream: u64, batch: &mut Batch) {
        self.copies.keys().for_each(|lsn| batch.delete(Family::Log, copy_key(stream, *lsn)));
    }
}

/// Where the copies of a replica begin.
pub(super) fn copies_prefix(stream: u64) -> Vec<u8> {
    [COPY, &stream.to_be_bytes()].concat()
}

fn copy_key(stream: u64, lsn: Lsn) -> Vec<u8> {
    [COPY, &stream.to_be_bytes(), &lsn.to_bytes()].concat()
}
