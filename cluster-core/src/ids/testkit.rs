//! Clocks that are set by hand, and a disk with odd lengths.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Clock, SCARAB_EPOCH_MS};
use crate::disk::{Disk, FaultyDisk, File, Lock};

pub(crate) const DIR: &str = "/ids";

pub(crate) fn dir() -> &'static Path {
    Path::new(DIR)
}

/// A clock that stands until it is set. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct StepClock {
    wall_ms: Arc<AtomicU64>,
    steady_ms: Arc<AtomicU64>,
}

impl StepClock {
    /// Milliseconds since 2025.
    pub(crate) fn at(ms: u64) -> Self {
        Self { wall_ms: Arc::new(AtomicU64::new(ms)), steady_ms: Arc::new(AtomicU64::new(7)) }
    }

    pub(crate) fn set(&self, ms: u64) {
        self.wall_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn step(&self, ms: i64) {
        let now = self.wall_ms.load(Ordering::Relaxed);
        self.set(now.saturating_add_signed(ms));
    }

    /// Time passes on both clocks.
    pub(crate) fn pass(&self, ms: u64) {
        self.step(ms as i64);
        self.steady_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for StepClock {
    fn unix_ms(&self) -> u64 {
        SCARAB_EPOCH_MS + self.wall_ms.load(Ordering::Relaxed)
    }

    fn steady_ms(&self) -> u64 {
        self.steady_ms.load(Ordering::Relaxed)
    }
}

/// A disk whose counter file looks `longer` than it is, and on which no file can be made longer than `limit`.
#[derive(Debug, Clone)]
pub(crate) struct OddDisk {
    pub(crate) disk: FaultyDisk,
    pub(crate) longer: u64,
    pub(crate) limit: (u64, ErrorKind),
}

#[derive(Debug)]
struct OddFile {
    file: Arc<dyn File>,
    longer: u64,
    limit: (u64, ErrorKind),
}

impl OddDisk {
    fn wrap(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        let longer = if path.ends_with("counter") { self.longer } else { 0 };
        Arc::new(OddFile { file, longer, limit: self.limit })
    }
}

impl Disk for OddDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(path, self.disk.open(path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(path, self.disk.create(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Result<Box<dyn Lock>, String>> {
        self.disk.lock(path)
    }

    fn free_bytes(&self, dir: &Path) -> Option<u64> {
        self.disk.free_bytes(dir)
    }

    fn nonce(&self) -> io::Result<u64> {
        self.disk.nonce()
    }
}

impl File for OddFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.size()? + self.longer)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.limit.0 { Err(self.limit.1.into()) } else { self.file.set_len(len - self.longer) }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
