//! An index of a segment: a file of pages that is derived from the segment and from nothing else.
//!
//! ```text
//! page  = kind:u32 count:u32 number:u32 crc:u32 entry[255]       4,096 bytes; unused entries are zero
//! entry = key:u64 position:u64                                   keys never fall
//! ```
//!
//! `crc` covers the identity of the segment and all else of the page. A full page is written when it is full, the last one when the
//! segment is sealed. Nothing is synced: what a crash takes, or anything else damages, is made again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::batch::Identity;
use super::cursor::Point;
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::{u32_at, u64_at};

const PAGE: usize = 4096;
const PAGE_HEADER: usize = 16;
const ENTRY: usize = 16;
/// Entries of a page.
pub(super) const PAGE_ENTRIES: usize = (PAGE - PAGE_HEADER) / ENTRY;

/// What the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum IndexKind {
    /// The offset of the first record of the batch at the position.
    Offsets = 1,
    /// The highest timestamp of the records before that batch.
    Times = 2,
}

impl IndexKind {
    pub(super) const BOTH: [Self; 2] = [Self::Offsets, Self::Times];

    /// Where the index of a segment stands.
    pub(super) fn path(self, segment: &Path) -> PathBuf {
        segment.with_extension(match self {
            Self::Offsets => "offsets",
            Self::Times => "times",
        })
    }

    fn key(self, point: Point) -> u64 {
        match self {
            Self::Offsets => point.offset,
            Self::Times => point.time,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: u64,
    position: u64,
}

/// An index that grows with its segment. Memory: one page, and 8 bytes for each other one.
#[derive(Debug)]
pub(super) struct Index {
    pages: Pages,
    /// The full pages, which are in the file.
    full: Fences,
    tail: Vec<Entry>,
}

/// The finished index of a sealed segment, open.
#[derive(Debug)]
pub(super) struct Finished {
    pages: Pages,
    fences: Arc<Fences>,
}

/// The first key of each page, so that one page is read to find anything. Memory: 8 bytes for each page.
#[derive(Debug, Default)]
pub(super) struct Fences(Vec<u64>);

impl Index {
    /// Begins an empty index in `path`, in place of what may be there.
    pub(super) fn create(disk: &dyn Disk, path: PathBuf, kind: IndexKind, identity: Identity) -> Result<Self, Error> {
        let file = disk.create(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Self { pages: Pages { file, path, kind, identity }, full: Fences::default(), tail: Vec::new() })
    }

    /// Adds a batch.
    pub(super) fn push(&mut self, point: Point) -> Result<(), Error> {
        self.tail.push(Entry { key: self.pages.kind.key(point), position: point.position });
        if self.tail.len() == PAGE_ENTRIES {
            self.pages.write(self.full.next(), &self.tail)?;
            self.full.push(&self.tail);
            self.tail.clear();
        }
        Ok(())
    }

    /// Writes what is not yet in the file. Nothing may be added afterwards.
    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.tail.is_empty() { Ok(()) } else { self.pages.write(self.full.next(), &self.tail) }
    }

    /// Position of the last batch whose key is below `bound`; `None` where there is none.
    pub(super) fn find(&self, bound: u64) -> Result<Option<u64>, Error> {
        match self.tail.first() {
            Some(first) if first.key < bound => Ok(last_below(&self.tail, bound)),
            _ => self.pages.find(&self.full, bound),
        }
    }
}

impl Finished {
    /// Opens the index of a segment that has so many `entries`. The first time all of it is checked, and what `known` holds then is kept.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the page that does not check.
    pub(super) fn open(
        disk: &dyn Disk,
        path: PathBuf,
        kind: IndexKind,
        identity: Identity,
        entries: u64,
        known: &OnceLock<Arc<Fences>>,
    ) -> Result<Self, Error> {
        let file = disk.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let pages = Pages { file, path, kind, identity };
        if let Some(fences) = known.get() {
            return Ok(Self { pages, fences: Arc::clone(fences) });
        }
        let mut fences = Fences::default();
        for number in 0..entries.div_ceil(PAGE_ENTRIES as u64) {
            fences.push(&pages.read(number)?);
        }
        let fences = Arc::clone(known.get_or_init(|| Arc::new(fences)));
        Ok(Self { pages, fences })
    }

