//! The files of a Scarab generator: a time bound that nothing at or above has left, and a mark that notices when it is lost.
//!
//! Both hold the same record. The bound is raised before the mark and lowered after it: wherever a crash comes, what left is below
//! the mark, and the mark is not above the bound.

use std::path::{Path, PathBuf};

use super::ceiling::{Demand, Reserved};
use super::refill::Reserve;
use super::scarab::{END_MS, SEQUENCE_BITS};
use super::{NodeNumber, own};
use crate::Error;
use crate::disk::{Disk, Lock};
use crate::parts::u64_at;
use crate::slot::SlotFile;

/// How far the bound is put ahead of use. A crash moves ids at most this far ahead of the clock, while the syncs have half of it to
/// end in before a draw has to wait; at ordinary rates that is four small writes every two seconds.
pub(super) const AHEAD_MS: u64 = 4_000;

const VERSION: u8 = 2;
const BOUND: &str = "bound";
const MARK: &str = "mark";

/// The open bound.
#[derive(Debug)]
pub(super) struct BoundFile {
    bound: SlotFile,
    mark: SlotFile,
    path: PathBuf,
    record: Record,
    _lock: Box<dyn Lock>,
}

/// What both files hold: `version:u8 node:u16 bound_ms:u64`, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// The number in all ids.
    pub(super) node: NodeNumber,
    /// Milliseconds since 2025-01-01T00:00:00Z; 0 where nothing ever left.
    pub(super) bound_ms: u64,
}

impl BoundFile {
    /// The number under which ids may have left; `None` where none did.
    pub(super) fn used_by(disk: &dyn Disk, dir: &Path) -> Result<Option<NodeNumber>, Error> {
        for name in [BOUND, MARK] {
            if let Some((_, record)) = find(disk, &dir.join(name))?.filter(|(_, record)| record.bound_ms > 0) {
                return Ok(Some(record.node));
            }
        }
        Ok(None)
    }

    /// Makes the files, or goes on making them.
    pub(super) fn make(disk: &dyn Disk, dir: &Path, node: NodeNumber) -> Result<(), Error> {
        let _lock = own(disk, dir)?;
        if Self::used_by(disk, dir)?.is_some() {
            return Err(Error::IdsUsed { dir: dir.to_owned() });
        }
        for name in [BOUND, MARK] {
            SlotFile::open(disk, &dir.join(name))?.put_both(&Record { node, bound_ms: 0 }.encode())?;
        }
        // The process that gave a file its name may have ended before the name was durable.
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))
    }

    /// Opens the files that were made.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, node: NodeNumber) -> Result<Self, Error> {
        let lock = own(disk, dir)?;
        let (path, mark_path) = (dir.join(BOUND), dir.join(MARK));
        // An operator may have put one back a moment ago.
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
        let lost =
            |file: &Path, found, other: &Path| Error::BoundLost { file: file.into(), found, other: other.into() };
        let ((bound, record), (mark, marked)) = match (find(disk, &path)?, find(disk, &mark_path)?) {
            (Some(bound), Some(mark)) => (bound, mark),
            (None, Some(_)) => return Err(lost(&path, "is missing or empty", &mark_path)),
            (Some(_), None) => return Err(lost(&mark_path, "is missing or empty", &path)),
            (None, None) => return Err(Error::IdsMissing { dir: dir.to_owned(), files: "bound and mark" }),
        };
        if let Some(other) = [record, marked].iter().find(|record| record.node != node) {
            return Err(Error::OtherNodeNumber { dir: dir.to_owned(), found: other.node, asked: node });
        }
        if record.bound_ms < marked.bound_ms {
            return Err(lost(&path, "is older than its mark", &mark_path));
        }
        for (slot, file) in [(&bound, &path), (&mark, &mark_path)] {
            if slot.torn() {
                tracing::warn!(file = %file.display(), "one copy of the time bound does not check; the other one holds");
            }
        }
        Ok(Self { bound, mark, path, record, _lock: lock })
    }

    /// No id at or above this time has left, in milliseconds since 2025-01-01T00:00:00Z; `None` if none ever did.
    pub(super) fn bound_ms(&self) -> Option<u64> {
        Some(self.record.bound_ms).filter(|bound_ms| *bound_ms > 0)
    }
}

impl Reserve for BoundFile {
    fn reserve(&mut self, demand: Demand) -> Result<Reserved, Error> {
        let needed = demand.end.div_ceil(1 << SEQUENCE_BITS);
        if needed > END_MS {
            return Err(Error::IdsExhausted { file: self.path.clone() });
        }
        let bound_ms = needed.saturating_add(AHEAD_MS).max(self.record.bound_ms).min(END_MS);
        self.record.bound_ms = bound_ms;
        self.bound.put_both(&self.record.encode())?;
        self.mark.put_both(&self.record.encode())?;
        let wake_ms = bound_ms.saturating_sub(AHEAD_MS / 2);
        let wake_at = if bound_ms == END_MS { u64::MAX } else { wake_ms << SEQUENCE_BITS };
        Ok(Reserved { end: bound_ms << SEQUENCE_BITS, wake_at })
    }

    /// Gives back what was not used, so that restarts in order do not move ids ahead of the clock.
    fn finish(&mut self, used: u64) -> Result<(), Error> {
        self.record.bound_ms = used.div_ceil(1 << SEQUENCE_BITS);
        self.mark.put_both(&self.record.encode())?;
        self.bound.put_both(&self.record.encode())
    }
}

impl Record {
    fn encode(self) -> Vec<u8> {
        [&[VERSION][..], &self.node.number().to_be_bytes(), &self.bound_ms.to_be_bytes()].concat()
    }

    /// The record, where it is one that this release writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [VERSION, high, low, _, _, _, _, _, _, _, _] => {
                let node = NodeNumber::new(u16::from_be_bytes([high, low]).into()).ok()?;
                Some(Self { node, bound_ms: u64_at(bytes, 3) }).filter(|record| record.bound_ms <= END_MS)
            }
            _ => None,
        }
    }
}

/// One of the files; `None` where there is none, or it was not filled yet.
fn find(disk: &dyn Disk, path: &Path) -> Result<Option<(SlotFile, Record)>, Error> {
    SlotFile::find_as(disk, path, Record::decode, "the record is not a time bound that this release reads")
}

#[cfg(test)]
mod tests;
