//! A disk in memory that does what real disks do on a bad day, under a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, File, Lock};

mod handle;
mod inode;
mod names;

use handle::Handle;
use inode::{Inode, next_random};
use names::NameOp;

/// A seeded disk in memory. Clones share it.
///
/// [`FaultyDisk::crash`] cuts the power: of each file's bytes that were not synced, all, none, a torn prefix or a random choice
/// of sectors survive; names that were not made durable by a directory sync survive as a random prefix of what was done; open
/// handles and locks die. [`FaultyDisk::cut_power_after`] does so at a chosen operation.
#[derive(Debug, Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    boot: u64,
    random: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<NameOp>,
    dirs: BTreeSet<PathBuf>,
    inodes: BTreeMap<u64, Inode>,
    locks: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    operations_left: Option<u64>,
    /// An operation was cut: nothing later reaches anything.
    off: bool,
    operations: u64,
    syncs_left: Option<u64>,
    syncs: u64,
    ignore_syncs: bool,
    writes_until_misdirected: Option<u64>,
    shears: bool,
    before_sync: Option<Hook>,
    before_write: Option<Hook>,
}

/// What is called before something.
#[derive(Clone)]
struct Hook(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl FaultyDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            boot: 0,
            random: seed,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            dirs: BTreeSet::new(),
            inodes: BTreeMap::new(),
            locks: BTreeSet::new(),
            capacity: None,
            operations_left: None,
            off: false,
            operations: 0,
            syncs_left: None,
            syncs: 0,
            ignore_syncs: false,
            writes_until_misdirected: None,
            shears: false,
            before_sync: None,
            before_write: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power now and boots again.
    pub fn crash(&self) {
        let state = &mut *self.state();
        state.boot += 1;
        state.locks.clear();
        state.operations_left = None;
        state.off = false;
        state.syncs_left = None;
        let survivors = state.below(state.pending_names.len() as u64 + 1) as usize;
        let pending = std::mem::take(&mut state.pending_names);
        for op in pending.into_iter().take(survivors) {
            op.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        let kept: BTreeSet<u64> = state.names.values().copied().collect();
        state.inodes.retain(|inode, _| kept.contains(inode));
        for inode in state.inodes.values_mut() {
            inode.crash(&mut state.random, state.shears);
        }
    }

    /// The operation (write, length, sync, name change) after `operations` more cuts the power: it and all later ones fail until
    /// [`FaultyDisk::crash`]. A sync that is cut may have reached the disk.
    pub fn cut_power_after(&self, operations: u64) {
        self.state().operations_left = Some(operations);
    }

    /// The sync after `syncs` more fails, once, and loses what it should have written, as Linux does: a retry would succeed.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.state().syncs_left = Some(syncs);
    }

    /// Calls `hook` before each sync of a file, which waits for it. Nothing else does.
    pub fn before_sync(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.state().before_sync = Some(Hook(Arc::new(hook)));
    }

    /// As [`FaultyDisk::before_sync`], before each write.
    pub fn before_write(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.state().before_write = Some(Hook(Arc::new(hook)));
    }

    /// A canary: from now on syncs of files say yes and do nothing. Tests that cannot see this are no tests.
    pub fn ignore_syncs(&self) {
        self.state().ignore_syncs = true;
    }

    /// The write after `writes` more says yes and lands in another place of this or another file, at a multiple of 512, once.
    pub fn misdirect_write_after(&self, writes: u64) {
        self.state().writes_until_misdirected = Some(writes);
    }

    /// From now on a power cut may also destroy one physical sector (4,096 bytes) that an unsynced write touched, with all that stood in
    /// it before: what a drive does that loses power while it writes the sector.
    pub fn shear_sectors(&self) {
        self.state().shears = true;
    }

    /// Bytes all files together may have; `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Changing operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Counts one synced write of something that shares the disk's power supply; and whether it is durable, which the one that is cut may be.
    pub(crate) fn synced_write(&self) -> (io::Result<()>, bool) {
        self.state().synced()
    }

    /// A random number below `bound`, from the disk's seed.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.state().below(bound)
    }

    /// Sum of all file sizes.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// All files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The bytes of a file, if it exists.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        Some(state.inodes.get(state.names.get(path)?)?.visible.clone())
    }

    /// Replaces a file durably, past all faults: what rot or a careless operator does.
    pub fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let state = &mut *self.state();
        let inode = state.inode_of(path);
        state.durable_names.insert(path.to_owned(), inode);
        state.inodes.insert(inode, Inode { visible: bytes.clone(), durable: bytes, pending: Vec::new() });
    }

    /// Removes a file durably, past all faults.
    pub fn lose(&self, path: &Path) {
        let state = &mut *self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.inodes.get(inode)).map(|inode| inode.visible.len() as u64).sum()
    }

    fn below(&mut self, bound: u64) -> u64 {
        next_random(&mut self.random) % bound.max(1)
    }

    fn inode_of(&mut self, path: &Path) -> u64 {
        let fresh = self.inodes.keys().next_back().map_or(0, |last| last + 1);
        let inode = *self.names.entry(path.to_owned()).or_insert(fresh);
        self.inodes.entry(inode).or_default();
        inode
    }

    /// Counts a changing operation; fails it when the power is, or is now, off.
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.operations_left {
            None => Ok(()),
            Some(0) => {
                self.off = true;
                Err(io::Error::other("the power is off"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// As [`State::change`], for what syncs; and whether it reached the disk, which the operation that is cut may have.
    fn synced(&mut self) -> (io::Result<()>, bool) {
        let was_off = self.off;
        let powered = self.change();
        let reached = powered.is_ok() || (self.below(2) == 0 && !was_off);
        (powered, reached)
    }

    fn rename_op(&mut self, op: NameOp) {
        op.clone().apply(&mut self.names);
        self.pending_names.push(op);
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let state = self.state();
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot: state.boot }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.change()?;
        let inode = state.inodes.keys().next_back().map_or(0, |last| last + 1);
        state.inodes.insert(inode, Inode::default());
        state.rename_op(NameOp::Link(path.to_owned(), inode));
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot: state.boot }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // Directories survive crashes here; a lost empty directory is made again by whoever needs it.
        self.state().dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let entries = state.names.keys().chain(&state.dirs).filter(|path| path.parent() == Some(dir));
        let names: BTreeSet<String> =
            entries.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect();
        Ok(names.into_iter().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.rename_op(NameOp::Link(to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename_op(NameOp::Unlink(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        if state.names.keys().any(inside) || state.dirs.iter().any(inside) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.dirs.remove(dir);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        state.change()?;
        let (synced, rest) = std::mem::take(&mut state.pending_names).into_iter().partition(|op| op.dir() == Some(dir));
        state.pending_names = rest;
        let synced: Vec<NameOp> = synced;
        for op in synced {
            op.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Result<Box<dyn Lock>, String>> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Ok(Err(std::process::id().to_string()));
        }
        Ok(Ok(Box::new(Held { disk: self.clone(), path: path.to_owned(), boot: state.boot })))
    }

    fn free_bytes(&self, _dir: &Path) -> Option<u64> {
        let state = self.state();
        state.capacity.map(|capacity| capacity.saturating_sub(state.used()))
    }

    fn nonce(&self) -> io::Result<u64> {
        Ok(next_random(&mut self.state().random))
    }
}

#[derive(Debug)]
struct Held {
    disk: FaultyDisk,
    path: PathBuf,
    boot: u64,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.boot == self.boot {
            state.locks.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
