//! The consensus write-ahead log.
//!
//! Entries are opaque. One file holds the entries since the last reset; a reset is a record in the same file, or, when that has
//! grown, a new file, which is durable before the old one goes. So at every moment the disk holds either the entries before the
//! reset or the reset.
//!
//! ```text
//! frame payload = record*          record = kind:u8 length:u32 bytes[length]
//! kind 1 = entry, kind 2 = reset (8 bytes: height)
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::Error;
use crate::disk::Disk;
use crate::event::{Completion, Ticket};
use crate::frame::{FrameFile, Kind, MAX_FRAME_BYTES, u32_at, u64_at};
use crate::queue::{Operation, Queue};

/// Most bytes of one WAL entry.
pub const MAX_WAL_ENTRY_BYTES: usize = MAX_FRAME_BYTES - RECORD_HEADER;

const RECORD_HEADER: usize = 5;
const ENTRY: u8 = 1;
const RESET: u8 = 2;
/// Exists while the log's current height has lost its torn last entry: the signer must abstain even if the process that saw it
/// died before it could.
const TORN_FILE: &str = "torn";

/// What the log held at open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalRecovery {
    /// Height of the last reset; 0 before the first.
    pub height: u64,
    /// Entries since then, oldest first.
    pub entries: Vec<Bytes>,
    /// A torn last entry was cut off, now or at an earlier start since the last reset. It was never acknowledged, but what it
    /// said may have been about to be signed: the signer must abstain.
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
            return Err(Error::Size { what: "a WAL entry", found: entry.len() as u64, allowed: "1 to 33554427" });
        }
        let bytes = (entry.len() + RECORD_HEADER) as u64;
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

/// The log's file, owned by the writer.
#[derive(Debug)]
pub(crate) struct WalFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    frames: FrameFile,
    entries: u64,
    rotate_at: u64,
    torn_marked: bool,
}

/// A torn last frame that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The file.
    pub file: PathBuf,
    /// Where the torn frame began.
    pub offset: u64,
    /// Bytes cut off.
    pub bytes: u64,
}

impl WalFile {
    /// Opens the log in its directory.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        rotate_at: u64,
    ) -> Result<(Self, WalRecovery, Option<CutTail>), Error> {
        crate::home::make_dir(disk.as_ref(), dir)?;
        let names = crate::notary::clean_list(disk.as_ref(), dir)?;
        let mut generations: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
        generations.sort_unstable();
        let mut frames = match generations.pop() {
            // A file is renamed to its name only when it stands for a reset, so the newest one is the log.
            Some(newest) => FrameFile::open(disk.as_ref(), &dir.join(file_name(newest)), Kind::Wal)?,
            None => FrameFile::create(disk.as_ref(), &dir.join(file_name(1)), Kind::Wal, 1, 0, 0)?,
        };
        let mut recovery = WalRecovery { height: frames.first, ..WalRecovery::default() };
        let path = frames.path().to_owned();
        let torn = frames.replay(crate::frame::FILE_HEADER, |offset, payload| {
            read_records(payload, |record| match record {
                Record::Entry(bytes) => recovery.entries.push(Bytes::copy_from_slice(bytes)),
                Record::Reset(height) => {
                    recovery.height = height;
                    recovery.entries.clear();
                }
            })
            .ok_or_else(|| Error::damaged(&path, offset, "the frame checks but does not hold WAL records"))
        })?;
        let mut torn_marked = names.iter().any(|name| name == TORN_FILE);
        let cut = match torn {
            Some(torn) => {
                if !torn_marked {
                    let marker = dir.join(TORN_FILE);
                    disk.create(&marker).map_err(|e| Error::io("create", &marker, e))?;
                    disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
                    torn_marked = true;
                }
                frames.cut()?;
                Some(CutTail { file: path, offset: torn.offset, bytes: torn.bytes })
            }
            None => None,
        };
        for old in generations {
            let stale = dir.join(file_name(old));
            disk.remove(&stale).map_err(|e| Error::io("remove", &stale, e))?;
        }
        recovery.truncated = torn_marked;
        let entries = recovery.entries.len() as u64;
        let file = Self { disk: Arc::clone(disk), dir: dir.to_owned(), frames, entries, rotate_at, torn_marked };
        Ok((file, recovery, cut))
    }

    /// Appends entries durably and answers the number of the first one since the last reset.
    pub(crate) fn append(&mut self, entries: &[Bytes]) -> Result<u64, Error> {
        let mut payload = Vec::with_capacity(entries.iter().map(|entry| entry.len() + RECORD_HEADER).sum());
        for entry in entries {
            write_record(&mut payload, ENTRY, entry);
        }
        self.frames.append(&[&payload])?;
        self.frames.sync()?;
        let first = self.entries;
        self.entries += entries.len() as u64;
        Ok(first)
    }

    /// Entries since the last reset.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Forgets the entries and begins a height, durably.
    pub(crate) fn reset(&mut self, height: u64) -> Result<(), Error> {
        if self.frames.frame_bytes() >= self.rotate_at {
            self.rotate(height)?;
        } else {
            let mut payload = Vec::with_capacity(RECORD_HEADER + 8);
            write_record(&mut payload, RESET, &height.to_be_bytes());
            self.frames.append(&[&payload])?;
            self.frames.sync()?;
        }
        self.entries = 0;
        if self.torn_marked {
            let marker = self.dir.join(TORN_FILE);
            self.disk.remove(&marker).map_err(|e| Error::io("remove", &marker, e))?;
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))?;
            self.torn_marked = false;
        }
        Ok(())
    }

    fn rotate(&mut self, height: u64) -> Result<(), Error> {
        let generation = self.frames.generation() + 1;
        let path = self.dir.join(file_name(generation));
        let next = FrameFile::create(self.disk.as_ref(), &path, Kind::Wal, generation, height, 0)?;
        let old = std::mem::replace(&mut self.frames, next);
        // If the removal is lost in a crash, the next open repeats it.
        self.disk.remove(old.path()).map_err(|e| Error::io("remove", old.path(), e))
    }
}

fn file_name(generation: u64) -> String {
    format!("wal-{generation:020}.log")
}

fn parse_name(name: &str) -> Option<u64> {
    name.strip_prefix("wal-")?.strip_suffix(".log")?.parse().ok()
}

fn write_record(payload: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    payload.push(kind);
    payload.extend((bytes.len() as u32).to_be_bytes());
    payload.extend_from_slice(bytes);
}

/// One record of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Entry(&'a [u8]),
    Reset(u64),
}

/// Gives each record of a payload to `visit`; `None` where the payload is not exactly a sequence of records.
pub(crate) fn read_records<'a>(mut payload: &'a [u8], mut visit: impl FnMut(Record<'a>)) -> Option<()> {
    while !payload.is_empty() {
        let header = payload.get(..RECORD_HEADER)?;
        let length = u32_at(header, 1) as usize;
        let body = payload.get(RECORD_HEADER..RECORD_HEADER.checked_add(length)?)?;
        match header[0] {
            ENTRY if !body.is_empty() => visit(Record::Entry(body)),
            RESET if body.len() == 8 => visit(Record::Reset(u64_at(body, 0))),
            _ => return None,
        }
        payload = &payload[RECORD_HEADER + length..];
    }
    Some(())
}

#[cfg(test)]
mod tests;
