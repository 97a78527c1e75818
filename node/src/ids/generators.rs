//! The two generators of one server, and the number that they have.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use pyralog_cluster_core::disk::{Disk, RealDisk};
use pyralog_cluster_core::{self as core, NodeNumber, Obelisk, ObeliskOptions, ScarabOptions, ScarabRange, Scarabs};

use crate::error::{Error, Result};
use crate::home::{PUBLIC, make_dir, read_bounded, write_atomic};

/// Both generators of a directory, open. Dropping them leaves the files as a clean end does.
#[derive(Debug)]
pub struct Generators {
    scarabs: Scarabs,
    counter: Obelisk,
}

impl Generators {
    /// Opens the generators of `dir`, or makes them and the directory. The directory keeps its number.
    ///
    /// # Errors
    /// [`Error::Home`] while another process has it open, or where it has another number; [`Error::Io`] and [`Error::Storage`] for
    /// files that cannot be used.
    pub fn open(dir: &Path, node: NodeNumber) -> Result<Self> {
        make_durable(dir)?;
        let generators = Self::open_with(dir, node, &RealDisk)?;
        // Behind their locks, and before anything leaves.
        own(dir, node)?;
        Ok(generators)
    }

    /// [`Generators::open`] on any disk, where `dir` exists and has this number.
    ///
    /// # Errors
    /// As [`Generators::open`].
    pub fn open_with(dir: &Path, node: NodeNumber, disk: &dyn Disk) -> Result<Self> {
        let failed = |error| match error {
            core::Error::InUse { pid, .. } => Error::home(
                dir,
                format!(
                    "process {pid} gives ids from this directory already; stop it first, or use another --dir, with a \
                     --node number that was never used"
                ),
            ),
            other => Error::Storage(other.to_string()),
        };
        let scarabs = Scarabs::open_with(&dir.join("scarab"), ScarabOptions::of(node), disk, core::CoarseClock);
        let scarabs = scarabs.map_err(failed)?;
        let counter = Obelisk::open_with(&dir.join("counter"), ObeliskOptions::default(), disk).map_err(failed)?;
        Ok(Self { scarabs, counter })
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

/// Writes the number into a new directory; refuses another one than it has.
fn own(dir: &Path, node: NodeNumber) -> Result<()> {
    let path = dir.join("node");
    if !path.exists() {
        return write_atomic(&path, format!("{node}\n").as_bytes(), PUBLIC);
    }
    let found = String::from_utf8_lossy(&read_bounded(&path, 16)?).trim().to_owned();
    if found == node.to_string() {
        return Ok(());
    }
    Err(Error::home(
        &path,
        format!(
            "the ids of this directory have node number {found:?}, not {node}: start it with its own --node, or start \
             with an empty --dir and a --node number that was never used"
        ),
    ))
}

#[cfg(test)]
#[path = "generators_test.rs"]
mod tests;
