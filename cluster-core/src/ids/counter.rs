//! The files of an Obelisk: a size that counts, and a mark that notices when it is lost.

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
/// Most blocks of one reservation on top of what is needed: with the default block 0.17 s of draws at 10 ns each, more than a sync
/// of a slow disk takes.
const MAX_STEP: u64 = 256;
/// The mark follows when it is this many blocks behind, so that it costs no sync of its own at ordinary rates.
pub(super) const MARK_EVERY: u64 = 64;

const VERSION: u8 = 1;

/// The open counter. Its size is never smaller than what left, nor than the mark.
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

impl CounterFile {
    /// Opens the counter, or makes a new one where the directory holds none.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, block_bits: u32) -> Result<Self, Error> {
        if block_bits > MAX_BLOCK_BITS {
            return Err(Error::BlockBits { found: block_bits });
        }
        let lock = own(disk, dir)?;
        let path = dir.join("counter");
        let mark_path = dir.join("mark");
        let marked = exists(disk, &mark_path)?;
        // The counter is made before its mark: no crash leaves a mark alone.
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("open", &path, error)),
            Err(_) if marked => {
                let (_, blocks) = read(&SlotFile::open(disk, &mark_path)?, &mark_path)?.unwrap_or((block_bits, 0));
                return Err(lost(path, "is missing".into(), blocks));
            }
            Err(_) => disk.create(&path).map_err(|e| Error::io("create", &path, e))?,
        };
        // What an earlier process wrote and did not sync is visible, but only now it is durable.
        file.sync().map_err(|e| Error::sync(&path, e))?;
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
        let blocks = file.size().map_err(|e| Error::io("read the size of", &path, e))?;
        if !marked && blocks > 0 {
            return Err(Error::CounterMarkLost { file: mark_path });
        }
        let mark = SlotFile::open(disk, &mark_path)?;
        let recorded = read(&mark, &mark_path)?;
        let marked = match recorded {
            // The mark is filled before the first block is reserved.
            None if blocks > 0 => return Err(Error::CounterMarkLost { file: mark_path }),
            None => 0,
            Some((found, _)) if found != block_bits => {
                return Err(Error::OtherBlockBits { dir: dir.to_owned(), found, asked: block_bits });
            }
            Some((_, marked)) if blocks < marked => return Err(lost(path, format!("has {blocks} bytes"), marked)),
            Some((_, marked)) => marked,
        };
        if blocks > MAX_BLOCKS {
            return Err(Error::IdsExhausted { file: path });
        }
        let mut counter = Self {
            file,
            path,
            mark,
            block_bits,
            blocks,
            marked,
            step: 1,
            #[cfg(test)]
            publish_early: false,
            _lock: lock,
        };
        if recorded != Some((block_bits, blocks)) {
            counter.put_mark()?;
        }
        Ok(counter)
    }

    /// First value that is not reserved.
    pub(super) fn reserved(&self) -> u64 {
        self.blocks << self.block_bits
    }

    /// Both copies: then damage of one does not bring back an older mark.
    fn put_mark(&mut self) -> Result<(), Error> {
        let record = encode(self.block_bits, self.blocks);
        self.mark.put(&record)?;
        self.mark.put(&record)?;
        self.marked = self.blocks;
        Ok(())
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
        // Before anyone hears of the blocks: so what left is never 64 blocks or more beyond the mark.
        if self.blocks - self.marked >= MARK_EVERY {
            self.put_mark()?;
        }
        let end = self.reserved();
        let wake_at = if blocks == MAX_BLOCKS { u64::MAX } else { end - (self.step << self.block_bits) / 2 };
        Ok(Reserved { end, wake_at })
    }

    fn finish(&mut self, _used: u64) -> Result<(), Error> {
        if self.marked < self.blocks { self.put_mark() } else { Ok(()) }
    }
}

fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, Error> {
    match disk.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// A counter that lacks blocks of its mark. Every value that ever left lies in fewer than 64 blocks more than that.
fn lost(file: PathBuf, found: String, marked: u64) -> Error {
    Error::CounterLost { file, found, marked, safe: marked + MARK_EVERY }
}

/// Other file systems than ext4 may end earlier.
fn full(path: &Path, error: io::Error) -> Error {
    if error.kind() == ErrorKind::FileTooLarge {
        return Error::IdsExhausted { file: path.to_owned() };
    }
    Error::io("grow", path, error)
}

/// The mark: `version:u8 block_bits:u8 blocks:u64`, big-endian.
fn encode(block_bits: u32, blocks: u64) -> Vec<u8> {
    [&[VERSION, block_bits as u8][..], &blocks.to_be_bytes()].concat()
}

/// Block bits and blocks of a mark.
pub(super) fn decode(record: &[u8]) -> Option<(u32, u64)> {
    match record {
        [VERSION, block_bits, ..] if record.len() == 10 && u32::from(*block_bits) <= MAX_BLOCK_BITS => {
            Some((u32::from(*block_bits), u64_at(record, 2)))
        }
        _ => None,
    }
}

/// `None` where the mark was made and not yet filled.
fn read(mark: &SlotFile, path: &Path) -> Result<Option<(u32, u64)>, Error> {
    let other = || Error::damaged(path, 0, "the record is not the mark of a counter that this release reads");
    mark.value().map(|record| decode(record).ok_or_else(other)).transpose()
}

#[cfg(test)]
mod tests;
