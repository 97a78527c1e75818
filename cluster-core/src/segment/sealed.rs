//! A segment that never changes again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::batch::Identity;
use super::cursor::{Cursor, Tally};
use super::file::{self, FILE_HEADER, FOOTER, Footer};
use super::index::{Fences, Finished, Index, IndexKind};
use crate::Error;
use crate::disk::Disk;
use crate::parts::temporary;

/// A sealed segment. Its file is opened by whoever reads it: see [`super::recent`].
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) footer: Footer,
    /// Of its indexes, once they were needed. They stay when an index is made again, since that comes out the same.
    fences: [OnceLock<Arc<Fences>>; 2],
}

impl Sealed {
    pub(super) fn new(path: PathBuf, identity: Identity, footer: Footer) -> Self {
        Self { path, identity, footer, fences: Default::default() }
    }

    /// Opens a segment and checks header and footer. The records are checked when they are read.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, stream: u64, base: u64) -> Result<Self, Error> {
        let path = file::path(dir, base);
        let (file, identity) = file::open(disk, &path, stream, base)?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        let end = size.saturating_sub(FOOTER).max(FILE_HEADER);
        let mut bytes = [0; FOOTER as usize];
        let read = file.read_at(&mut bytes, end).map_err(|e| Error::io("read", &path, e))?;
        match Footer::decode(&bytes[..read], identity, end) {
            Some(footer) => Ok(Self::new(path, identity, footer)),
            None => Err(Error::damaged(&path, end, "the footer does not check, and a further segment follows")),
        }
    }

    /// One of its indexes.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the page that does not check, and what the disk answered.
    pub(super) fn index(&self, disk: &dyn Disk, kind: IndexKind) -> Result<Finished, Error> {
        let fences = match kind {
            IndexKind::Offsets => &self.fences[0],
            IndexKind::Times => &self.fences[1],
        };
        Finished::open(disk, kind.path(&self.path), kind, self.identity, self.footer.entries, fences)
    }

    /// Checks every byte of the segment, makes both indexes from it, and puts those in place that differ from what is there. Answers
    /// their names.
    ///
    /// # Errors
    /// [`Error::Damaged`] for the segment, and what the disk answered.
    pub(super) fn rebuild(&self, disk: &dyn Disk) -> Result<Vec<PathBuf>, Error> {
        let Identity { stream, base, .. } = self.identity;
        let (file, found) = file::open(disk, &self.path, stream, base)?;
        if found != self.identity {
            return Err(Error::damaged(&self.path, 0, "another file has the name of the segment"));
        }
        let paths = IndexKind::BOTH.map(|kind| kind.path(&self.path));
        let [mut offsets, mut times] = [
            Index::create(disk, temporary(&paths[0]), IndexKind::Offsets, self.identity)?,
            Index::create(disk, temporary(&paths[1]), IndexKind::Times, self.identity)?,
        ];
        let mut tally = Tally::new(self.identity);
        let mut cursor = Cursor::new(file.as_ref(), &self.path, self.identity, FILE_HEADER, self.footer.end);
        while let Some(batch) = cursor.next(0)? {
            let times_of = batch.records.iter().map(|record| record.timestamp);
            if let Some(point) = tally.add(&batch.header, batch.whole, times_of) {
                offsets.push(point)?;
                times.push(point)?;
            }
        }
        if tally.footer != self.footer {
            return Err(Error::damaged(&self.path, self.footer.end, "the footer does not fit the batches"));
        }
        offsets.finish()?;
        times.finish()?;
        let mut replaced = Vec::new();
        for path in paths {
            let made = temporary(&path);
            if contents(disk, &path)? == contents(disk, &made)? {
                disk.remove(&made).map_err(|e| Error::io("remove", &made, e))?;
            } else {
                disk.rename(&made, &path).map_err(|e| Error::io("rename", &made, e))?;
                replaced.push(path);
            }
        }
        Ok(replaced)
    }
}

/// The bytes of an index; `None` where there is no such file.
fn contents(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", path, error)),
    };
    let size = file.size().map_err(|e| Error::io("measure", path, e))?;
    let mut bytes = vec![0; size as usize];
    let read = file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", path, e))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
