//! Which files of a journal are in use, in a record that is replaced as a whole.
//!
//! ```text
//! record = generation:u64 settled:u64 number:u32*    the file with the first number is of this generation, the next one of the next …
//! ```
//!
//! What the groups before `settled` say is durable elsewhere; they are here because somebody needs more than that.
//!
//! All other files are spare, whatever is in them. So the file in use may be the only one whose header a crash tears, and it is not in
//! the list yet.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::file::file_name;
use crate::Error;
use crate::disk::Disk;
use crate::parts::{u32_at, u64_at};
use crate::slot::{MAX_SLOT_BYTES, SlotFile};

/// Most files in use at a time.
pub(super) const MAX_FILES: usize = 1000;

const _: () = assert!(16 + 4 * MAX_FILES <= MAX_SLOT_BYTES);
/// Name of the list's file.
pub(super) const FILE: &str = "files";

/// The list, and the file that holds it.
#[derive(Debug)]
pub(super) struct Manifest {
    slot: SlotFile,
    path: PathBuf,
    pub(super) list: List,
}

/// Files in use, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// Generation of the oldest.
    pub(super) generation: u64,
    /// Number of the first group that is not settled.
    pub(super) settled: u64,
    pub(super) numbers: VecDeque<u32>,
}

impl Manifest {
    /// Opens the list. `used` says that there are journal files: then it must be there.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, used: bool) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let slot = match SlotFile::find(disk, &path)? {
            Some(slot) => slot,
            None if used => return Err(Error::damaged(&path, 0, "the list of journal files is missing")),
            None => SlotFile::open(disk, &path)?,
        };
        let list = match slot.value() {
            None => List { generation: 1, settled: 1, numbers: VecDeque::new() },
            Some(bytes) => {
                List::decode(bytes).ok_or_else(|| Error::damaged(&path, 0, "the record is no list of journal files"))?
            }
        };
        Ok(Self { slot, path, list })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the list durably.
    pub(super) fn put(&mut self, list: List) -> Result<(), Error> {
        self.slot.put(&list.encode())?;
        self.list = list;
        Ok(())
    }
}

impl List {
    /// Generation of the next file to come into use.
    pub(super) fn next_generation(&self) -> u64 {
        self.generation + self.numbers.len() as u64
    }

    /// (generation, name of the file) of each file in use.
    pub(super) fn files(&self) -> impl Iterator<Item = (u64, String)> + '_ {
        (self.generation..).zip(self.numbers.iter().map(|number| file_name(*number)))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = [self.generation.to_be_bytes(), self.settled.to_be_bytes()].concat();
        self.numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, numbers) = bytes.split_at_checked(16)?;
        let count = numbers.len() / 4;
        let (generation, settled) = (u64_at(head, 0), u64_at(head, 8));
        let sound = numbers.len() % 4 == 0
            && (1..=MAX_FILES).contains(&count)
            && generation > 0
            && settled > 0
            && generation.checked_add(count as u64).is_some();
        let numbers = || numbers.chunks(4).map(|number| u32_at(number, 0)).collect();
        sound.then(|| Self { generation, settled, numbers: numbers() })
    }
}
