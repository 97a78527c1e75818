//! Room on the disk, watched so that appends are refused before it runs out: a full disk is fatal, and consensus writes too.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::disk::Disk;

/// Free bytes of the file system of a directory, against what must stay free.
pub(crate) struct Space {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    reserve: u64,
    low: AtomicBool,
}

impl Space {
    /// Watches the file system of `dir`, and measures at once.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, reserve: u64) -> Self {
        let this = Self { disk, dir, reserve, low: AtomicBool::new(false) };
        // Whoever appends first is told.
        let _told_later = this.measure();
        this
    }

    /// Refuses where there was too little at the last measurement and still is.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.low.load(Ordering::Acquire) { self.measure() } else { Ok(()) }
    }

    /// Measures; after every write that takes space.
    pub(crate) fn measure(&self) -> Result<(), Error> {
        let short = self.disk.free_bytes(&self.dir).filter(|free| *free < self.reserve);
        self.low.store(short.is_some(), Ordering::Release);
        match short {
            None => Ok(()),
            Some(free) => Err(Error::DiskLow { dir: self.dir.clone(), free, reserve: self.reserve }),
        }
    }
}
