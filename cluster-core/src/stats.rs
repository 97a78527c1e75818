//! What the store counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters and gauges of one core since it was opened. Counters only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Group commits.
    pub groups: u64,
    /// Requests made durable by them.
    pub durable: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Appends refused because the queue was full.
    pub refused_busy: u64,
    /// Leaves made durable.
    pub leaves: u64,
    /// Payload bytes of those leaves.
    pub leaf_bytes: u64,
    /// Records appended to other logs.
    pub records: u64,
    /// Bytes of those records.
    pub record_bytes: u64,
    /// WAL entries made durable.
    pub wal_entries: u64,
    /// Bytes of those entries.
    pub wal_bytes: u64,
    /// Blocks made durable.
    pub blocks: u64,
    /// Time the writer worked, syncs included.
    pub write_time: Duration,
    /// The longest group commit.
    pub write_time_max: Duration,
    /// Requests waiting now.
    pub queued: u64,
    /// Bytes of requests waiting now.
    pub queued_bytes: u64,
    /// Free bytes of the file system, where known.
    pub disk_free: Option<u64>,
    /// Whether the store has failed and refuses everything.
    pub failed_for_good: bool,
}

/// The live counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) durable: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused_busy: AtomicU64,
    pub(crate) leaves: AtomicU64,
    pub(crate) leaf_bytes: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) record_bytes: AtomicU64,
    pub(crate) wal_entries: AtomicU64,
    pub(crate) wal_bytes: AtomicU64,
    pub(crate) blocks: AtomicU64,
    write_nanos: AtomicU64,
    write_nanos_max: AtomicU64,
}

impl Counters {
    pub(crate) fn group(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.groups.fetch_add(1, Relaxed);
        self.write_nanos.fetch_add(nanos, Relaxed);
        self.write_nanos_max.fetch_max(nanos, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            groups: self.groups.load(Relaxed),
            durable: self.durable.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused_busy: self.refused_busy.load(Relaxed),
            leaves: self.leaves.load(Relaxed),
            leaf_bytes: self.leaf_bytes.load(Relaxed),
            records: self.records.load(Relaxed),
            record_bytes: self.record_bytes.load(Relaxed),
            wal_entries: self.wal_entries.load(Relaxed),
            wal_bytes: self.wal_bytes.load(Relaxed),
            blocks: self.blocks.load(Relaxed),
            write_time: Duration::from_nanos(self.write_nanos.load(Relaxed)),
            write_time_max: Duration::from_nanos(self.write_nanos_max.load(Relaxed)),
            ..Stats::default()
        }
    }
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Relaxed);
}

#[cfg(test)]
mod tests;
