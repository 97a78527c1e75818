//! The time bound of Scarab ids: nothing at or above it has left.

use std::path::{Path, PathBuf};

use super::ceiling::{Demand, Reserved};
use super::own;
use super::refill::Reserve;
use super::scarab::{END_MS, SEQUENCE_BITS};
use crate::Error;
use crate::disk::{Disk, Lock};
use crate::parts::u64_at;
use crate::slot::SlotFile;

/// How far the bound is put ahead of use. A crash moves ids at most this far ahead of the clock, while a sync has half of it to
/// end in before a draw has to wait; at ordinary rates that is two small writes every two seconds.
pub(super) const AHEAD_MS: u64 = 4_000;

const VERSION: u8 = 1;

/// The open bound. Times are in milliseconds since 2025-01-01T00:00:00Z.
#[derive(Debug)]
pub(super) struct BoundFile {
    slot: SlotFile,
    path: PathBuf,
    bound_ms: Option<u64>,
    _lock: Box<dyn Lock>,
}

impl BoundFile {
    /// Opens the bound, or makes one where the directory holds none.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        let lock = own(disk, dir)?;
        let path = dir.join("bound");
        let slot = SlotFile::open(disk, &path)?;
        // The process that made the file may have ended before its name was durable.
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
        if slot.torn() {
            tracing::warn!(file = %path.display(), "one copy of the time bound does not check; the other one holds");
        }
        let other = || Error::damaged(&path, 0, "the record is not a time bound that this release reads");
        let bound_ms = slot.value().map(|record| decode(record).ok_or_else(other)).transpose()?;
        Ok(Self { slot, path, bound_ms, _lock: lock })
    }

    /// The recorded bound; `None` if there never was one.
    pub(super) fn bound_ms(&self) -> Option<u64> {
        self.bound_ms
    }

    /// Into both copies before anyone hears of it: then damage of one does not bring back an older bound.
    fn put(&mut self, bound_ms: u64) -> Result<(), Error> {
        let record = [&[VERSION][..], &bound_ms.to_be_bytes()].concat();
        self.slot.put(&record)?;
        self.slot.put(&record)?;
        self.bound_ms = Some(bound_ms);
        Ok(())
    }
}

impl Reserve for BoundFile {
    fn reserve(&mut self, demand: Demand) -> Result<Reserved, Error> {
        let needed = demand.end.div_ceil(1 << SEQUENCE_BITS);
        if needed > END_MS {
            return Err(Error::IdsExhausted { file: self.path.clone() });
        }
        let bound_ms = needed.saturating_add(AHEAD_MS).max(self.bound_ms.unwrap_or(0)).min(END_MS);
        self.put(bound_ms)?;
        let wake_ms = bound_ms.saturating_sub(AHEAD_MS / 2);
        let wake_at = if bound_ms == END_MS { u64::MAX } else { wake_ms << SEQUENCE_BITS };
        Ok(Reserved { end: bound_ms << SEQUENCE_BITS, wake_at })
    }

    /// Gives back what was not used, so that restarts in order do not move ids ahead of the clock.
    fn finish(&mut self, used: u64) -> Result<(), Error> {
        self.put(used.div_ceil(1 << SEQUENCE_BITS))
    }
}

/// The record: `version:u8 bound_ms:u64`, big-endian.
pub(super) fn decode(record: &[u8]) -> Option<u64> {
    match record {
        [VERSION, ..] if record.len() == 9 => Some(u64_at(record, 1)).filter(|bound_ms| *bound_ms <= END_MS),
        _ => None,
    }
}
