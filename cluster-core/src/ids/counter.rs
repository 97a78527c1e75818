//! The files of an Obelisk: a size that counts, and a mark that notices when it is lost.
//!
//! The counter grows before the mark follows, and nobody hears of the growth before that: wherever a crash comes, what left lies in
//! the blocks of the mark, and the counter is not shorter than the mark.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ceiling::{Demand, Reserved};
use super::obelisk::MAX_BLOCK_BITS;
use super::own;
use super::refill::Reserve;
use crate::Error;
use crate::disk::{Disk, File, Lock};
use crate::parts::u64_at;
use crate::slot::SlotFile;

/// Largest file of ext4 with blocks of 4 KiB, in bytes (`s_maxbytes`: 2^32 − 1 blocks); other file systems hold more.
pub(super) const MAX_BLOCKS: u64 = (1 << 44) - (1 << 12);
/// Most blocks of one reservation on top of what is needed: with the default block 0.17 s of draws at 10 ns each, of which the second
/// half is more than the three syncs of a slow disk take.
const MAX_STEP: u64 = 256;

const VERSION: u8 = 1;
const COUNTER: &str = "counter";
const MARK: &str = "mark";

/// The open counter.
#[derive(Debug)]
pub(super) struct CounterFile {
    file: Arc<dyn File>,
    path: PathBuf,
    mark: SlotFile,
    block_bits: u32,
    /// Durable size.
    blocks: u64,
    /// Blocks in the mark.
    marked: u64,
    /// Blocks of the next reservation.
    step: u64,
    /// A canary: the sync comes one reservation late, as if the ceiling were published before it.
    #[cfg(test)]
    pub(super) publish_early: bool,
    _lock: Box<dyn Lock>,
}

/// What the mark holds: `version:u8 block_bits:u8 blocks:u64`, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// A block is 2^this values.
    block_bits: u32,
    /// Every value that left lies in so many blocks.
    blocks: u64,
}

impl CounterFile {
    /// Whether values may have left.
    pub(super) fn used(disk: &dyn Disk, dir: &Path) -> Result<bool, Error> {
        let path = dir.join(COUNTER);
        let file = find(disk, &path)?;
        let blocks = file.map_or(Ok(0), |file| file.size()).map_err(|e| Error::io("read the size of", &path, e))?;
        Ok(blocks > 0 || find_mark(disk, &dir.join(MARK))?.is_some_and(|(_, mark)| mark.blocks > 0))
    }

    /// Makes the files, or goes on making them.
    pub(super) fn make(disk: &dyn Disk, dir: &Path, block_bits: u32) -> Result<(), Error> {
        check(block_bits)?;
        let _lock = own(disk, dir)?;
        if Self::used(disk, dir)? {
            return Err(Error::IdsUsed { dir: dir.to_owned() });
        }
        let path = dir.join(COUNTER);
        let file = disk.create(&path).map_err(|e| Error::io("create", &path, e))?;
        file.sync().map_err(|e| Error::sync(&path, e))?;
        SlotFile::open(disk, &dir.join(MARK))?.put_both(&Mark { block_bits, blocks: 0 }.encode())?;
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))
    }

    /// Opens the files that were made.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, block_bits: u32) -> Result<Self, Error> {
        check(block_bits)?;
        let lock = own(disk, dir)?;
        let (path, mark_path) = (dir.join(COUNTER), dir.join(MARK));
        let (file, mark, marked) = match (find(disk, &path)?, find_mark(disk, &mark_path)?) {
            (Some(file), Some((mark, marked))) => (file, mark, marked),
            (None, Some((_, marked))) => return Err(lost(path, "is missing".into(), marked)),
            (Some(_), None) => return Err(Error::CounterMarkLost { file: mark_path }),
            (None, None) => return Err(Error::IdsMissing { dir: dir.to_owned(), files: "counter and mark" }),
        };
        if marked.block_bits != block_bits {
            let found = marked.block_bits;
            return Err(Error::OtherBlockBits { dir: dir.to_owned(), found, asked: block_bits });
        }
        // What an earlier process or an operator wrote and did not sync is visible, but only now it is durable.
        file.sync().map_err(|e| Error::sync(&path, e))?;
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
        let blocks = file.size().map_err(|e| Error::io("read the size of", &path, e))?;
        if blocks < marked.blocks {
            return Err(lost(path, format!("has {blocks} bytes"), marked));
        }
        if blocks > MAX_BLOCKS {
            return Err(Error::IdsExhausted { file: path });
        }
        Ok(Self {
            file,
            path,
            mark,
            block_bits,
            blocks,
            marked: marked.blocks,
            step: 1,
            #[cfg(test)]
            publish_early: false,
            _lock: lock,
        })
    }

    /// First value that is not reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.blocks << self.block_bits
    }

    fn grow(&mut self, blocks: u64) -> Result<(), Error> {
        #[cfg(test)]
        if self.publish_early {
            self.file.sync().map_err(|e| Error::sync(&self.path, e))?;
            self.blocks = blocks;
            return self.file.set_len(blocks).map_err(|e| full(&self.path, e));
        }
        self.file.set_len(blocks).map_err(|e| full(&self.path, e))?;
        // fdatasync(2) writes a changed size: it is needed to read the file.
        self.file.sync().map_err(|e| Error::sync(&self.path, e))?;
        self.blocks = blocks;
        Ok(())
    }
}

