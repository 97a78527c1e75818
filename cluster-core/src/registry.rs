//! Which streams of the journal belong to which logs, in the table of that name.
//!
//! ```text
//! key "next"                  value next:u64, the stream that the next log gets; streams are never given twice
//! key "notary/" log id[32]    value stream:u64, of a notary log whose files were made
//! key "made/" stream:u64      value empty, of a partition whose files were made, or 1:u8, of one of which a checkpoint was handed out too
//! key "log/" name             value state:u8 stream:u64 spec, state 0 = there, 1 = being deleted; a log has as many streams as partitions
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pyralog_crypto::{Decode, Encode, LogId};

use crate::Error;
use crate::chain::{Batch, Durability, Family, Tables};
use crate::logs::{LogName, LogSpec};
use crate::parts::u64_at;
use crate::wal;

const NEXT: &[u8] = b"next";
const NOTARY: &[u8] = b"notary/";
const LOG: &[u8] = b"log/";
const MADE: &[u8] = b"made/";
const FIRST: u64 = wal::STREAM + 1;

/// A log that is not a notary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Stream of its partition 0; those of the others follow.
    pub(crate) stream: u64,
    pub(crate) spec: LogSpec,
    /// Its files are to be removed.
    pub(crate) deleted: bool,
}

/// What was made of a partition's files, so that it is damage when they are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Segments.
    Files,
    /// The record of what was signed as well.
    Signed,
}

impl Entry {
    /// Enters it into a batch.
    pub(crate) fn put(&self, batch: &mut Batch) {
        let value = [&[u8::from(self.deleted)][..], &self.stream.to_be_bytes(), &self.spec.to_bytes()].concat();
        batch.put(Family::Log, [LOG, self.spec.name.as_str().as_bytes()].concat(), value);
    }
}

/// Key, without its prefix, and value.
type Pair = (Vec<u8>, Vec<u8>);

/// The table of streams.
#[derive(Debug)]
pub(crate) struct Registry {
    tables: Arc<dyn Tables>,
    dir: PathBuf,
    /// The stream that the next log gets.
    next: u64,
}

impl Registry {
    /// Reads the table; `dir` is that of the tables, for messages.
    pub(crate) fn open(tables: Arc<dyn Tables>, dir: PathBuf) -> Result<Self, Error> {
        let mut this = Self { tables, dir, next: FIRST };
        if let Some(value) = this.tables.get(Family::Log, NEXT)? {
            this.next = this.number(&value)?;
        }
        Ok(this)
    }

    /// The notary logs whose files were made, with their streams.
    pub(crate) fn notary_logs(&self) -> Result<Vec<(LogId, u64)>, Error> {
        let entry = |(id, value): Pair| {
            let id = id.try_into().map_err(|_| self.broken())?;
            Ok((LogId(id), self.number(&value)?))
        };
        self.entries(NOTARY)?.into_iter().map(entry).collect()
    }

    /// The other logs, by name.
    pub(crate) fn logs(&self) -> Result<Vec<Entry>, Error> {
        let entry = |(name, value): Pair| {
            let entry = self.entry(&value)?;
            if entry.spec.name.as_str().as_bytes() == name { Ok(entry) } else { Err(self.broken()) }
        };
        self.entries(LOG)?.into_iter().map(entry).collect()
    }

    /// Keys behind a prefix, and values.
    fn entries(&self, prefix: &[u8]) -> Result<Vec<Pair>, Error> {
        let mut found = Vec::new();
        self.tables.scan(Family::Log, prefix, &mut |key, value| {
            let rest = key.strip_prefix(prefix);
            found.extend(rest.map(|rest| (rest.to_vec(), value.to_vec())));
            rest.is_some()
        })?;
        Ok(found)
    }

    fn entry(&self, value: &[u8]) -> Result<Entry, Error> {
        let entry = value.split_at_checked(9).and_then(|(head, spec)| {
            let deleted = match head[0] {
                0 => false,
                1 => true,
                _ => return None,
            };
            Some(Entry { stream: self.number(&head[1..]).ok()?, spec: LogSpec::from_bytes(spec).ok()?, deleted })
        });
        entry.ok_or_else(|| self.broken())
    }

    /// Enters a log, durably, or that it is being deleted.
    pub(crate) fn put_log(&self, entry: &Entry) -> Result<(), Error> {
        let mut batch = Batch::default();
        entry.put(&mut batch);
        self.tables.write(batch, Durability::Synced)
    }

    /// Forgets a log and that its files were made, durably.
    pub(crate) fn remove_log(&self, name: &LogName, streams: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.delete(Family::Log, [LOG, name.as_str().as_bytes()].concat());
        streams.for_each(|stream| batch.delete(Family::Log, made_key(stream)));
        self.tables.write(batch, Durability::Synced)
    }

    /// Streams of the partitions whose files were made, and what they must have.
    pub(crate) fn made(&self) -> Result<BTreeMap<u64, Made>, Error> {
        let entry = |(stream, value): Pair| match value[..] {
            [] => Ok((self.number(&stream)?, Made::Files)),
            [1] => Ok((self.number(&stream)?, Made::Signed)),
            _ => Err(self.broken()),
        };
        self.entries(MADE)?.into_iter().map(entry).collect()
    }

    /// Says durably what the files of a partition must have from now on.
    pub(crate) fn put_made(&self, stream: u64, made: Made) -> Result<(), Error> {
        let value: &[u8] = match made {
            Made::Files => &[],
            Made::Signed => &[1],
        };
        let mut batch = Batch::default();
        batch.put(Family::Log, made_key(stream), value);
        self.tables.write(batch, Durability::Synced)
    }

    /// Says durably that the files of a notary log were made.
    pub(crate) fn put_notary(&mut self, id: LogId, stream: u64) -> Result<(), Error> {
        self.next = self.next.max(stream.saturating_add(1));
        let mut batch = Batch::default();
        batch.put(Family::Log, NEXT, self.next.to_be_bytes());
        batch.put(Family::Log, [NOTARY, &id.0].concat(), stream.to_be_bytes());
        self.tables.write(batch, Durability::Synced)
    }

    /// Takes `count` streams, one behind the other, that nobody has or had, durably; answers the first.
    pub(crate) fn take_streams(&mut self, count: u64) -> Result<u64, Error> {
        let first = self.next;
        let next = first.checked_add(count).ok_or_else(|| self.broken())?;
        let mut batch = Batch::default();
        batch.put(Family::Log, NEXT, next.to_be_bytes());
        self.tables.write(batch, Durability::Synced)?;
        self.next = next;
        Ok(first)
    }

    fn number(&self, value: &[u8]) -> Result<u64, Error> {
        let number = (value.len() == 8).then(|| u64_at(value, 0));
        number.filter(|number| *number >= FIRST).ok_or_else(|| self.broken())
    }

    fn broken(&self) -> Error {
        Error::Tables { dir: self.dir.clone(), message: "an entry of the logs is not as this store writes it".into() }
    }
}

fn made_key(stream: u64) -> Vec<u8> {
    [MADE, &stream.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
