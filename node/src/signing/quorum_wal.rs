//! The consensus WAL of a member that signs for its cluster.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use pyralog_cluster_core::PartitionId;
use pyralog_cluster_core::cluster::{AppendError, Cluster};
use pyralog_cluster_core::member::Placed;
use pyralog_cluster_core::replication::Epoch;
use pyralog_consensus::engine::{SignMark, Ticket};
use pyralog_crypto::Record;
use pyralog_crypto::codec::Encode;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::record::{PART_BYTES, join_block};
use super::{Said, SignerRecord};
use crate::driver::{EngineHandle, LoopEvent};
use crate::error::{Error, Result};

type Appending = Pin<Box<dyn Future<Output = std::result::Result<Placed, AppendError>> + Send>>;

/// Appends to the signer's log in one epoch, and tells the engine in order what is durable. When something is not acknowledged in time, or another epoch has
/// begun, nothing more is told but that: whatever waits for it never leaves this node.
#[derive(Clone)]
pub struct QuorumWal {
    cluster: Cluster,
    partition: PartitionId,
    epoch: Epoch,
    number: u64,
    /// Of the last record.
    sequence: Arc<AtomicU64>,
    engine: EngineHandle,
    runtime: Handle,
    lost: Arc<AtomicBool>,
    appended: Option<UnboundedSender<(Option<Ticket>, Appending)>>,
}

impl QuorumWal {
    /// A WAL in an epoch that this member leads, behind the begin of this number. Called within a runtime.
    pub fn new(cluster: Cluster, partition: PartitionId, epoch: Epoch, number: u64, engine: EngineHandle) -> Self {
        Self {
            cluster,
            partition,
            epoch,
            number,
            sequence: Arc::default(),
            engine,
            runtime: Handle::current(),
            lost: Arc::default(),
            appended: None,
        }
    }

    /// The same for the engine of this generation.
    #[must_use]
    pub fn of(mut self, generation: u64) -> Self {
        let (sender, receiver) = unbounded_channel();
        self.runtime.spawn(tell(receiver, self.engine.clone(), generation, Arc::clone(&self.lost)));
        self.appended = Some(sender);
        self
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number that its records have.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether something may never be durable.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// It cannot be a record: the node stops. So for all that follow.
    pub fn entry(&self, ticket: Ticket, bytes: &Bytes) -> Result<()> {
        self.parts(bytes, Some(ticket), |last, part| Said::Entry { last, part })
    }

    /// Says that the entries so far are not needed.
    ///
    /// # Errors
    /// As [`QuorumWal::entry`].
    pub fn reset(&self, height: u64) -> Result<()> {
        self.append(Said::Reset { height }, None)
    }

    /// Raises the mark.
    ///
    /// # Errors
    /// As [`QuorumWal::entry`].
    pub fn mark(&self, ticket: Ticket, mark: &SignMark) -> Result<()> {
        self.append(Said::Mark(*mark), Some(ticket))
    }

    /// Keeps a decided block.
    ///
    /// # Errors
    /// As [`QuorumWal::entry`].
    pub fn block(&self, height: u64, block: &[u8], commit: &[u8]) -> Result<()> {
        let whole = join_block(height, block, commit);
        self.parts(&whole, None, |last, part| Said::Block { last, part })
    }

    fn parts(&self, whole: &Bytes, ticket: Option<Ticket>, part: impl Fn(bool, Bytes) -> Said) -> Result<()> {
        let mut begin = 0;
        loop {
            let end = whole.len().min(begin + PART_BYTES);
            let last = end == whole.len();
            self.append(part(last, whole.slice(begin..end)), ticket.filter(|_| last))?;
            if last {
                return Ok(());
            }
            begin = end;
        }
    }

    fn append(&self, what: Said, ticket: Option<Ticket>) -> Result<()> {
        if self.is_lost() {
            // The engine hears of it, and ends.
            return Ok(());
        }
        let record = what.of(self.number, self.sequence.fetch_add(1, Ordering::Relaxed) + 1);
        let appending = append(&self.cluster, self.partition, self.epoch, &record)?;
        if let Some(appended) = &self.appended {
            // Nobody listens where the epoch is lost; the engine has heard, and ends.
            let _lost = appended.send((ticket, Box::pin(appending)));
        }
        Ok(())
    }
}

/// Why a record of the signer's log is not acknowledged. What an appending client is told to do is no advice to a member that signs.
fn said_of(reason: &AppendError) -> String {
    match reason {
        AppendError::NoLeader => {
            "another member leads pyralog.signer from now on, or is about to; `pyralog cluster status` says who signs".to_owned()
        }
        AppendError::Unknown { wanted: 0, .. } => {
            "its lead of pyralog.signer has ended, and what it was about to sign stays here; `pyralog cluster status` says who signs"
                .to_owned()
        }
        AppendError::Unknown { copies, wanted } => format!(
            "{copies} of {wanted} members have stored what it was about to sign, which stays here: see which members are up (`pyralog cluster status`)"
        ),
        other => other.to_string(),
    }
}

/// Appends a record in an epoch.
///
/// # Errors
/// It cannot be a record.
pub(super) fn append(
    cluster: &Cluster,
    partition: PartitionId,
    epoch: Epoch,
    record: &SignerRecord,
) -> Result<impl Future<Output = std::result::Result<Placed, AppendError>> + Send + 'static> {
    let failed = |why: String| Error::Cluster(format!("a record of the signer's log: {why}"));
    let record = Record::new(0, None, record.to_bytes().into(), Vec::new()).map_err(|e| failed(e.to_string()))?;
    cluster.append_in(partition, epoch, &[record]).map_err(|e| failed(e.to_string()))
}

/// Tells the engine what is durable, in order.
async fn tell(
    mut appended: UnboundedReceiver<(Option<Ticket>, Appending)>,
    engine: EngineHandle,
    generation: u64,
    lost: Arc<AtomicBool>,
) {
    while let Some((ticket, appending)) = appended.recv().await {
        match (appending.await, ticket) {
            (Ok(_), Some(ticket)) => engine.send(LoopEvent::Durable(generation, ticket)),
            (Ok(_), None) => {}
            (Err(reason), _) => {
                tracing::warn!(reason = said_of(&reason), "this member signs no more for its cluster");
                lost.store(true, Ordering::Release);
                return engine.send(LoopEvent::Lost(generation));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_lease_gives_no_advice_about_records() {
        let unknown = |copies, wanted| AppendError::Unknown { copies, wanted };
        for reason in [AppendError::NoLeader, unknown(0, 0), unknown(1, 2)] {
            let said = said_of(&reason);
            assert!(said.contains("pyralog cluster status") && !said.contains("append"), "{said}");
        }
        assert!(said_of(&unknown(1, 2)).starts_with("1 of 2 members"));
        assert_eq!(said_of(&AppendError::Busy), AppendError::Busy.to_string());
    }
}
