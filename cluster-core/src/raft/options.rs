//! How the groups of a member behave.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use super::{GroupError, MAX_APPEND_ENTRIES, MAX_CHUNK_BYTES};

/// How partitions are spread over epoch shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochShards {
    /// So many groups; the partition's id modulo this number is its shard. 1 serves a thousand partitions.
    Shared(u64),
    /// One group for each partition. Every group has heartbeats of its own, so a thousand of them cost a good part of a core.
    PerPartition,
}

/// How the groups of a member behave. All members of a cluster need the same.
#[derive(Debug, Clone)]
pub struct RaftOptions {
    /// How often a leader is heard of. It is also the time that a follower has to store what it is sent, so it must be above what a slow disk needs
    /// for one sync: default 100 ms.
    pub heartbeat: Duration,
    /// A member that hears nothing of a leader asks for votes after a lease of the longest of these times, and a time between both, which it draws when
    /// it starts. Default 300 to 600 ms.
    pub election: (Duration, Duration),
    /// A snapshot is made after so many entries: default 5000.
    pub snapshot_every: u64,
    /// So many entries that are in a snapshot stay in the log, for followers that are a little behind: default 1000.
    pub keep: u64,
    /// Bytes of a snapshot that are sent at once: default 1 MiB.
    pub chunk_bytes: usize,
    /// The time that one chunk of a snapshot may take: default 10 s.
    pub snapshot_timeout: Duration,
    /// The time after which a question to a group is given up: default 10 s.
    pub patience: Duration,
    /// How partitions are spread over epoch shards: default one shard.
    pub epoch_shards: EpochShards,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election: (Duration::from_millis(300), Duration::from_millis(600)),
            snapshot_every: 5000,
            keep: 1000,
            chunk_bytes: 1 << 20,
            snapshot_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(10),
            epoch_shards: EpochShards::Shared(1),
        }
    }
}

impl RaftOptions {
    /// What openraft is told about a group.
    pub(super) fn config(&self, group: u64) -> Result<Arc<Config>, GroupError> {
        let refused = |why: String| GroupError::Options(why);
        if self.chunk_bytes == 0 || self.chunk_bytes > MAX_CHUNK_BYTES {
            return Err(refused(format!("chunk_bytes is {}: choose 1 to {MAX_CHUNK_BYTES}", self.chunk_bytes)));
        }
        if self.epoch_shards == EpochShards::Shared(0) {
            return Err(refused("epoch_shards is 0: choose 1 or more".to_owned()));
        }
        if self.snapshot_every == 0 {
            return Err(refused("snapshot_every is 0: choose 1 or more".to_owned()));
        }
        // Thousands of years are as good as for ever.
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            cluster_name: format!("group {group}"),
            heartbeat_interval: ms(self.heartbeat).max(1),
            election_timeout_min: ms(self.election.0),
            election_timeout_max: ms(self.election.1),
            install_snapshot_timeout: ms(self.snapshot_timeout).max(1),
            max_payload_entries: MAX_APPEND_ENTRIES as u64,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.keep,
            // A follower whose entries are still there is served from the log.
            replication_lag_threshold: self.snapshot_every.saturating_add(self.keep),
            snapshot_max_chunk_size: self.chunk_bytes as u64,
            ..Config::default()
        };
        config.validate().map(Arc::new).map_err(|e| refused(e.to_string()))
    }
}
