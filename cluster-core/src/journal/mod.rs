//! The journal of one disk: opaque entries of many streams, durable with one write and one sync per group.
//!
//! ```text
//! <dir>/files             which files are in use, oldest first: see the manifest
//!       journal-<number>  pre-written files; they are used in turn and never renamed
//!
//! file   = header group*
//! header = "PYRAJRNL" version:u32 kind:u32 generation:u64 salt:u64 first:u64 size:u64 zero[4044] crc:u32       4,096 bytes
//! group  = "PYJ1" length:u32 body_crc:u32 header_crc:u32 generation:u64 number:u64 entry* zero..       to the next multiple of 4,096
//! entry  = stream:u64 position:u64 length:u32 bytes[length]                                            `length` of the group: all of them
//! ```
//!
//! Integers are big-endian, checksums CRC32C. `first` and `number` count the groups of the journal, from 1 on. `body_crc` covers the
//! entries and the zeros behind them. `header_crc` covers kind, generation and salt of the file, the group's offset, its length, `body_crc` and
//! `number`, so no group passes for one of another file, use or place. The generation rises with each use of a file and stands in the group
//! as well, so that a group of an earlier use is told apart with certainty; the salt is random, so nobody who can choose entries can make
//! bytes that look like a group.
//!
//! **Pre-written.** A file is filled with zeros and synced before its first use, and a released file is used again as it is. So the sync
//! of a group writes bytes in place and no metadata, which makes it about twice as fast.
//!
//! **Torn or damaged.** Behind the last group stand zeros or groups of an earlier use, so "more bytes follow" says nothing. The
//! writer syncs one group before it writes the next one; so after a crash at most the last group is torn, however the disk reordered its
//! sectors. A place that does not hold the group that is due is therefore damage where a group of the same use stands behind it, or where
//! a next file is in use and begins with a later group; otherwise it is the end. At a clean stop an empty group is written, so that damage
//! to the last entries is not taken for a tear then.
//!
//! What no single copy can tell: a disk that loses the last groups without a trace (writes that it confirmed and sent elsewhere, or other bytes
//! written over them) looks like an earlier end. They are not served wrongly; whoever needs to know compares with what it signed or sent.
//!
//! **Why groups begin at multiples of 4,096.** No write touches a sector that holds acknowledged bytes, so that a drive that loses power
//! in the middle of a sector destroys nothing that was acknowledged. The page cache writes whole blocks anyway: one small
//! group costs the device the same, and a recycled file's pages need not be read before they are written. The price is space, on average half
//! a block per group, until the file comes round.
//!
//! **After a failure.** A failed write or sync is never retried: the journal refuses everything from then on. The group in question
//! may or may not be there after the next start, but as a whole or not at all.
//!
//! One owner at a time: whoever opens a journal holds the lock of the home.

mod canary;
mod file;
mod group;
mod manifest;
mod recover;
mod scan;
mod spare;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::disk::Disk;
use crate::parts::MAX_PART_BYTES;
use file::JournalFile;
use group::{BLOCK, GROUP_HEADER};
use manifest::{MAX_FILES, Manifest};

pub use group::Entry;
pub use recover::JournalRecovery;
pub use spare::SpareFile;

/// Kind of file, beside those of frame files.
const KIND: u32 = 3;
/// Most bytes of one group: 20 for each entry, and its bytes.
pub const MAX_GROUP_BYTES: usize = MAX_PART_BYTES;
/// A buffer that has grown beyond this is not kept.
const KEPT_BUFFER: usize = 4 << 20;

/// Settings of [`Journal::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// Bytes of each file made from now on, rounded up to a multiple of 4,096; at least 8,192. A group that is larger gets a larger
    /// file of its own. Default 16 MiB.
    pub file_bytes: u64,
    /// Released files that are kept for their next use; further ones are removed. Default 2.
    pub spare_files: usize,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { file_bytes: 16 << 20, spare_files: 2 }
    }
}

/// A group that a start finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub number: u64,
    /// Whether [`Journal::settle`] was told that what it says is durable elsewhere.
    pub settled: bool,
}

/// A file in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InUse {
    /// Number of its first group.
    first: u64,
    /// Bytes of it.
    size: u64,
}

/// An open journal. See the module documentation.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: JournalOptions,
    manifest: Manifest,
    /// The files in use, oldest first.
    files: VecDeque<InUse>,
    spares: Vec<u32>,
    /// Number of the spare file that is being made.
    coming: Option<u32>,
    /// First group of the file in use when the last one was begun.
    begun: u64,
    active: JournalFile,
    /// Where in the active file the next group begins.
    end: u64,
    next: u64,
    buffer: Vec<u8>,
    failure: Option<Error>,
}

