//! A tiny record that is replaced as a whole: two slots in one file, written in turn.
//!
//! ```text
//! file = slot[0] slot[1]          4,096 bytes each
//! slot = "PYRASLOT" sequence:u64 length:u32 bytes[length] zero.. crc:u32 (CRC32C of all before it)
//! ```
//!
//! Record `n` goes to slot `n mod 2`, so a torn write leaves the record before it, and that one was the last acknowledged. The next open
//! then writes the torn slot again, so that what stands is there twice.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::disk::{Disk, File, write_whole};
use crate::parts::{u32_at, u64_at};

const SLOT: usize = 4096;
const MAGIC: [u8; 8] = *b"PYRASLOT";
const HEADER: usize = 20;

/// Most bytes of a record.
pub const MAX_SLOT_BYTES: usize = SLOT - HEADER - 4;

/// The file of one record.
#[derive(Debug)]
pub(crate) struct SlotFile {
    file: Arc<dyn File>,
    path: PathBuf,
    sequence: u64,
    value: Option<Vec<u8>>,
    torn: bool,
}

impl SlotFile {
    /// Opens the record, or creates an empty one.
    ///
    /// # Errors
    /// [`Error::Damaged`] where neither slot checks: no crash does that.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        if let Some(found) = Self::find(disk, path)? {
            return Ok(found);
        }
        // Records 0 and 1 are "none yet".
        Self::read(write_whole(disk, path, &[encode(0, &[]), encode(1, &[])].concat())?, path)
    }

    /// Opens the record; `None` where there is no file.
    ///
    /// # Errors
    /// As [`SlotFile::open`].
    pub(crate) fn find(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Error> {
        match disk.open(path) {
            Ok(file) => Self::read(file, path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    /// [`SlotFile::find`], with what `decode` makes of the record; `None` also where none was put yet.
    ///
    /// # Errors
    /// As [`SlotFile::open`]; [`Error::Damaged`] with `other` where `decode` makes nothing of it.
    pub(crate) fn find_as<T>(
        disk: &dyn Disk,
        path: &Path,
        decode: impl FnOnce(&[u8]) -> Option<T>,
        other: &str,
    ) -> Result<Option<(Self, T)>, Error> {
        let Some(slot) = Self::find(disk, path)? else { return Ok(None) };
        let Some(bytes) = slot.value() else { return Ok(None) };
        let value = decode(bytes).ok_or_else(|| Error::damaged(path, 0, other))?;
        Ok(Some((slot, value)))
    }

    fn read(file: Arc<dyn File>, path: &Path) -> Result<Self, Error> {
        let mut bytes = vec![0; 2 * SLOT + 1];
        let read = file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", path, e))?;
        if read != 2 * SLOT {
            return Err(Error::damaged(path, read as u64, "the file does not have 8192 bytes"));
        }
        let slots = [decode(&bytes[..SLOT], 0), decode(&bytes[SLOT..2 * SLOT], 1)];
        let torn = slots.iter().position(Option::is_none);
        let newest = slots.into_iter().flatten().max_by_key(|(sequence, _)| *sequence);
        let Some((sequence, value)) = newest else {
            return Err(Error::damaged(path, 0, "neither copy of the record checks"));
        };
        let value = (sequence > 1).then_some(value);
        let mut this = Self { file, path: path.to_owned(), sequence, value: value.clone(), torn: torn.is_some() };
        match (torn, value) {
            (None, _) => {}
            (Some(_), Some(value)) => this.put(&value)?,
            (Some(place), None) => this.write(place as u64, &[])?,
        }
        Ok(this)
    }

    /// Whether a copy of the record of a file does not check; `false` where there is no file, and where the file is none.
    ///
    /// # Errors
    /// What the disk answered.
    pub(crate) fn is_torn(disk: &dyn Disk, path: &Path) -> Result<bool, Error> {
        let mut bytes = vec![0; 2 * SLOT];
        let read = match disk.open_read(path) {
            Ok(file) => file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", path, e))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("open", path, error)),
        };
        let copies = [decode(&bytes[..SLOT], 0), decode(&bytes[SLOT..], 1)];
        Ok(read == 2 * SLOT && copies.iter().any(Option::is_none))
    }

    /// The record, if one was ever put.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Whether one of the two copies did not check at open: a write was cut, and was never acknowledged; or it was damaged.
    pub(crate) fn torn(&self) -> bool {
        self.torn
    }

    /// Replaces the record durably. After an error the file must not be written again.
    pub(crate) fn put(&mut self, value: &[u8]) -> Result<(), Error> {
        if value.len() > MAX_SLOT_BYTES {
            return Err(Error::Size { what: "a record", found: value.len() as u64, allowed: "0 to 4072" });
        }
        let sequence = self.sequence + 1;
        self.write(sequence, value)?;
        self.sequence = sequence;
        self.value = Some(value.to_vec());
        Ok(())
    }

    fn write(&self, sequence: u64, value: &[u8]) -> Result<(), Error> {
        let at = (sequence % 2) * SLOT as u64;
        self.file.write_at(&encode(sequence, value), at).map_err(|e| Error::io("write", &self.path, e))?;
        self.file.sync().map_err(|e| Error::sync(&self.path, e))
    }

    /// [`SlotFile::put`] into both copies: then damage of one does not bring back an older record.
    pub(crate) fn put_both(&mut self, value: &[u8]) -> Result<(), Error> {
        self.put(value)?;
        self.put(value)
    }
}

fn encode(sequence: u64, value: &[u8]) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend(MAGIC);
    slot.extend(sequence.to_be_bytes());
    slot.extend((value.len() as u32).to_be_bytes());
    slot.extend_from_slice(value);
    slot.resize(SLOT - 4, 0);
    let crc = crc32c::crc32c(&slot);
    slot.extend(crc.to_be_bytes());
    slot
}

/// The record of one slot, if it checks and belongs there.
pub(crate) fn decode(slot: &[u8], place: u64) -> Option<(u64, Vec<u8>)> {
    if slot.len() != SLOT || slot[..8] != MAGIC || crc32c::crc32c(&slot[..SLOT - 4]) != u32_at(slot, SLOT - 4) {
        return None;
    }
    let sequence = u64_at(slot, 8);
    let length = u32_at(slot, 16) as usize;
    let value = slot[HEADER..SLOT - 4].get(..length)?;
    (sequence % 2 == place).then(|| (sequence, value.to_vec()))
}

#[cfg(test)]
mod tests;
