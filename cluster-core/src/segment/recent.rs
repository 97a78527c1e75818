//! The sealed segment that was read last, open; all others cost no file handles.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::file::FILE_HEADER;
use super::index::{Finished, IndexKind};
use super::sealed::Sealed;
use crate::Error;
use crate::disk::{Disk, File};

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Recent {
    open: Mutex<Option<Arc<OpenSegment>>>,
    /// Whose turn it is to make an index again.
    rebuilds: Mutex<()>,
}

/// A sealed segment whose file is open, and its indexes where they were needed.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) segment: Arc<Sealed>,
    pub(super) file: Arc<dyn File>,
    offsets: OnceLock<Finished>,
    times: OnceLock<Finished>,
}

impl Recent {
    /// Opens a segment, unless it is open.
    pub(super) fn open(&self, disk: &dyn Disk, segment: &Arc<Sealed>) -> Result<Arc<OpenSegment>, Error> {
        let mut open = self.lock();
        if let Some(found) = open.as_ref().filter(|open| open.segment.identity == segment.identity) {
            return Ok(Arc::clone(found));
        }
        let file = disk.open(&segment.path).map_err(|e| Error::io("open", &segment.path, e))?;
        let (segment, offsets, times) = (Arc::clone(segment), OnceLock::new(), OnceLock::new());
        Ok(Arc::clone(open.insert(Arc::new(OpenSegment { segment, file, offsets, times }))))
    }

    /// Closes the segment if it is before record `first`, since it is removed then.
    pub(super) fn close_before(&self, first: u64) {
        self.lock().take_if(|open| open.segment.identity.base < first);
    }

    /// Closes the segment if it is this one, whose file another one has replaced.
    pub(super) fn close(&self, segment: &Sealed) {
        self.lock().take_if(|open| open.segment.identity == segment.identity);
    }

    /// Where to begin reading for the last batch whose key is below `bound`. An index that is missing or does not check is made again;
    /// where that fails too, the answer is the first batch, which is slow and right.
    pub(super) fn start(&self, disk: &dyn Disk, open: &OpenSegment, kind: IndexKind, bound: u64) -> u64 {
        let known = open.index(disk, kind).and_then(|index| index.find(bound));
        let found = known.or_else(|reason| {
            tracing::warn!(%reason, "an index is made again from its segment");
            self.rebuild(disk, &open.segment)?;
            open.segment.index(disk, kind)?.find(bound)
        });
        found.ok().flatten().unwrap_or(FILE_HEADER)
    }

    /// [`Sealed::rebuild`], one at a time.
    pub(super) fn rebuild(&self, disk: &dyn Disk, segment: &Sealed) -> Result<Vec<PathBuf>, Error> {
        let _turn = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = segment.rebuild(disk);
        // Who reads next sees the indexes that are there now.
        self.lock().take_if(|open| open.segment.identity == segment.identity);
        replaced
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<OpenSegment>>> {
        // Nothing in the locked sections panics.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSegment {
    fn index(&self, disk: &dyn Disk, kind: IndexKind) -> Result<&Finished, Error> {
        let index = match kind {
            IndexKind::Offsets => &self.offsets,
            IndexKind::Times => &self.times,
        };
        if let Some(index) = index.get() {
            return Ok(index);
        }
        let opened = self.segment.index(disk, kind)?;
        Ok(index.get_or_init(|| opened))
    }
}
