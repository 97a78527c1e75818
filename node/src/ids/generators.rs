//! The two generators of one server, and the number that they have.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pyralog_cluster_core::disk::{Disk, Lock, RealDisk};
use pyralog_cluster_core::{self as core, NodeNumber, Obelisk, ObeliskOptions, ScarabOptions, ScarabRange, Scarabs};

use super::number;
use crate::error::{Error, Result};
use crate::home::make_dir;

/// Both generators of a directory, open. Dropping them leaves the files as a clean end does.
#[derive(Debug)]
pub struct Generators {
    scarabs: Scarabs,
    counter: Obelisk,
    _lock: Box<dyn Lock>,
}

impl Generators {
    /// Opens the generators of `dir`, or makes them and the directory. The directory keeps its number, and once ids left it none of
    /// its files may be missing.
    ///
    /// # Errors
    /// [`Error::Home`] while another process has it open, where it has another number, and where its file `node` was lost;
    /// [`Error::Io`] and [`Error::Storage`] for files that are lost or cannot be used.
    pub fn open(dir: &Path, node: NodeNumber) -> Result<Self> {
        make_durable(dir)?;
        Self::open_with(dir, node, &RealDisk)
    }

    /// [`Generators::open`] on any disk, where `dir` exists.
    ///
    /// # Errors
    /// As [`Generators::open`].
    pub fn open_with(dir: &Path, node: NodeNumber, disk: &dyn Disk) -> Result<Self> {
        let lock_file = dir.join("LOCK");
        let lock = disk.lock(&lock_file).map_err(|e| Error::io("lock", &lock_file, e))?;
        let lock = lock.map_err(|pid| in_use(dir, &pid))?;
        match number::read(dir, disk)? {
            Some(found) if found == node => {}
            Some(found) => {
                // Nobody is told to go on with a number that the ids do not have.
                return Err(match Scarabs::used_by(&scarab_dir(dir), disk) {
                    Ok(Some(used)) if used != found => number::changed(dir, used, found),
                    _ => number::other(dir, found, node),
                });
            }
            None => make(dir, node, disk)?,
        }
        // The process that wrote the number may have ended before its name was durable.
        disk.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        let failed = |error| failed(dir, error);
        let scarabs = Scarabs::open_with(&scarab_dir(dir), ScarabOptions::of(node), disk, core::CoarseClock);
        let scarabs = scarabs.map_err(failed)?;
        let counter = Obelisk::open_with(&counter_dir(dir), ObeliskOptions::default(), disk).map_err(failed)?;
        Ok(Self { scarabs, counter, _lock: lock })
    }

    /// The next `count` Scarab ids, 1 to [`MAX_RANGE`](core::MAX_RANGE). May wait for the disk.
    ///
    /// # Errors
    /// Those of [`Scarabs::range`].
    pub fn scarabs(&self, count: u32) -> Result<ScarabRange, core::Error> {
        self.scarabs.range(count)
    }

    /// The next `count` values of the counter, 1 to [`MAX_RANGE`](core::MAX_RANGE). May wait for the disk.
    ///
    /// # Errors
    /// Those of [`Obelisk::range`].
    pub fn counter(&self, count: u32) -> Result<Range<u64>, core::Error> {
        self.counter.range(count)
    }

    /// The number in every Scarab id.
    pub fn node(&self) -> NodeNumber {
        self.scarabs.node()
    }

    /// How far Scarab ids are ahead of the clock, in milliseconds.
    pub fn drift_ms(&self) -> u64 {
        self.scarabs.drift_ms()
    }

    /// Why one of the generators gives nothing any more, if so.
    pub fn failure(&self) -> Option<core::Error> {
        self.scarabs.failure().or_else(|| self.counter.failure())
    }
}

/// Where the time bound of the ids stands.
pub(super) fn scarab_dir(dir: &Path) -> PathBuf {
    dir.join("scarab")
}

fn counter_dir(dir: &Path) -> PathBuf {
    dir.join("counter")
}

/// Makes the generators, and then the number, whose file says that they were made. Nothing leaves before that: so a crash at any
/// place leaves a directory that was not used, and in one that was used the file can only have been deleted.
fn make(dir: &Path, node: NodeNumber, disk: &dyn Disk) -> Result<()> {
    let failed = |error| failed(dir, error);
    let (scarab, counter) = (scarab_dir(dir), counter_dir(dir));
    let scarabs_used = Scarabs::used_by(&scarab, disk).map_err(failed)?.is_some();
    // Both are looked at before one is made: what is missing stays missing.
    if scarabs_used || Obelisk::used(&counter, disk).map_err(failed)? {
        return Err(number::lost(dir, disk, "is missing"));
    }
    Scarabs::make(&scarab, node, disk).map_err(failed)?;
    Obelisk::make(&counter, ObeliskOptions::default().block_bits, disk).map_err(failed)?;
    number::write(dir, node, disk).map_err(failed)
}

fn failed(dir: &Path, error: core::Error) -> Error {
    match error {
        core::Error::InUse { pid, .. } => in_use(dir, &pid),
        core::Error::OtherNodeNumber { found, asked, .. } => number::changed(dir, found, asked),
        other => Error::Storage(other.to_string()),
    }
}

fn in_use(dir: &Path, pid: &str) -> Error {
    Error::home(
        dir,
        format!(
            "process {pid} gives ids from this directory already; stop it first, or use another --dir, with a --node \
             number that was never used"
        ),
    )
}

/// Makes the directory so that it is there after a power cut: if it were gone, its counter would begin again.
fn make_durable(dir: &Path) -> Result<()> {
    let dir = std::path::absolute(dir).map_err(|e| Error::io("find", dir, e))?;
    let missing = dir.ancestors().take_while(|ancestor| !ancestor.exists()).count();
    make_dir(&dir, 0o700)?;
    for parent in dir.ancestors().skip(1).take(missing.max(1)) {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|e| Error::io("sync", parent, e))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "generators_test.rs"]
mod tests;
