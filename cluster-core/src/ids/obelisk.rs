//! Obelisk: the durable counter.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::CounterFile;
use super::refill::Refill;
use super::{Padded, range_count};
use crate::Error;
use crate::disk::{Disk, RealDisk};

/// Most bits of a block: then the last block that a file can hold ends at 2^63 values, and all of them are positive as `i64`.
pub const MAX_BLOCK_BITS: u32 = 19;

/// Settings of [`Obelisk::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObeliskOptions {
    /// A block, one byte of the counter file, is 2^this values; fixed when the counter is made. 0 to [`MAX_BLOCK_BITS`], default 16.
    pub block_bits: u32,
    /// No thread: a draw that needs a reservation makes it, and [`Obelisk::drive`] makes those that are due. For simulators. Default
    /// off.
    pub manual: bool,
}

impl Default for ObeliskOptions {
    fn default() -> Self {
        Self { block_bits: 16, manual: false }
    }
}

/// A counter that never answers a value twice, whatever crashes: each value is larger than all that were answered before the draw
/// began, in this life and in earlier ones.
///
/// The size of the file `counter`, in bytes, is the number of *blocks* that are reserved. A draw is one `fetch_add`; when half of
/// what is left is used a thread grows the file, syncs it and its mark, and only then raises the ceiling. A draw beyond the ceiling waits for
/// that. A start begins at the size it finds, so it skips what was reserved and not used. Under load that the disk cannot follow,
/// reservations grow from one block up to 256, so that draws need not wait. Nothing ever shrinks the file; it is sparse and takes no
/// space.
///
/// The counter ends at 2^44 − 2^12 blocks, the largest file of ext4; with the default block that is 2^60 values.
///
/// # What a start notices
/// The file `mark` holds the block size and the number of blocks from which values may have left. A counter that is missing or shorter
/// is refused with [`Error::CounterLost`], which names the length that it needs; a missing mark and a directory without both are
/// refused too. **Not** noticed: both files restored from an older copy.
#[derive(Debug)]
pub struct Obelisk {
    next: Padded,
    refill: Refill,
}

impl Obelisk {
    /// Whether values may have left the counter in a directory; `false` where there is none. Nothing is made or changed.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a mark that does not check; [`Error::Io`] from the disk.
    pub fn used(dir: &Path, disk: &dyn Disk) -> Result<bool, Error> {
        CounterFile::used(disk, dir)
    }

    /// Makes a counter in a directory, and the directory where there is none, durably; its parent should exist. No value leaves
    /// by it, and it may be made again until it is opened. Who has made it records that in another place, and opens it only then:
    /// after the loss of this directory only that record says that it was there.
    ///
    /// # Errors
    /// [`Error::IdsUsed`] where values may have left; [`Error::BlockBits`]; [`Error::InUse`] while another has it open;
    /// [`Error::Damaged`], [`Error::DiskFull`], [`Error::SyncFailed`] and [`Error::Io`] from the disk.
    pub fn make(dir: &Path, block_bits: u32, disk: &dyn Disk) -> Result<(), Error> {
        CounterFile::make(disk, dir, block_bits)
    }

    /// Opens the counter that was made in a directory on the real disk.
    ///
    /// # Errors
    /// [`Error::InUse`] while another has it open; [`Error::BlockBits`] and [`Error::OtherBlockBits`] for settings that do not fit;
    /// [`Error::IdsMissing`], [`Error::CounterLost`], [`Error::CounterMarkLost`] and [`Error::Damaged`] for files that do not;
    /// [`Error::IdsExhausted`] at its end; [`Error::DiskFull`], [`Error::SyncFailed`] and [`Error::Io`] from the disk.
    pub fn open(dir: &Path, options: ObeliskOptions) -> Result<Self, Error> {
        Self::open_with(dir, options, &RealDisk)
    }

    /// [`Obelisk::open`] on any disk.
    ///
    /// # Errors
    /// As [`Obelisk::open`].
    pub fn open_with(dir: &Path, options: ObeliskOptions, disk: &dyn Disk) -> Result<Self, Error> {
        Self::start(dir, options, CounterFile::open(disk, dir, options.block_bits)?)
    }

    fn start(dir: &Path, options: ObeliskOptions, counter: CounterFile) -> Result<Self, Error> {
        let first = counter.reserved();
        let refill = Refill::start(Box::new(counter), first, options.manual, dir)?;
        Ok(Self { next: Padded(AtomicU64::new(first)), refill })
    }

    /// The next value.
    ///
    /// # Errors
    /// Once a reservation has failed, its error, for ever: [`Error::SyncFailed`], [`Error::DiskFull`], [`Error::Io`],
    /// [`Error::IdsExhausted`].
    #[inline]
    pub fn next(&self) -> Result<u64, Error> {
        self.draw(1)
    }

    /// The next `count` values, 1 to [`MAX_RANGE`](super::MAX_RANGE), in one draw and without a gap.
    ///
    /// # Errors
    /// [`Error::Size`] for another count; those of [`Obelisk::next`].
    pub fn range(&self, count: u32) -> Result<Range<u64>, Error> {
        let count = range_count(count)?;
        let first = self.draw(count)?;
        Ok(first..first + count)
    }

    /// All values below this are reserved on stable storage: what a start would begin with if this process ended now.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.refill.reserved()
    }

    /// Why no values leave any more, if so.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.refill.failure()
    }

    /// Manual mode: makes the reservation that the thread would make now; `false` where none is due or it failed, and always with a
    /// thread.
    pub fn drive(&self) -> bool {
        self.refill.drive()
    }

    #[inline]
    fn draw(&self, count: u64) -> Result<u64, Error> {
        // A failed counter admits nothing, so it does no harm that its draws go on counting and in the end wrap.
        let first = self.next.0.fetch_add(count, Ordering::Relaxed);
        let end = first.saturating_add(count);
        self.refill.nudge(end);
        if !self.refill.admits(end) {
            self.refill.wait(end)?;
        }
        Ok(first)
    }
}

impl Drop for Obelisk {
    fn drop(&mut self) {
        self.refill.close(self.next.0.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
