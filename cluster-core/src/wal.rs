//! The consensus write-ahead log: a stream of the journal.
//!
//! ```text
//! journal entry = stream 1, position = number of the record since the home was made, bytes = kind:u8 rest
//! kind 1 = entry (rest: 1 or more bytes), 2 = reset (rest: height:u64), 3 = torn (no rest)
//! ```
//!
//! Entries are opaque. The log is what stands behind the last reset; whatever is before it may leave the journal. A record may stand in the
//! journal twice, under the same position, since the entries of a long height are carried on when an old file is to be used again.
//!
//! *Torn* is written when a start finds that the journal's last group was cut by a crash. It stands until the next reset, so that the signer
//! abstains even if the process that saw it died before it could.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::Error;
use crate::event::{Completion, Ticket};
use crate::journal::{Entry, MAX_GROUP_BYTES};
use crate::parts::u64_at;
use crate::queue::{Operation, Queue};

/// Stream of the journal.
pub(crate) const STREAM: u64 = 1;
/// Most bytes of one WAL entry.
pub const MAX_WAL_ENTRY_BYTES: usize = MAX_GROUP_BYTES - RECORD_OVERHEAD;

/// Bytes that a record takes in the journal beside the entry.
const RECORD_OVERHEAD: usize = 21;
const ENTRY: u8 = 1;
const RESET: u8 = 2;
const TORN: u8 = 3;

/// What the log held at open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalRecovery {
    /// Height of the last reset; 0 before the first.
    pub height: u64,
    /// Entries since then, oldest first.
    pub entries: Vec<Bytes>,
    /// The journal's last group was cut by a crash, now or at an earlier start since the last reset. It was never acknowledged, but
    /// what it said may have been about to be signed: the signer must abstain.
    pub truncated: bool,
}

/// Handle for writing the log.
#[derive(Clone)]
pub struct Wal {
    queue: Arc<Queue>,
    recovery: Arc<Mutex<Option<WalRecovery>>>,
}

impl Wal {
    pub(crate) fn new(queue: Arc<Queue>, recovery: WalRecovery) -> Self {
        Self { queue, recovery: Arc::new(Mutex::new(Some(recovery))) }
    }

