//! The leaves of the partition's tree on disk, in two files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyralog_crypto::{Hash, SegmentLeaf};

use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::{u32_at, u64_at};
use crate::window::Window;

const MAIN: &str = "roots";
const COPY: &str = "roots.copy";
const MAGIC: [u8; 8] = *b"PYRAROOT";
const VERSION: u32 = 1;
/// Kind of file, beside those of the journal and of segments.
const KIND: u32 = 5;
/// Bytes of the header and of each entry: none lies across two sectors.
const ENTRY: usize = 64;
/// Bytes read at once.
const AHEAD: usize = 64 << 10;

/// Both files. What [`RootsFile::secure`] was given is durable in each. One puts; another one may secure meanwhile what was put before.
#[derive(Debug)]
pub(super) struct RootsFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    main: EntryFile,
    copy: EntryFile,
    secured: Mutex<Secured>,
}

/// What is durable in both files.
#[derive(Debug)]
struct Secured {
    entries: usize,
    /// Whether their names are.
    named: bool,
}

impl RootsFile {
    /// Opens the files, or makes them, and answers the leaves of the segments before record `first`, which were removed. A file that lacks
    /// some of them gets them from the other, and is named.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the first entry that neither file has; a file of another stream or version.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        stream: u64,
        first: u64,
    ) -> Result<(Self, Vec<SegmentLeaf>, Vec<PathBuf>), Error> {
        let main = EntryFile::open(disk.as_ref(), dir.join(MAIN), stream)?;
        let copy = EntryFile::open(disk.as_ref(), dir.join(COPY), stream)?;
        let (removed, whole) = removed(&main, &copy, first)?;
        let secured = Mutex::new(Secured { entries: removed.len(), named: false });
        let this = Self { disk: Arc::clone(disk), dir: dir.to_owned(), main, copy, secured };
        let mut remade = Vec::new();
        // One after the other: the one that is not being written has what the other lacks.
        for (file, whole) in [(&this.main, whole.0), (&this.copy, whole.1)] {
            if !whole {
                tracing::warn!(file = %file.path.display(), "entries of removed segments are written again from the other copy");
                file.write(0, &removed)?;
                file.sync()?;
                remade.push(file.path.clone());
            }
        }
        if whole != (true, true) {
            this.sync_names(&mut this.secured())?;
        }
        Ok((this, removed, remade))
    }

    /// Entry `number`, if it checks: of a segment that is there, or of the one that grew.
    pub(super) fn get(&self, number: usize) -> Result<Option<SegmentLeaf>, Error> {
        self.main.entry(number)
    }

    /// Writes entry `number`, not durably.
    pub(super) fn put(&self, number: usize, leaf: &SegmentLeaf) -> Result<(), Error> {
        self.main.write(number, std::slice::from_ref(leaf))
    }

    /// Cuts off what stands behind `count` entries.
    pub(super) fn cut(&self, count: usize) -> Result<(), Error> {
        let end = place(count);
        if self.main.size()? > end { self.main.set_len(end) } else { Ok(()) }
    }

    /// Makes the entries of these leaves, the first ones, durable in both files. All of them were put.
    pub(super) fn secure(&self, leaves: &[SegmentLeaf]) -> Result<(), Error> {
        let mut secured = self.secured();
        if leaves.len() <= secured.entries {
            return Ok(());
        }
        self.main.sync()?;
        self.copy.write(secured.entries, &leaves[secured.entries..])?;
        self.copy.sync()?;
        self.sync_names(&mut secured)?;
        secured.entries = leaves.len();
        Ok(())
    }

    fn sync_names(&self, secured: &mut Secured) -> Result<(), Error> {
        if !secured.named {
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))?;
            secured.named = true;
        }
        Ok(())
    }

    fn secured(&self) -> MutexGuard<'_, Secured> {
        // Nothing in the locked sections panics.
        self.secured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of an entry that contradicts what it was made from.
pub(super) fn contradiction(dir: &Path, number: usize, why: impl Into<String>) -> Error {
    Error::damaged(&dir.join(MAIN), place(number), why)
}

/// The leaves of the segments before record `first`, and which of the files has all of them.
fn removed(main: &EntryFile, copy: &EntryFile, first: u64) -> Result<(Vec<SegmentLeaf>, (bool, bool)), Error> {
    let mut leaves = Vec::new();
    let mut whole = (true, true);
    let (mut in_main, mut in_copy) = (main.entries(), copy.entries());
    let mut due = 0;
    while due < first {
        let number = leaves.len();
        let fits = |leaf: &SegmentLeaf| leaf.first == due && leaf.next <= first;
        let found = (in_main.get(number)?.filter(fits), in_copy.get(number)?.filter(fits));
        let damaged = |why| Error::damaged(&main.path, place(number), why);
        let leaf = match found {
            (Some(one), Some(other)) if one != other => {
                return Err(damaged(format!("the entry is not that of {}", copy.path.display())));
            }
            (Some(leaf), _) | (None, Some(leaf)) => leaf,
            (None, None) => {
                let why =
                    format!("here and in {COPY}, the root of the removed segment from record {due} on is missing");
                return Err(damaged(why));
            }
        };
        whole = (whole.0 && found.0.is_some(), whole.1 && found.1.is_some());
        due = leaf.next;
        leaves.push(leaf);
    }
    Ok((leaves, whole))
}