impl Journal {
    /// Opens the journal in a directory, or makes one, and gives every entry of every group that was not released to `visit`, oldest first,
    /// with its group. Released groups may be among them. Everything shown is durable; where this fails, what was
    /// shown so far says nothing. Memory: one group, at most 32 MiB.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::DiskFull`], what the disk answered, and what `visit` answers.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: JournalOptions,
        visit: impl FnMut(Group, Entry<'_>) -> Result<(), Error>,
    ) -> Result<(Self, JournalRecovery), Error> {
        let file_bytes = options.file_bytes.max(2 * BLOCK).next_multiple_of(BLOCK);
        recover::open(disk, dir, JournalOptions { file_bytes, ..options }, visit)
    }

    /// Refuses a directory that holds no journal where `used` says that it must.
    pub(crate) fn require(disk: &dyn Disk, dir: &Path, used: bool) -> Result<(), Error> {
        let path = dir.join(manifest::FILE);
        let missing = used && disk.open(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if missing { Err(Error::damaged(&path, 0, "the journal is missing")) } else { Ok(()) }
    }

    /// Writes the entries as one group, durably, and answers its number. They survive a crash all together or not at all.
    ///
    /// # Errors
    /// [`Error::Size`] for no entries or too many bytes, [`Error::Busy`] where a thousand files wait for [`Journal::release`]; both change
    /// nothing. Any other error is final: the journal has failed and answers it from now on.
    pub fn append(&mut self, entries: &[Entry<'_>]) -> Result<u64, Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let bytes = group::body_bytes(entries);
        if entries.is_empty() || bytes > MAX_GROUP_BYTES {
            let allowed = "1 or more entries, and at most 33554432 bytes";
            return Err(Error::Size { what: "a group of journal entries", found: bytes as u64, allowed });
        }
        if self.must_turn(bytes) && self.files.len() >= MAX_FILES {
            return Err(Error::Busy { queued: self.files.iter().map(|file| file.size).sum() });
        }
        self.commit(entries)
    }

    /// Says that the groups numbered below `up_to` are not needed any more, since what they say is durable elsewhere. Files that hold
    /// only such groups become spare.
    ///
    /// # Errors
    /// Why the journal failed, now or before. Any error is final.
    pub fn release(&mut self, up_to: u64) -> Result<(), Error> {
        self.settle(up_to, up_to)
    }

    /// Says that what the groups numbered below `up_to` say is durable elsewhere, and that those from `needed` on must stay all the same. The
    /// next start is told so.
    ///
    /// # Errors
    /// Why the journal failed, now or before. Any error is final.
    pub fn settle(&mut self, up_to: u64, needed: u64) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let settled = up_to.min(self.next);
        let freed = self.releasable(settled.min(needed));
        if freed == 0 && settled <= self.manifest.list.settled {
            return Ok(());
        }
        let released = self.free(freed, settled);
        self.note(released)
    }

    /// Files that [`Journal::release`] would make spare.
    #[must_use]
    pub fn releasable(&self, up_to: u64) -> usize {
        self.files.iter().skip(1).take_while(|file| file.first <= up_to).count()
    }

    /// Number that the next group gets.
    #[must_use]
    pub fn next_group(&self) -> u64 {
        self.next
    }

    /// Gives the entries of the oldest file in use to `visit`, as [`Journal::open`] does, and answers the number of the group behind
    /// them. Nothing is given where that file is the only one.
    ///
    /// # Errors
    /// [`Error::Damaged`], what the disk answered, and what `visit` answers; the journal can still be used.
    pub fn oldest(&self, mut visit: impl FnMut(u64, Entry<'_>) -> Result<(), Error>) -> Result<u64, Error> {
        let Some((_, name)) = self.manifest.list.files().next().filter(|_| self.files.len() > 1) else {
            return Ok(self.files.front().map_or(self.next, |file| file.first));
        };
        let path = self.dir.join(name);
        let file = JournalFile::open(self.disk.as_ref(), &path)?.map_err(|why| Error::damaged(&path, 0, why))?;
        let end = scan::replay(&file, &mut visit)?;
        match self.files.get(1) {
            Some(next) if next.first == end.number => Ok(end.number),
            _ => Err(Error::damaged(&path, end.offset, format!("group {} does not check", end.number))),
        }
    }

    /// Number of the first group of the file that is written.
    #[must_use]
    pub fn active_group(&self) -> u64 {
        self.active.first
    }

    /// Files in use, and spare ones.
    #[must_use]
    pub fn files(&self) -> (usize, usize) {
        (self.files.len(), self.spares.len())
    }

    /// Why the journal refuses everything, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Ends the journal with an empty group: see the module documentation. Dropping it without is safe.
    ///
    /// # Errors
    /// Why the journal failed, now or before.
    pub fn close(&mut self) -> Result<(), Error> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            // A file without room for it is left as it is: the next one would have to be made for an empty group.
            None if self.must_turn(0) => Ok(()),
            None => self.commit(&[]).map(|_| ()),
        }
    }