    /// What the log held at open. Given once, since it may be large; `None` afterwards.
    #[must_use]
    pub fn take_recovery(&self) -> Option<WalRecovery> {
        self.recovery.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Appends an entry of 1 to [`MAX_WAL_ENTRY_BYTES`] bytes. Entries become durable in the order of their tickets.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Closed`], or why the store failed.
    pub fn append(&self, entry: Bytes) -> Result<Ticket, Error> {
        self.submit_entry(entry, None)
    }

    /// [`Wal::append`] with a completion of its own.
    ///
    /// # Errors
    /// As [`Wal::append`]; the completion is then dropped uncalled.
    pub fn append_then(&self, entry: Bytes, done: Completion) -> Result<Ticket, Error> {
        self.submit_entry(entry, Some(done))
    }

    fn submit_entry(&self, entry: Bytes, done: Option<Completion>) -> Result<Ticket, Error> {
        if entry.is_empty() || entry.len() > MAX_WAL_ENTRY_BYTES {
            return Err(Error::Size { what: "a WAL entry", found: entry.len() as u64, allowed: "1 to 33554411" });
        }
        let bytes = (entry.len() + RECORD_OVERHEAD) as u64;
        self.queue.push(Operation::WalEntry(entry), bytes, done)
    }

    /// Forgets all entries so far and begins `height`. Done only after all that was
    /// requested before it of WAL, mark and chain is durable.
    ///
    /// # Errors
    /// [`Error::Closed`], or why the store failed.
    pub fn reset(&self, height: u64) -> Result<Ticket, Error> {
        self.queue.push(Operation::WalReset(height), 0, None)
    }

    /// [`Wal::reset`] with a completion of its own.
    ///
    /// # Errors
    /// As [`Wal::reset`]; the completion is then dropped uncalled.
    pub fn reset_then(&self, height: u64, done: Completion) -> Result<Ticket, Error> {
        self.queue.push(Operation::WalReset(height), 0, Some(done))
    }
}

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Entry(Bytes),
    Reset(u64),
    Torn,
}

impl Record {
    /// The bytes of the record in the journal.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Entry(bytes) => [&[ENTRY][..], bytes].concat(),
            Self::Reset(height) => [&[RESET][..], &height.to_be_bytes()].concat(),
            Self::Torn => vec![TORN],
        }
    }

    /// The record of [`Record::encode`]'s bytes, and of no others.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&ENTRY, rest) if !rest.is_empty() => Some(Self::Entry(Bytes::copy_from_slice(rest))),
            (&RESET, rest) if rest.len() == 8 => Some(Self::Reset(u64_at(rest, 0))),
            (&TORN, []) => Some(Self::Torn),
            _ => None,
        }
    }
}

/// Collects the log from a journal that is replayed.
#[derive(Debug, Default)]
pub(crate) struct WalReplay {
    /// By position, from the last reset on, each with the last group that holds it.
    records: BTreeMap<u64, (Record, u64)>,
}

/// Where the log stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalPlace {
    /// Position of the next record.
    pub(crate) next: u64,
    /// Position of the last reset, or 0 before the first one. What is before it is not needed.
    pub(crate) live: u64,
    /// The journal's group of the first record from there on.
    pub(crate) group: u64,
    /// Entries since the last reset.
    pub(crate) entries: u64,
}

impl WalPlace {
    /// The journal's groups before this one are not needed.
    pub(crate) fn needs_from(&self) -> u64 {
        if self.is_empty() { u64::MAX } else { self.group }
    }

    /// Whether there is no record at all, not even of a reset.
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.live
    }
}

impl WalReplay {
    /// Takes an entry of the journal's group `group`; `dir` is the journal's.
    pub(crate) fn take(&mut self, dir: &Path, group: u64, entry: Entry<'_>) -> Result<(), Error> {
        let position = entry.position;
        let damaged = |why: &str| Err(Error::damaged(dir, 0, format!("group {group} checks, but {why}")));
        let Some(record) = Record::decode(entry.bytes).filter(|_| position < u64::MAX) else {
            return damaged("holds a WAL record that is none");
        };
        if self.begins_with_reset().is_some_and(|reset| position < reset) {
            return Ok(());
        }
        if let Record::Reset(_) = record {
            self.records = self.records.split_off(&position);
        }
        match self.records.insert(position, (record.clone(), group)) {
            Some((other, _)) if other != record => {
                damaged("an earlier one holds another WAL record at the same position")
            }
            _ => Ok(()),
        }
    }

    /// Position of the reset that the records begin with, if they do.
    fn begins_with_reset(&self) -> Option<u64> {
        let (position, (record, _)) = self.records.first_key_value()?;
        matches!(record, Record::Reset(_)).then_some(*position)
    }

    /// The log, and its place; `next_group` is the group that the journal writes next.
    ///
    /// # Errors
    /// [`Error::Damaged`] where records are missing.
    pub(crate) fn finish(self, dir: &Path, next_group: u64) -> Result<(WalRecovery, WalPlace), Error> {
        let live = self.begins_with_reset().unwrap_or(0);
        let group = self.records.values().map(|(_, group)| *group).min().unwrap_or(next_group);
        let mut place = WalPlace { next: live, live, group, entries: 0 };
        let mut recovery = WalRecovery::default();
        for (position, (record, _)) in self.records {
            if position != place.next {
                let why = format!("WAL record {} is missing, and record {position} is there", place.next);
                return Err(Error::damaged(dir, 0, why));
            }
            place.next += 1;
            match record {
                Record::Entry(entry) => recovery.entries.push(entry),
                Record::Reset(height) => recovery.height = height,
                Record::Torn => recovery.truncated = true,
            }
        }
        place.entries = recovery.entries.len() as u64;
        Ok((recovery, place))
    }
}

#[cfg(test)]
mod tests;