    /// As [`Index::find`].
    ///
    /// # Errors
    /// [`Error::Damaged`] names the page that does not check any more.
    pub(super) fn find(&self, bound: u64) -> Result<Option<u64>, Error> {
        self.pages.find(&self.fences, bound)
    }
}

impl Fences {
    /// Number of the next page.
    fn next(&self) -> u64 {
        self.0.len() as u64
    }

    fn push(&mut self, page: &[Entry]) {
        self.0.extend(page.first().map(|first| first.key));
    }

    /// The last page whose first key is below `bound`.
    fn page(&self, bound: u64) -> Option<u64> {
        (self.0.partition_point(|key| *key < bound) as u64).checked_sub(1)
    }
}

#[derive(Debug)]
struct Pages {
    file: Arc<dyn File>,
    path: PathBuf,
    kind: IndexKind,
    identity: Identity,
}

impl Pages {
    fn find(&self, fences: &Fences, bound: u64) -> Result<Option<u64>, Error> {
        match fences.page(bound) {
            Some(number) => Ok(last_below(&self.read(number)?, bound)),
            None => Ok(None),
        }
    }

    fn read(&self, number: u64) -> Result<Vec<Entry>, Error> {
        let mut page = [0; PAGE];
        let at = number * PAGE as u64;
        let read = self.file.read_at(&mut page, at).map_err(|e| Error::io("read", &self.path, e))?;
        decode(&page[..read], self.kind, self.identity, number)
            .ok_or_else(|| Error::damaged(&self.path, at, "a page of the index does not check"))
    }

    fn write(&self, number: u64, entries: &[Entry]) -> Result<(), Error> {
        let page = encode(entries, self.kind, self.identity, number);
        self.file.write_at(&page, number * PAGE as u64).map_err(|e| Error::io("write", &self.path, e))
    }
}

/// Keys never fall, so those below the bound stand in front.
fn last_below(entries: &[Entry], bound: u64) -> Option<u64> {
    let behind = entries.partition_point(|entry| entry.key < bound);
    behind.checked_sub(1).map(|last| entries[last].position)
}

fn encode(entries: &[Entry], kind: IndexKind, identity: Identity, number: u64) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[..4].copy_from_slice(&(kind as u32).to_be_bytes());
    page[4..8].copy_from_slice(&(entries.len() as u32).to_be_bytes());
    page[8..12].copy_from_slice(&(number as u32).to_be_bytes());
    for (entry, place) in entries.iter().zip(page[PAGE_HEADER..].chunks_mut(ENTRY)) {
        place[..8].copy_from_slice(&entry.key.to_be_bytes());
        place[8..].copy_from_slice(&entry.position.to_be_bytes());
    }
    let crc = crc(&page, identity);
    page[12..16].copy_from_slice(&crc.to_be_bytes());
    page
}

fn decode(page: &[u8], kind: IndexKind, identity: Identity, number: u64) -> Option<Vec<Entry>> {
    if page.len() != PAGE || u32_at(page, 12) != crc(page, identity) {
        return None;
    }
    let count = u32_at(page, 4) as usize;
    let ours =
        u32_at(page, 0) == kind as u32 && u64::from(u32_at(page, 8)) == number && (1..=PAGE_ENTRIES).contains(&count);
    let entries = page[PAGE_HEADER..].chunks(ENTRY).take(count);
    ours.then(|| entries.map(|entry| Entry { key: u64_at(entry, 0), position: u64_at(entry, 8) }).collect())
}

fn crc(page: &[u8], identity: Identity) -> u32 {
    let crc = crc32c::crc32c_append(identity.crc(super::KIND), &page[..12]);
    crc32c::crc32c_append(crc, &page[PAGE_HEADER..])
}

/// Whether the bytes are a page of some segment's index.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn fuzz(bytes: &[u8], identity: Identity) -> bool {
    IndexKind::BOTH.iter().any(|kind| decode(bytes, *kind, identity, 0).is_some())
}
