//! Ids that no crash and no clock repeats.
//!
//! ```text
//! dir/LOCK       one owner at a time
//!     counter    its size is the number of reserved blocks   [`Obelisk`]
//!     mark       block size; blocks from which values left
//!
//! dir/LOCK
//!     bound      no id at or above this time has left        [`Scarabs`]
//!     mark       the same
//! ```
//!
//! A generator is made once and opened ever after. Nothing leaves before it is opened, so making may be repeated after a crash; it is
//! refused once something may have left. Opening makes nothing: a file that is missing was lost, and is refused.
//!
//! Both generators promise in the same way: what may be handed out lies below a ceiling that is on stable storage before anything
//! below it leaves, a start begins at the ceiling it finds, and a refill raises it in the background before it is reached. What was
//! reserved and not used is a gap, never a repetition.
//!
//! ```text
//! draw ──▶ Ceiling (atomics) ──▶ value            steady state: no lock, no system call, no wait
//!             ▲ raise     │ half used
//!             │           ▼
//!          Refill (thread) ──▶ Reserve: CounterFile or BoundFile ──▶ disk
//! ```
//!
//! A failed write or sync is never tried again: the generator fails for good and says why at every draw.

mod bound;
mod ceiling;
mod clock;
mod counter;
mod node_number;
mod obelisk;
mod range;
mod refill;
mod scarab;
mod scarabs;

pub use clock::{Clock, CoarseClock};
pub use node_number::NodeNumber;
pub use obelisk::{MAX_BLOCK_BITS, Obelisk, ObeliskOptions};
pub use range::ScarabRange;
pub use scarab::{SCARAB_EPOCH_MS, Scarab};
pub use scarabs::{ScarabOptions, Scarabs};

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

/// For fuzzers: whether bytes are a record or the text of an id.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn decodes(bytes: &[u8]) -> bool {
    let id = std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Scarab>().is_ok());
    id || counter::Mark::decode(bytes).is_some() || bound::Record::decode(bytes).is_some()
}

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod making_tests;
#[cfg(test)]
mod testkit;
