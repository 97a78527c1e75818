//! Files that stand ready for when the one in use is full.

use std::path::PathBuf;

use super::Journal;
use super::file;
use crate::Error;
use crate::disk::Disk;

/// A spare file that is to be made: see [`Journal::begin_spare`].
#[derive(Debug, PartialEq, Eq)]
pub struct SpareFile {
    number: u32,
    path: PathBuf,
    size: u64,
}

impl SpareFile {
    /// Writes all of the file and its name, durably. It takes as long as that takes, and needs nothing of the journal.
    ///
    /// # Errors
    /// [`Error::DiskFull`], and what the disk answered; nothing is left of the file then.
    pub fn make(&self, disk: &dyn Disk) -> Result<(), Error> {
        file::prewrite(disk, &self.path, self.size)
    }
}

impl Journal {
    /// Makes sure that a spare file stands ready for when the one in use is full. Without that the append that fills it
    /// writes a whole new file first.
    ///
    /// # Errors
    /// What the disk answered; the journal can still be used.
    pub fn prepare(&mut self) -> Result<(), Error> {
        if self.spares.is_empty() && self.coming.is_none() {
            let number = self.make_file(self.options.file_bytes)?;
            self.spares.push(number);
        }
        Ok(())
    }

    /// A spare file to be made where there is none and the file in use is half full; once for each file in use. Its maker may be
    /// another thread, and then tells [`Journal::end_spare`].
    pub fn begin_spare(&mut self) -> Option<SpareFile> {
        let missing = self.spares.is_empty() && self.coming.is_none();
        let wanted = missing && self.end > self.active.size / 2 && self.begun != self.active.first;
        wanted.then(|| {
            let number = self.free_number();
            (self.coming, self.begun) = (Some(number), self.active.first);
            SpareFile { number, path: self.dir.join(file::file_name(number)), size: self.options.file_bytes }
        })
    }

    /// Takes the spare file where it was `made`.
    pub fn end_spare(&mut self, spare: SpareFile, made: bool) {
        self.coming = None;
        if made {
            self.spares.push(spare.number);
        }
    }

    /// Makes a file of `size` bytes and answers its number.
    pub(super) fn make_file(&self, size: u64) -> Result<u32, Error> {
        let number = self.free_number();
        file::prewrite(self.disk.as_ref(), &self.dir.join(file::file_name(number)), size)?;
        Ok(number)
    }

    /// The lowest number that no file has.
    fn free_number(&self) -> u32 {
        let listed = &self.manifest.list.numbers;
        let taken =
            |number: &u32| listed.contains(number) || self.spares.contains(number) || self.coming == Some(*number);
        (0..=u32::MAX).find(|number| !taken(number)).unwrap_or(u32::MAX)
    }
}
