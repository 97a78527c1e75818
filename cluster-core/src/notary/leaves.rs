//! The leaf files: frame files that follow each other.
//!
//! ```text
//! frame payload = first_index:u64 count:u32 leaf*          leaf = length:u32 bytes[length], 1 to 1024 bytes
//! ```
//!
//! One frame holds one group of whole submissions, so a submission survives a crash whole or not at all.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pyralog_crypto::MAX_LEAF_BYTES;

use crate::Error;
use crate::disk::{Disk, File};
use crate::frame::{FILE_HEADER, u32_at, u64_at};

/// Bytes before each leaf.
pub(crate) const ENTRY_HEADER: usize = 4;
const GROUP_HEADER: usize = 12;
/// Closed files that readers keep open.
const OPEN_FILES: usize = 16;

/// Where one leaf file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Index of its first leaf.
    pub(crate) first: u64,
    /// Bytes of frames before it.
    pub(crate) base: u64,
}

/// Readers' view of the leaf files.
#[derive(Debug)]
pub(crate) struct LeafFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segments: RwLock<Vec<Segment>>,
    open: Mutex<VecDeque<(Segment, Arc<dyn File>)>>,
}

impl LeafFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, segments: Vec<Segment>) -> Self {
        Self { disk, dir, segments: RwLock::new(segments), open: Mutex::default() }
    }

    /// A new file follows the others.
    pub(crate) fn push(&self, segment: Segment) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// The leaf whose length prefix stands at `place`, with file and offset for error messages.
    pub(crate) fn read(&self, place: u64) -> Result<(Vec<u8>, PathBuf, u64), Error> {
        let segment = {
            let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
            let after = segments.partition_point(|segment| segment.base <= place);
            after.checked_sub(1).map(|found| segments[found])
        };
        let segment =
            segment.ok_or_else(|| Error::damaged(&self.dir, place, "a leaf's place is before the first leaf file"))?;
        let path = self.dir.join(file_name(segment.first));
        let file = self.file(segment, &path)?;
        let offset = place - segment.base + FILE_HEADER;
        let mut bytes = [0; ENTRY_HEADER + MAX_LEAF_BYTES];
        let read = file.read_at(&mut bytes, offset).map_err(|e| Error::io("read", &path, e))?;
        let leaf = bytes[..read]
            .split_at_checked(ENTRY_HEADER)
            .and_then(|(header, rest)| rest.get(..u32_at(header, 0) as usize));
        match leaf {
            Some(leaf) if !leaf.is_empty() => Ok((leaf.to_vec(), path, offset)),
            _ => Err(Error::damaged(&path, offset, "no leaf stands here")),
        }
    }

    fn file(&self, segment: Segment, path: &Path) -> Result<Arc<dyn File>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(found, _)| *found == segment)
            && let Some((_, file)) = open.remove(at)
        {
            open.push_back((segment, Arc::clone(&file)));
            return Ok(file);
        }
        let file = self.disk.open(path).map_err(|e| Error::io("open", path, e))?;
        if open.len() >= OPEN_FILES {
            open.pop_front();
        }
        open.push_back((segment, Arc::clone(&file)));
        Ok(file)
    }
}

/// Name of the leaf file that begins with a leaf.
pub(crate) fn file_name(first: u64) -> String {
    format!("leaves-{first:020}.seg")
}

/// The first leaf in the name of a leaf file.
pub(crate) fn parse_name(name: &str) -> Option<u64> {
    name.strip_prefix("leaves-")?.strip_suffix(".seg")?.parse().ok()
}

/// Begins the payload of a group.
pub(crate) fn begin_group(payload: &mut Vec<u8>, first: u64, count: u32) {
    payload.extend(first.to_be_bytes());
    payload.extend(count.to_be_bytes());
}

/// Adds a leaf and answers where in the payload its length prefix stands.
pub(crate) fn put_leaf(payload: &mut Vec<u8>, leaf: &[u8]) -> u64 {
    let at = payload.len() as u64;
    payload.extend((leaf.len() as u32).to_be_bytes());
    payload.extend_from_slice(leaf);
    at
}

/// Gives (place in the payload, leaf) of each leaf of a group to `visit` and answers (first index, count). The inner `None`
/// stands for a payload that is not exactly a group.
pub(crate) fn read_group<'a, E>(
    payload: &'a [u8],
    mut visit: impl FnMut(u64, &'a [u8]) -> Result<(), E>,
) -> Result<Option<(u64, u64)>, E> {
    if payload.len() < GROUP_HEADER {
        return Ok(None);
    }
    let (first, count) = (u64_at(payload, 0), u64::from(u32_at(payload, 8)));
    let mut at = GROUP_HEADER;
    for _ in 0..count {
        let Some(header) = payload.get(at..at + ENTRY_HEADER) else { return Ok(None) };
        let length = u32_at(header, 0) as usize;
        let begin = at + ENTRY_HEADER;
        if length == 0 || length > MAX_LEAF_BYTES {
            return Ok(None);
        }
        let Some(leaf) = payload.get(begin..begin + length) else { return Ok(None) };
        visit(at as u64, leaf)?;
        at = begin + length;
    }
    Ok((at == payload.len() && count > 0).then_some((first, count)))
}

#[cfg(test)]
mod tests;
