//! The disk of one group: openraft's storage on [`Tables`], in the table [`Family::Raft`].
//!
//! | key | value |
//! |---|---|
//! | `group:u64 0` | vote |
//! | `group:u64 1` | last committed log id; may be older than it was |
//! | `group:u64 2` | last purged log id |
//! | `group:u64 3` | newest snapshot: description, then the state |
//! | `group:u64 4 index:u64` | log entry |
//!
//! Each value begins with a version byte (1). Votes, entries, truncations, purges and snapshots are durable before openraft hears of
//! them; the committed id may come later, since losing it only repeats work. A write that fails stops the group for good: it is never
//! tried again, since what the disk holds is not known until the next start.

mod log;
mod machine;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use log::{LogStore, Starts};
pub(super) use machine::{Applied, MachineStore};
use openraft::{AnyError, ErrorSubject, ErrorVerb, StorageIOError};
use pyralog_crypto::CodecError;

use super::types::StorageError;
use crate::{Batch, Durability, Error, Family, Tables};

const VOTE: u8 = 0;
const COMMITTED: u8 = 1;
const PURGED: u8 = 2;
const SNAPSHOT: u8 = 3;
const ENTRY: u8 = 4;

/// A value of the table that cannot be what was written.
pub(super) fn damaged(what: &str, why: &CodecError) -> Error {
    Error::damaged(Path::new("tables/raft"), 0, format!("{what}: {why}"))
}

/// Every group that has anything in the table, in the order of their numbers.
pub(super) fn groups(tables: &dyn Tables) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    let mut from = 0u64;
    loop {
        let mut next = None;
        tables.scan(Family::Raft, &from.to_be_bytes(), &mut |key, _| {
            next = key.first_chunk().map(|group| u64::from_be_bytes(*group));
            false
        })?;
        // The last number is no group's.
        let Some(group) = next.filter(|group| *group != u64::MAX) else { return Ok(found) };
        found.push(group);
        from = group + 1;
    }
}

/// The part of the table that belongs to one group. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    tables: Arc<dyn Tables>,
    group: u64,
    /// Why nothing is written any more.
    failed: Arc<Mutex<Option<Error>>>,
}

impl Shelf {
    pub(super) fn new(tables: Arc<dyn Tables>, group: u64) -> Self {
        Self { tables, group, failed: Arc::default() }
    }

    fn key(&self, kind: u8) -> Vec<u8> {
        [&self.group.to_be_bytes()[..], &[kind]].concat()
    }

    fn entry_key(&self, index: u64) -> Vec<u8> {
        [&self.key(ENTRY)[..], &index.to_be_bytes()].concat()
    }

    fn get(&self, kind: u8) -> Result<Option<Vec<u8>>, Error> {
        self.tables.get(Family::Raft, &self.key(kind))
    }

    /// Writes beside the threads of the runtime, since a sync takes its time. Synced.
    async fn write(&self, batch: Batch) -> Result<(), Error> {
        self.write_unless(|_| Ok(false), batch).await.map(drop)
    }

    /// As [`Shelf::write`], unless `found` finds something that speaks against it. Whether it was written.
    async fn write_unless(
        &self,
        found: impl FnOnce(&Self) -> Result<bool, Error> + Send + 'static,
        batch: Batch,
    ) -> Result<bool, Error> {
        let shelf = self.clone();
        let work = move || shelf.write_now(found, batch, Durability::Synced);
        let written = tokio::task::spawn_blocking(work).await;
        written.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string())))
    }

    fn write_now(
        &self,
        found: impl FnOnce(&Self) -> Result<bool, Error>,
        batch: Batch,
        durability: Durability,
    ) -> Result<bool, Error> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &*failed {
            return Err(error.clone());
        }
        if found(self)? {
            return Ok(false);
        }
        let written = self.tables.write(batch, durability);
        if let Err(error) = &written {
            *failed = Some(error.clone());
        }
        written.map(|()| true)
    }
}

/// As openraft hears of an error: it stops the group.
fn failed(subject: ErrorSubject<u64>, verb: ErrorVerb, error: &Error) -> StorageError {
    StorageError::IO { source: StorageIOError::new(subject, verb, AnyError::new(error)) }
}

#[cfg(test)]
mod tests;
