//! A segment that never changes again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::Identity;
use super::cursor::{Cursor, Tally};
use super::file::{self, FILE_HEADER, FOOTER, Footer};
use super::index::{self, Index, IndexKind};
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::temporary;

/// A sealed segment. Its file is opened by whoever reads it, so that thousands of segments cost no file handles.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) footer: Footer,
}

impl Sealed {
    /// Opens a segment and checks header and footer. The records are checked when they are read.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, stream: u64, base: u64) -> Result<Self, Error> {
        let path = file::path(dir, base);
        let (file, identity) = file::open(disk, &path, stream, base)?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        let end = size.saturating_sub(FOOTER).max(FILE_HEADER);
        let mut bytes = [0; FOOTER as usize];
        let read = file.read_at(&mut bytes, end).map_err(|e| Error::io("read", &path, e))?;
        match Footer::decode(&bytes[..read], identity, end) {
            Some(footer) => Ok(Self { path, identity, footer }),
            None => Err(Error::damaged(&path, end, "the footer does not check, and a further segment follows")),
        }
    }

    /// Where to begin reading for the last batch whose key is below `bound`. An index that is missing or does not check is made again;
    /// where that fails too, the answer is the first batch, which is slow and right. `turn` lets one reader at a time do that.
    pub(super) fn start(&self, disk: &dyn Disk, turn: &Mutex<()>, kind: IndexKind, bound: u64) -> u64 {
        let look = || {
            let path = kind.path(&self.path);
            index::find(disk, path, kind, self.identity, self.footer.entries, bound)
        };
        let found = look().or_else(|reason| {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            tracing::warn!(%reason, "an index is made again from its segment");
            self.rebuild(disk).and_then(|_| look())
        });
        found.ok().flatten().unwrap_or(FILE_HEADER)
    }

    /// Checks every byte of the segment, makes both indexes from it, and puts those in place that differ from what is there. Answers
    /// their names.
    ///
    /// # Errors
    /// [`Error::Damaged`] for the segment, and what the disk answered.
    pub(super) fn rebuild(&self, disk: &dyn Disk) -> Result<Vec<PathBuf>, Error> {
        let paths = IndexKind::BOTH.map(|kind| kind.path(&self.path));
        let [mut offsets, mut times] = [
            Index::create(disk, temporary(&paths[0]), IndexKind::Offsets, self.identity)?,
            Index::create(disk, temporary(&paths[1]), IndexKind::Times, self.identity)?,
        ];
        let file = disk.open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
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

    pub(super) fn handle(&self, disk: &dyn Disk) -> Result<Arc<dyn File>, Error> {
        disk.open(&self.path).map_err(|e| Error::io("open", &self.path, e))
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
