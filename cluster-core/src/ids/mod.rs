//! Ids that no crash and no clock repeats.
//!
//! ```text
//! dir/LOCK       one owner at a time
//!     counter    its size is the number of reserved blocks   [`Obelisk`]
//!     mark       block size; blocks reserved at least
//! ```
//!
//! What may be handed out lies below a ceiling that is on stable storage before anything
//! below it leaves, a start begins at the ceiling it finds, and a refill raises it in the background before it is reached. What was
//! reserved and not used is a gap, never a repetition.
//!
//! ```text
//! draw ──▶ Ceiling (atomics) ──▶ value            steady state: no lock, no system call, no wait
//!             ▲ raise     │ half used
//!             │           ▼
//!          Refill (thread) ──▶ Reserve: CounterFile ──▶ disk
//! ```
//!
//! A failed write or sync is never tried again: the generator fails for good and says why at every draw.

mod ceiling;
mod counter;
mod obelisk;
mod refill;

pub use obelisk::{MAX_BLOCK_BITS, Obelisk, ObeliskOptions};

use std::path::Path;

use crate::Error;
use crate::disk::{Disk, Lock};

/// Most ids of one range.
pub const MAX_RANGE: u32 = 1 << 20;

/// What [`ceiling`] is built on; its loom tests build it on another.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

/// An atomic that threads write all the time, on a cache line of its own (two, since processors fetch them in pairs).
#[derive(Debug)]
#[repr(align(128))]
struct Padded(std::sync::atomic::AtomicU64);

fn range_count(count: u32) -> Result<u64, Error> {
    if count == 0 || count > MAX_RANGE {
        return Err(Error::Size { what: "a range of ids", found: u64::from(count), allowed: "1 to 1048576" });
    }
    Ok(u64::from(count))
}

/// Makes the directory of a generator and takes its lock.
fn own(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>, Error> {
    crate::home::make_dir(disk, dir)?;
    let file = dir.join("LOCK");
    let lock = disk.lock(&file).map_err(|e| Error::io("lock", &file, e))?;
    lock.map_err(|pid| Error::InUse { dir: dir.to_owned(), pid })
}

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod testkit;