impl Reserve for CounterFile {
    fn reserve(&mut self, demand: Demand) -> Result<Reserved, Error> {
        let needed = demand.end.div_ceil(1 << self.block_bits);
        if needed > MAX_BLOCKS {
            return Err(Error::IdsExhausted { file: self.path.clone() });
        }
        if demand.waited {
            self.step = (self.step * 2).min(MAX_STEP);
        }
        let blocks = (needed.max(self.blocks) + self.step).min(MAX_BLOCKS);
        if blocks > self.blocks {
            self.grow(blocks)?;
        }
        if self.marked < self.blocks {
            self.mark.put_both(&Mark { block_bits: self.block_bits, blocks: self.blocks }.encode())?;
            self.marked = self.blocks;
        }
        let end = self.reserved();
        let wake_at = if blocks == MAX_BLOCKS { u64::MAX } else { end - (self.step << self.block_bits) / 2 };
        Ok(Reserved { end, wake_at })
    }

    /// Both files say what they have to.
    fn finish(&mut self, _used: u64) -> Result<(), Error> {
        Ok(())
    }
}

impl Mark {
    fn encode(self) -> Vec<u8> {
        [&[VERSION, self.block_bits as u8][..], &self.blocks.to_be_bytes()].concat()
    }

    /// The mark, where it is one that this release writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [VERSION, block_bits, _, _, _, _, _, _, _, _] if u32::from(block_bits) <= MAX_BLOCK_BITS => {
                Some(Self { block_bits: block_bits.into(), blocks: u64_at(bytes, 2) })
            }
            _ => None,
        }
    }
}

fn check(block_bits: u32) -> Result<(), Error> {
    if block_bits > MAX_BLOCK_BITS { Err(Error::BlockBits { found: block_bits }) } else { Ok(()) }
}

fn find(disk: &dyn Disk, path: &Path) -> Result<Option<Arc<dyn File>>, Error> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// The file of the mark; `None` where there is none, or it was not filled yet.
fn find_mark(disk: &dyn Disk, path: &Path) -> Result<Option<(SlotFile, Mark)>, Error> {
    SlotFile::find_as(disk, path, Mark::decode, "the record is not the mark of a counter that this release reads")
}

fn lost(file: PathBuf, found: String, marked: Mark) -> Error {
    Error::CounterLost { file, found, marked: marked.blocks }
}

/// Other file systems than ext4 may end earlier.
fn full(path: &Path, error: io::Error) -> Error {
    if error.kind() == ErrorKind::FileTooLarge {
        return Error::IdsExhausted { file: path.to_owned() };
    }
    Error::io("grow", path, error)
}

#[cfg(test)]
mod tests;
