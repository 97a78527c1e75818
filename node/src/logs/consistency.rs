//! Proofs that a partition grew and that nothing of it changed.

use pyralog_cluster_core::{Error, Storage};
use pyralog_crypto::PartitionConsistency;

use super::read::of_incarnation;
use super::{LogError, RecordLogs};

/// Of what growth a proof is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Of which partition.
    pub partition: u32,
    /// Of which incarnation of the log, where only one will do.
    pub incarnation: Option<u64>,
    /// Size of the older checkpoint.
    pub old: u64,
    /// Size of the newer one.
    pub new: u64,
}

impl RecordLogs {
    /// A proof that the partition with `new` records continues that with `old` records.
    ///
    /// # Errors
    /// [`LogError::Replaced`]; [`LogError::Store`] with what the store answers: no such log or partition, no such sizes, no checkpoints (of a log
    /// in memory), damage.
    pub async fn consistency(&self, name: String, growth: Growth) -> Result<PartitionConsistency, LogError> {
        self.caught_up(&name).await;
        let known = self.incarnation_here(&name, growth.partition)?;
        let logs = self.logs.clone();
        self.work(move || {
            let log = logs.open_log(&name)?;
            of_incarnation(&log, known, growth.incarnation)?;
            if log.spec().storage == Storage::Memory {
                return Err(Error::NoCheckpoints { name: log.spec().name.to_string() }.into());
            }
            Ok(log.partition(growth.partition)?.prove_consistency(growth.old, growth.new)?)
        })
        .await
    }
}

#[cfg(test)]
#[path = "consistency_test.rs"]
mod tests;
