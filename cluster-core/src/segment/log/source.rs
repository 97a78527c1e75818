//! Where a reader of a stream goes on.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::RecordLog;
use super::super::active::Active;
use super::super::batch::Identity;
use super::super::cursor::Cursor;
use super::super::index::IndexKind;
use super::super::sealed::Sealed;
use super::SegmentLog;
use crate::Error;
use crate::disk::File;

/// Where to read on.
pub(super) struct Source {
    file: Arc<dyn File>,
    pub(super) path: PathBuf,
    identity: Identity,
    start: u64,
    pub(super) end: u64,
    /// Offset behind its last record.
    pub(super) next: u64,
}

impl SegmentLog {
    /// Where record `offset` stands, or, for `Times`, where the first one at or after a time may stand in the segment of `offset`.
    pub(super) fn source(&self, offset: u64, kind: IndexKind, bound: u64) -> Result<Source, Error> {
        loop {
            if let Some(source) = self.try_source(offset, kind, bound)? {
                return Ok(source);
            }
        }
    }

    /// The same; `None` where the segment was filled while it was opened.
    fn try_source(&self, offset: u64, kind: IndexKind, bound: u64) -> Result<Option<Source>, Error> {
        let view = self.view();
        let (first, next) = (view.first(), view.active.next());
        if offset < first || offset > next {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: offset });
        }
        let behind = view.sealed.partition_point(|segment| segment.footer.next <= offset);
        let Some(sealed) = view.sealed.get(behind).map(Arc::clone) else {
            let Active { file, path, identity, .. } = &view.active;
            let (start, footer) = (view.active.start(kind, bound), view.active.footer());
            let (file, path) = (Arc::clone(file), path.clone());
            let (identity, end, next) = (*identity, footer.end, footer.next);
            return Ok(Some(Source { file, path, identity, start, end, next }));
        };
        drop(view);
        let opened = self.recent.open(self.disk.as_ref(), &sealed);
        // The other file may have been opened under the same name. One that is still seen now was opened as it is.
        if self.view().newer(&sealed).is_some() {
            return Ok(None);
        }
        // Removed by a trim since it was looked up.
        let first = self.first_offset();
        if opened.is_err() && offset < first {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: offset });
        }
        let opened = opened?;
        let start = self.recent.start(self.disk.as_ref(), &opened, kind, bound);
        let Sealed { path, identity, footer, .. } = opened.segment.as_ref();
        let (file, path) = (Arc::clone(&opened.file), path.clone());
        let (identity, end, next) = (*identity, footer.end, footer.next);
        Ok(Some(Source { file, path, identity, start, end, next }))
    }
}

impl Source {
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.file.as_ref(), &self.path, self.identity, self.start, self.end)
    }
}
