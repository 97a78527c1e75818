//! The signer mark: a tiny record, replaced as a whole.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::Error;
use crate::disk::Disk;
use crate::event::{Completion, Ticket};
use crate::home::make_dir;
use crate::queue::{Operation, Queue};
use crate::slot::{MAX_SLOT_BYTES, SlotFile};

const DIR: &str = "mark";

/// Handle of the signer mark: the highest (height, round, step) whose signature may have left, as the engine encodes it.
#[derive(Clone)]
pub struct Mark {
    queue: Arc<Queue>,
    value: Arc<Mutex<Option<Bytes>>>,
}

impl Mark {
    pub(crate) fn new(queue: Arc<Queue>, value: Option<Bytes>) -> Self {
        Self { queue, value: Arc::new(Mutex::new(value)) }
    }

    /// The last durable mark; `None` if there never was one.
    #[must_use]
    pub fn get(&self) -> Option<Bytes> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the mark, at most [`MAX_SLOT_BYTES`] bytes. Of marks that wait together only the last is written; all their
    /// tickets become durable with it.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Closed`], or why the store failed.
    pub fn put(&self, mark: Bytes) -> Result<Ticket, Error> {
        self.submit(mark, None)
    }

    /// [`Mark::put`] with a completion of its own.
    ///
    /// # Errors
    /// As [`Mark::put`]; the completion is then dropped uncalled.
    pub fn put_then(&self, mark: Bytes, done: Completion) -> Result<Ticket, Error> {
        self.submit(mark, Some(done))
    }

    fn submit(&self, mark: Bytes, done: Option<Completion>) -> Result<Ticket, Error> {
        if mark.len() > MAX_SLOT_BYTES {
            return Err(Error::Size { what: "a signer mark", found: mark.len() as u64, allowed: "0 to 4072" });
        }
        let bytes = mark.len() as u64;
        self.queue.push(Operation::Mark(mark), bytes, done)
    }

    pub(crate) fn published(&self, mark: Bytes) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }
}

/// The file of the mark in the data directory `home`.
pub(crate) fn path(home: &Path) -> PathBuf {
    home.join(DIR).join("signer")
}

/// Opens the file of the mark in the data directory `home`, or makes it where the home was never used. The first start makes it before anything
/// is written, so in a home that holds a WAL or a chain it can only have been lost, and with it what this member has signed.
///
/// # Errors
/// [`Error::MarkMissing`], and those of [`SlotFile::open`].
pub(crate) fn open(disk: &dyn Disk, home: &Path, used: bool) -> Result<SlotFile, Error> {
    let (dir, path) = (home.join(DIR), path(home));
    match SlotFile::find(disk, &path)? {
        Some(found) => Ok(found),
        None if used => Err(Error::MarkMissing { file: path }),
        None => {
            make_dir(disk, &dir)?;
            SlotFile::open(disk, &path)
        }
    }
}

#[cfg(test)]
mod tests;