/// Where an entry stands.
fn place(number: usize) -> u64 {
    (number as u64 + 1) * ENTRY as u64
}

/// One file of entries.
#[derive(Debug)]
struct EntryFile {
    file: Arc<dyn File>,
    path: PathBuf,
    header: [u8; ENTRY],
}

impl EntryFile {
    /// Opens the file, or makes it. A header that does not check is written again: it says nothing that is not known.
    fn open(disk: &dyn Disk, path: PathBuf, stream: u64) -> Result<Self, Error> {
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                disk.create(&path).map_err(|e| Error::io("create", &path, e))?
            }
            Err(error) => return Err(Error::io("open", &path, error)),
        };
        let this = Self { file, path, header: header(stream) };
        let mut found = [0; ENTRY];
        let read = this.file.read_at(&mut found, 0).map_err(|e| Error::io("read", &this.path, e))?;
        let checks = read == ENTRY && found[..8] == MAGIC && crc32c::crc32c(&found[..60]) == u32_at(&found, 60);
        if !checks {
            this.write_at(&this.header, 0)?;
        } else if (u32_at(&found, 8), u32_at(&found, 12)) != (VERSION, KIND) {
            return Err(Error::damaged(&this.path, 8, "the file header names another version or kind"));
        } else if found != this.header {
            let why = format!("the file is of stream {}, not of stream {stream}", u64_at(&found, 16));
            return Err(Error::damaged(&this.path, 16, why));
        }
        Ok(this)
    }

    fn entries(&self) -> Entries<'_> {
        let window = Window::new(self.file.as_ref(), &self.path, AHEAD);
        Entries { window, header: &self.header }
    }

    /// Reads one entry.
    fn entry(&self, number: usize) -> Result<Option<SegmentLeaf>, Error> {
        let mut bytes = [0; ENTRY];
        let read = self.file.read_at(&mut bytes, place(number)).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(decode(&bytes[..read], number, &self.header))
    }

    /// Writes entries from `number` on.
    fn write(&self, number: usize, leaves: &[SegmentLeaf]) -> Result<(), Error> {
        for (at, part) in (number..).step_by(AHEAD / ENTRY).zip(leaves.chunks(AHEAD / ENTRY)) {
            let entries = part.iter().zip(at..).flat_map(|(leaf, number)| encode(leaf, number, &self.header));
            self.write_at(&entries.collect::<Vec<u8>>(), place(at))?;
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), Error> {
        self.file.write_at(bytes, at).map_err(|e| Error::io("write", &self.path, e))
    }

    fn size(&self) -> Result<u64, Error> {
        self.file.size().map_err(|e| Error::io("measure", &self.path, e))
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.file.set_len(len).map_err(|e| Error::io("truncate", &self.path, e))
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync().map_err(|e| Error::sync(&self.path, e))
    }
}

/// Reads entries in order.
struct Entries<'a> {
    window: Window<'a>,
    header: &'a [u8; ENTRY],
}

impl Entries<'_> {
    fn get(&mut self, number: usize) -> Result<Option<SegmentLeaf>, Error> {
        let bytes = self.window.read(place(number), ENTRY)?;
        Ok(bytes.and_then(|bytes| decode(bytes, number, self.header)))
    }
}

/// The header of both files.
pub(super) fn header(stream: u64) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
    bytes[12..16].copy_from_slice(&KIND.to_be_bytes());
    bytes[16..24].copy_from_slice(&stream.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

pub(super) fn encode(leaf: &SegmentLeaf, number: usize, header: &[u8; ENTRY]) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&leaf.first.to_be_bytes());
    bytes[8..16].copy_from_slice(&leaf.next.to_be_bytes());
    bytes[16..48].copy_from_slice(&leaf.root.0);
    let crc = crc(&bytes, number, header);
    bytes[60..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The leaf of an entry that checks.
pub(super) fn decode(bytes: &[u8], number: usize, header: &[u8; ENTRY]) -> Option<SegmentLeaf> {
    if bytes.len() != ENTRY || u32_at(bytes, 60) != crc(bytes, number, header) {
        return None;
    }
    let mut root = [0; 32];
    root.copy_from_slice(&bytes[16..48]);
    let leaf = SegmentLeaf { first: u64_at(bytes, 0), next: u64_at(bytes, 8), root: Hash(root) };
    (leaf.first < leaf.next && bytes[48..60] == [0; 12]).then_some(leaf)
}

fn crc(bytes: &[u8], number: usize, header: &[u8; ENTRY]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(header), &(number as u64).to_be_bytes());
    crc32c::crc32c_append(crc, &bytes[..60])
}

/// Whether the bytes are an entry of some stream's file; it has no other encoding.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn fuzz(bytes: &[u8]) -> bool {
    let header = header(0);
    decode(bytes, 0, &header)
        .map(|leaf| assert_eq!(encode(&leaf, 0, &header), bytes, "two encodings of one entry"))
        .is_some()
}

#[cfg(test)]
mod tests;
