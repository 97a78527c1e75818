//! Which streams of the journal belong to which logs, in the table of that name.
//!
//! ```text
//! key "next"                  value next:u64, the stream that the next log gets; streams are never given twice
//! key "notary/" log id[32]    value stream:u64, of a notary log whose files were made
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use pyralog_crypto::LogId;

use crate::Error;
use crate::chain::{Batch, Durability, Family, Tables};
use crate::frame::u64_at;
use crate::wal;

const NEXT: &[u8] = b"next";
const NOTARY: &[u8] = b"notary/";
const FIRST: u64 = wal::STREAM + 1;

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
        let mut found = Vec::new();
        self.tables.scan(Family::Log, NOTARY, &mut |key, value| {
            let id = key.strip_prefix(NOTARY);
            found.extend(id.map(|id| (id.to_vec(), value.to_vec())));
            id.is_some()
        })?;
        let entry = |(id, value): (Vec<u8>, Vec<u8>)| {
            let id = id.try_into().map_err(|_| self.broken())?;
            Ok((LogId(id), self.number(&value)?))
        };
        found.into_iter().map(entry).collect()
    }

    /// Says durably that the files of a notary log were made.
    pub(crate) fn put_notary(&mut self, id: LogId, stream: u64) -> Result<(), Error> {
        self.next = self.next.max(stream.saturating_add(1));
        let mut batch = Batch::default();
        batch.put(Family::Log, NEXT, self.next.to_be_bytes());
        batch.put(Family::Log, [NOTARY, &id.0].concat(), stream.to_be_bytes());
        self.tables.write(batch, Durability::Synced)
    }

    /// Takes a stream that nobody has or had, durably.
    pub(crate) fn take_stream(&mut self) -> Result<u64, Error> {
        let stream = self.next;
        let mut batch = Batch::default();
        batch.put(Family::Log, NEXT, (stream + 1).to_be_bytes());
        self.tables.write(batch, Durability::Synced)?;
        self.next = stream + 1;
        Ok(stream)
    }

    fn number(&self, value: &[u8]) -> Result<u64, Error> {
        let number = (value.len() == 8).then(|| u64_at(value, 0));
        number.filter(|number| *number >= FIRST).ok_or_else(|| self.broken())
    }

    fn broken(&self) -> Error {
        Error::Tables { dir: self.dir.clone(), message: "an entry of the logs is not as this store writes it".into() }
    }
}

#[cfg(test)]
mod tests;