    fn commit(&mut self, entries: &[Entry<'_>]) -> Result<u64, Error> {
        let committed = self.write(entries);
        self.note(committed)
    }

    /// Remembers a failure for good.
    fn note<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(failure) = &outcome {
            self.failure = Some(failure.clone());
        }
        outcome
    }

    fn write(&mut self, entries: &[Entry<'_>]) -> Result<u64, Error> {
        let body = group::body_bytes(entries);
        if self.must_turn(body) {
            self.turn(body)?;
        }
        let number = self.next;
        let JournalFile { file, path, identity, .. } = &self.active;
        group::encode(&mut self.buffer, *identity, self.end, number, entries);
        let written = file.write_at(&self.buffer, self.end).map_err(|e| Error::io("append to", path, e));
        let synced = written.and_then(|()| match canary::sync_skipped() {
            true => Ok(()),
            false => file.sync().map_err(|e| Error::sync(path, e)),
        });
        if synced.is_err() {
            // Best effort: after a failed sync programs may still read what the disk does not have. The next start must not show it.
            let _unerased = file.write_at(&[0; BLOCK as usize], self.end);
        }
        synced?;
        self.end += self.buffer.len() as u64;
        self.next += 1;
        if self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
        Ok(number)
    }

    /// Whether a group of that many bytes needs the next file.
    fn must_turn(&self, body: usize) -> bool {
        self.end.saturating_add(group_bytes(body)) > self.active.size
    }

    /// Brings the next file into use, which has room for a group of that many bytes.
    fn turn(&mut self, body: usize) -> Result<(), Error> {
        let size = self.options.file_bytes.max(BLOCK + group_bytes(body));
        let number = match self.spares.pop_if(|_| size == self.options.file_bytes) {
            Some(number) => number,
            None => self.make_file(size)?,
        };
        let Self { disk, dir, manifest, next, .. } = self;
        self.active = begin_file(disk.as_ref(), dir, manifest, number, *next, size)?;
        self.files.push_back(InUse { first: self.next, size });
        self.end = BLOCK;
        Ok(())
    }

    /// Takes the oldest files out of use. The list says so durably before one of them can be written again, and which groups are settled.
    fn free(&mut self, count: usize, settled: u64) -> Result<(), Error> {
        let mut list = self.manifest.list.clone();
        list.generation += count as u64;
        list.settled = list.settled.max(settled);
        let freed: Vec<u32> = list.numbers.drain(..count).collect();
        self.manifest.put(list)?;
        let sizes: Vec<u64> = self.files.drain(..count).map(|file| file.size).collect();
        let mut removed = false;
        for (number, size) in freed.into_iter().zip(sizes) {
            if size == self.options.file_bytes && self.spares.len() < self.options.spare_files {
                self.spares.push(number);
            } else {
                let path = self.dir.join(file::file_name(number));
                self.disk.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
                removed = true;
            }
        }
        // If the removal is lost in a crash, the next open repeats it, but the space should be free now.
        if removed { self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e)) } else { Ok(()) }
    }
}

/// Bytes of a group whose entries have `body` bytes.
fn group_bytes(body: usize) -> u64 {
    (GROUP_HEADER + body).next_multiple_of(BLOCK as usize) as u64
}

/// Brings a pre-written file into use. `first` is the number of its first group.
fn begin_file(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &mut Manifest,
    number: u32,
    first: u64,
    size: u64,
) -> Result<JournalFile, Error> {
    let path = dir.join(file::file_name(number));
    let file = JournalFile::begin(disk, &path, manifest.list.next_generation(), first, size)?;
    let mut list = manifest.list.clone();
    list.numbers.push_back(number);
    manifest.put(list)?;
    Ok(file)
}

#[cfg(any(test, feature = "testkit"))]
pub(crate) mod fuzz;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
