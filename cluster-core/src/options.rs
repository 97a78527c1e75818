//! What a core is opened with.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use pyralog_crypto::LogId;

use crate::chain::Tables;
use crate::disk::{Disk, RealDisk};
use crate::event::EventSink;

/// Tells how far a rebuild of derived data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The log whose trees are rebuilt.
    pub log: LogId,
    /// Leaves that the trees have.
    pub done: u64,
    /// Leaves in all.
    pub total: u64,
}

/// Settings of [`crate::Core::open`]. The defaults fit a validator.
#[derive(Clone)]
pub struct Options {
    /// Hears events without a completion of their own, and failures of the store itself. Default: nobody.
    pub events: EventSink,
    /// Hears how a rebuild at open goes on: every 65,536 leaves, and at its end. Default: nobody.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// A segment of a notary log is sealed and the next one begun when it reaches this many bytes. Default 64 MiB; opening reads at
    /// most one.
    pub segment_bytes: u64,
    /// Bytes of a journal file. When one is full, what it holds is synced elsewhere, and it is used again; a start after a crash
    /// replays two or three of them, up to eight where the disk could not keep up, and more where a partition cannot be used. Default 16 MiB.
    pub journal_bytes: u64,
    /// Bytes of leaves and records that may wait in the queue before [`crate::Error::Busy`]. Default 64 MiB.
    pub queue_bytes: u64,
    /// Bytes of leaves and records that one group commit takes from the queue at most; consensus never waits for more than this. Default
    /// 1 MiB, at most 8 MiB.
    pub group_bytes: u64,
    /// Appends are refused with [`crate::Error::DiskLow`] while the file system has fewer free bytes than this: what consensus writes must
    /// not hit a full disk, since that is fatal. Default 32 MiB; 0 is no reserve.
    pub reserve_bytes: u64,
    /// No writer thread: requests wait for [`crate::Core::drive`]. For simulators. Default off.
    pub manual: bool,
    /// Memory of RocksDB's block cache, in bytes. Default 8 MiB.
    pub table_cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events: Arc::new(|_| ()),
            progress: None,
            segment_bytes: 64 << 20,
            journal_bytes: 16 << 20,
            queue_bytes: 64 << 20,
            group_bytes: 1 << 20,
            reserve_bytes: 32 << 20,
            manual: false,
            table_cache_bytes: 8 << 20,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("journal_bytes", &self.journal_bytes)
            .field("queue_bytes", &self.queue_bytes)
            .field("group_bytes", &self.group_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("manual", &self.manual)
            .finish_non_exhaustive()
    }
}

/// Where a core keeps its bytes.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Journal, mark, segments, trees.
    pub disk: Arc<dyn Disk>,
    /// Chain, state, indexes; `None` is RocksDB in the directory `tables` of the home.
    pub tables: Option<Arc<dyn Tables>>,
}

impl Default for Backend {
    fn default() -> Self {
        Self { disk: Arc::new(RealDisk), tables: None }
    }
}

impl Backend {
    pub(crate) fn open_tables(&self, dir: &Path, options: &Options) -> Result<Arc<dyn Tables>, crate::Error> {
        match &self.tables {
            Some(tables) => Ok(Arc::clone(tables)),
            None => Ok(Arc::new(crate::chain::RocksTables::open(&dir.join("tables"), options.table_cache_bytes)?)),
        }
    }
}
