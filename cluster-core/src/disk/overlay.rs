//! A disk over another one that keeps every change to itself: what would happen, without it happening.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, File, Lock};

const PAGE: usize = 4096;

/// Reads go to the disk below, changes stay in memory: whole pages of 4 KiB, until the overlay goes.
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files that were opened, made or, with `None`, removed.
    files: BTreeMap<PathBuf, Option<Arc<Content>>>,
    dirs: BTreeSet<PathBuf>,
    gone: BTreeSet<PathBuf>,
}

/// A file's changes over the file below, if it has one.
#[derive(Debug)]
struct Content {
    below: Option<Arc<dyn File>>,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    changed: BTreeMap<u64, Box<[u8; PAGE]>>,
    /// Bytes of the file below that still count.
    kept: u64,
    len: u64,
}

#[derive(Debug)]
struct Unlocked;

impl Lock for Unlocked {}

impl Overlay {
    /// An overlay without changes.
    #[must_use]
    pub fn new(below: Arc<dyn Disk>) -> Self {
        Self { below, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the locked sections panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self, state: &mut State, path: &Path) -> io::Result<Arc<Content>> {
        match state.files.get(path) {
            Some(Some(content)) => return Ok(Arc::clone(content)),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let file = self.below.open_read(path)?;
        let len = file.size()?;
        let pages = Mutex::new(Pages { changed: BTreeMap::new(), kept: len, len });
        let content = Arc::new(Content { below: Some(file), pages });
        state.files.insert(path.to_owned(), Some(Arc::clone(&content)));
        Ok(content)
    }
}

impl Disk for Overlay {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let content = self.content(&mut self.state(), path)?;
        Ok(content)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let pages = Mutex::new(Pages { changed: BTreeMap::new(), kept: 0, len: 0 });
        let content = Arc::new(Content { below: None, pages });
        self.state().files.insert(path.to_owned(), Some(Arc::clone(&content)));
        Ok(content)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        for dir in path.ancestors() {
            state.gone.remove(dir);
            state.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let below = match self.below.list(dir) {
            _ if state.gone.contains(dir) => return Err(io::ErrorKind::NotFound.into()),
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound && state.dirs.contains(dir) => Vec::new(),
            Err(error) => return Err(error),
        };
        let there = |name: &String| {
            let path = dir.join(name);
            !state.gone.contains(&path) && !matches!(state.files.get(&path), Some(None))
        };
        let mut names: BTreeSet<String> = below.into_iter().filter(there).collect();
        let files = state.files.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path);
        let own = files.chain(&state.dirs).filter(|path| path.parent() == Some(dir));
        names.extend(own.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()));
        Ok(names.into_iter().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let content = self.content(&mut state, from)?;
        state.files.insert(from.to_owned(), None);
        state.files.insert(to.to_owned(), Some(content));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        self.content(&mut state, path)?;
        state.files.insert(path.to_owned(), None);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let mut state = self.state();
        state.dirs.remove(dir);
        state.gone.insert(dir.to_owned());
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Result<Box<dyn Lock>, String>> {
        match self.below.lock(path) {
            // Where nothing can be written, nobody else writes.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(Ok(Box::new(Unlocked))),
            answer => answer,
        }
    }

    fn free_bytes(&self, dir: &Path) -> Option<u64> {
        self.below.free_bytes(dir)
    }

    fn nonce(&self) -> io::Result<u64> {
        self.below.nonce()
    }
}

impl Content {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as the file below has it.
    fn original(&self, pages: &Pages, number: u64) -> io::Result<Box<[u8; PAGE]>> {
        let mut page = Box::new([0; PAGE]);
        let begin = number * PAGE as u64;
        let kept = pages.kept.saturating_sub(begin).min(PAGE as u64) as usize;
        if let (Some(below), true) = (&self.below, kept > 0) {
            below.read_at(&mut page[..kept], begin)?;
        }
        Ok(page)
    }
}

impl File for Content {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let pages = self.pages();
        let length = buffer.len().min(usize::try_from(pages.len.saturating_sub(offset)).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..length];
        buffer.fill(0);
        let kept = usize::try_from(pages.kept.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        if let (Some(below), true) = (&self.below, kept > 0) {
            below.read_at(&mut buffer[..kept], offset)?;
        }
        let end = offset + length as u64;
        for (number, page) in pages.changed.range(offset / PAGE as u64..end.div_ceil(PAGE as u64)) {
            let begin = number * PAGE as u64;
            let (from, to) = (begin.max(offset), (begin + PAGE as u64).min(end));
            let part = &page[(from - begin) as usize..(to - begin) as usize];
            buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut pages = self.pages();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let length = (PAGE - within).min(bytes.len() - done);
            let mut page = match pages.changed.remove(&number) {
                Some(page) => page,
                None => self.original(&pages, number)?,
            };
            page[within..within + length].copy_from_slice(&bytes[done..done + length]);
            pages.changed.insert(number, page);
            done += length;
        }
        pages.len = pages.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.pages().len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut pages = self.pages();
        let cut = len / PAGE as u64;
        // What is cut off must be zero when the file grows again.
        pages.changed.retain(|number, _| *number <= cut);
        if let Some(page) = pages.changed.get_mut(&cut) {
            page[(len % PAGE as u64) as usize..].fill(0);
        }
        pages.kept = pages.kept.min(len);
        pages.len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
