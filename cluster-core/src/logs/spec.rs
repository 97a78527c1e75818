//! What a log is, as its creator said.

use std::fmt;
use std::str::FromStr;

use pyralog_crypto::{CodecError, Decode, Encode, LogId, Reader, Writer};

use crate::Error;
use crate::segment::Retention;

/// Most partitions of one log.
pub const MAX_PARTITIONS: u32 = 4096;
/// Most bytes of a log's name.
pub const MAX_LOG_NAME_BYTES: usize = pyralog_crypto::chain_id::MAX_LOG_NAME;
/// Fewest and most bytes at which a segment is sealed.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4 << 10..=1 << 30;
/// Most bytes that a log in memory may keep, in all its partitions.
const MEMORY_BYTES: u64 = 1 << 30;
/// Bytes that a partition in memory keeps where nothing is said.
const MEMORY_PARTITION_BYTES: u64 = 64 << 20;
const VERSION: u8 = 1;

/// Name of a log: what [`pyralog_crypto::check_log_name`] allows, 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit. So it is
/// also the name of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName(String);

impl LogName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let sound = pyralog_crypto::check_log_name(text).is_ok() && text.as_bytes()[0].is_ascii_alphanumeric();
        // Text from outside goes into messages, but not all of it.
        let shown = || text.chars().take(MAX_LOG_NAME_BYTES).collect();
        if sound { Ok(Self(text.to_owned())) } else { Err(Error::LogName { name: shown() }) }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the records of a log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In segments, behind the journal.
    Disk,
    /// In memory only: an append is durable when it is there, and a restart begins with an empty log.
    Memory,
}

/// A log: see [`crate::Logs::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpec {
    /// Unique among the logs that there are.
    pub name: LogName,
    /// What its checkpoints name.
    pub id: LogId,
    /// 1 to [`MAX_PARTITIONS`].
    pub partitions: u32,
    /// Where the records are.
    pub storage: Storage,
    /// Which records may go.
    pub retention: Retention,
    /// A segment is sealed when it has so many bytes: 4 KiB to 1 GiB. Each is files and syncs of its own, so small ones are for tests. Only whole segments go by
    /// retention.
    pub segment_bytes: u64,
}

impl LogSpec {
    /// Refuses what is out of bounds.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_PARTITIONS).contains(&self.partitions) {
            let found = u64::from(self.partitions);
            return Err(Error::Size { what: "a log", found, allowed: "1 to 4096 partitions" });
        }
        if !SEGMENT_BYTES.contains(&self.segment_bytes) {
            let allowed = "4096 to 1073741824 bytes";
            return Err(Error::Size { what: "a segment", found: self.segment_bytes, allowed });
        }
        let kept = self.retention.max_bytes.unwrap_or(u64::MAX).saturating_mul(self.partitions.into());
        if self.storage == Storage::Memory && kept > MEMORY_BYTES {
            let allowed = "1073741824 bytes in all partitions: limit them with max_bytes";
            return Err(Error::Size { what: "a log in memory", found: kept, allowed });
        }
        Ok(())
    }

    /// The log with the limits that it has where its creator says nothing: what is in memory is bounded, and its segments are small enough to go
    /// one by one.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        if self.storage == Storage::Memory {
            let share = MEMORY_BYTES / u64::from(self.partitions.max(1));
            let kept = *self.retention.max_bytes.get_or_insert(share.min(MEMORY_PARTITION_BYTES));
            self.segment_bytes = self.segment_bytes.min(kept / 8).max(*SEGMENT_BYTES.start());
        }
        self
    }

    /// The partition of a key: the first 8 bytes of its BLAKE3 hash, big-endian, modulo the number of partitions.
    #[must_use]
    pub fn partition_of(&self, key: &[u8]) -> u32 {
        let hash = <pyralog_crypto::Blake3 as pyralog_crypto::MerkleHash>::digest(key);
        let number = crate::parts::u64_at(&hash.0, 0) % u64::from(self.partitions.max(1));
        // Below the number of partitions, which is a u32.
        number as u32
    }
}

/// `version:u8 (1) name:text id[32] partitions:u32 storage:u8 (0 disk, 1 memory) segment_bytes:u64 max_age_ms:option<u64> max_bytes:option<u64>`
impl Encode for LogSpec {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION).text(self.name.as_str()).put(&self.id).u32(self.partitions);
        out.u8(match self.storage {
            Storage::Disk => 0,
            Storage::Memory => 1,
        });
        out.u64(self.segment_bytes);
        for limit in [self.retention.max_age_ms, self.retention.max_bytes] {
            out.option(limit.as_ref(), |out, limit| {
                out.u64(*limit);
            });
        }
    }
}

impl Decode for LogSpec {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("log", VERSION)?;
        let name = input.text(MAX_LOG_NAME_BYTES)?;
        let name = name.parse().map_err(|_| CodecError::Invalid { what: "log name", why: "not a name" })?;
        let (id, partitions) = (input.get()?, input.u32()?);
        let storage = match input.u8()? {
            0 => Storage::Disk,
            1 => Storage::Memory,
            _ => return Err(CodecError::Invalid { what: "log storage", why: "neither 0 nor 1" }),
        };
        let segment_bytes = input.u64()?;
        let max_age_ms = input.option(Reader::u64)?;
        let max_bytes = input.option(Reader::u64)?;
        let spec =
            Self { name, id, partitions, storage, retention: Retention { max_age_ms, max_bytes }, segment_bytes };
        spec.check().map_err(|_| CodecError::Invalid { what: "log", why: "out of bounds" })?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
