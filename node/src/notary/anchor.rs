//! Anchors: once per block for our log when it grew. An anchor that still waits is replaced when the log grows further, so that a
//! leaf gets into the next block that can hold it.

use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::NotaryLog;
use pyralog_consensus::engine::SignerState;
use pyralog_consensus::ledger::LogRecord;
use pyralog_consensus::tx::{AnchorTx, CompanionTx, TxError};
use pyralog_crypto::{Checkpoint, SignedCheckpoint, Signer};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::NotaryLeaves;
use crate::backend::LogState;
use crate::driver::{EngineHandle, Shared};
use crate::error::{Error, Result};
use crate::store::LedgerView;

/// How often a log is compared that is not known to be sound.
const UNCHECKED_PAUSE: Duration = Duration::from_millis(100);
/// In this time a member that leads the log has all records that there are.
const BROUGHT_TOGETHER: Duration = Duration::from_secs(60);

/// See the module.
pub struct AnchorDriver {
    log: NotaryLog,
    leaves: Arc<NotaryLeaves>,
    signer: Arc<dyn Signer>,
    chain_id: String,
    ledger: LedgerView,
    engine: EngineHandle,
    shared: Arc<Shared>,
    /// While an anchor waits it is replaced at most this often.
    pause: Duration,
    short: Short,
}

/// A log of the cluster that is shorter here than what is anchored.
#[derive(Default)]
struct Short {
    /// Since when, though this member should have all of it.
    since: Option<Instant>,
}

impl Short {
    /// Whether that is nothing to complain of: the cluster has the rest, and this member enters it as it comes. One that leads has all there is, as soon
    /// as it is brought together; the time for that does not begin before.
    fn is_excused(&mut self, short: bool, may_lag: impl FnOnce() -> bool, now: Instant) -> bool {
        if !short || may_lag() {
            self.since = None;
            return short;
        }
        now.duration_since(*self.since.get_or_insert(now)) < BROUGHT_TOGETHER
    }
}

/// What the ledger says of our log.
enum Registered {
    Yes(Box<LogRecord>),
    /// Or registered for another key.
    No(String),
}

impl AnchorDriver {
    /// A driver for one log; `interval` is that of blocks.
    pub fn new(
        leaves: Arc<NotaryLeaves>,
        signer: Arc<dyn Signer>,
        chain_id: &str,
        ledger: LedgerView,
        engine: EngineHandle,
        shared: Arc<Shared>,
        interval: Duration,
    ) -> Self {
        let pause = (interval / 6).clamp(Duration::from_millis(20), Duration::from_millis(200));
        Self {
            log: leaves.log().clone(),
            leaves,
            signer,
            chain_id: chain_id.into(),
            ledger,
            engine,
            shared,
            pause,
            short: Short::default(),
        }
    }

    /// Runs until the node stops.
    ///
    /// # Errors
    /// The storage failed: the node stops.
    pub async fn run(mut self) -> Result<()> {
        let (mut grown, mut height) = (self.shared.log_size.subscribe(), self.shared.height.subscribe());
        let mut next = Instant::now();
        let mut warned = false;
        let mut compared = None;
        loop {
            match self.registered()? {
                Registered::Yes(record) => {
                    warned = false;
                    // Before the log can be found sound: admission counts the leaves beyond it.
                    self.shared.anchored(record.size);
                    // Reading the roots of an old size costs; while the log is sound only a new anchor can change the answer.
                    if !self.is_sound() || compared != Some(record.size) {
                        self.compare(&record)?;
                        compared = Some(record.size);
                    }
                    let grew = self.log.size() > record.size && *height.borrow_and_update() > 0;
                    if self.is_sound() && grew && self.leaves.anchors_here() {
                        self.anchor(&record).await?;
                        next = Instant::now() + self.pause;
                    }
                }
                Registered::No(why) => {
                    self.all_is_known();
                    if self.log.size() > 0 && !warned {
                        warned = true;
                        tracing::error!("leaves cannot be anchored: {why}");
                    }
                }
            }
            let look_again = async {
                match self.is_sound() {
                    true => std::future::pending().await,
                    false => sleep(UNCHECKED_PAUSE).await,
                }
            };
            // After a block the anchor that waits is stale; after growth a larger one replaces it, but not at once.
            tokio::select! {
                () = look_again => {}
                changed = height.changed() => if changed.is_err() { return Ok(()) },
                changed = grown.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    tokio::select! {
                        () = sleep_until(next) => {}
                        changed = height.changed() => if changed.is_err() { return Ok(()) },
                    }
                }
            }
        }
    }

    fn is_sound(&self) -> bool {
        self.shared.live().log == LogState::Sound
    }

    /// Once the newest blocks are here, a log that holds all that they anchor is sound. A conflict shows earlier. A validator's engine waits for
    /// two thirds of the power at start and is not kept by mere claims of a height; outside the validator set peers' claims are all there is.
    fn all_is_known(&self) {
        let live = self.shared.live();
        let watching = match live.signer {
            SignerState::NoKey | SignerState::Following => live.catching_up || self.shared.claimants(0).is_empty(),
            _ => live.watching,
        };
        if live.log == LogState::Unchecked && !watching {
            self.shared.update(|live| live.log = LogState::Sound);
        }
    }

    /// Compares the log with its last anchor. While the process runs a log can only grow, so a sound one stays so, unless somebody else
    /// anchors with its key.
    fn compare(&mut self, record: &LogRecord) -> Result<()> {
        let size = self.log.size();
        let short = size < record.size && !self.leaves.is_alone();
        if self.short.is_excused(short, || self.leaves.may_lag(), Instant::now()) {
            return Ok(());
        }
        let why = if size < record.size {
            format!("the notary log has {size} leaves, and the chain has witnessed {}", record.size)
        } else if record.size > 0
            && self.log.roots(record.size).map_err(|e| Error::Storage(e.to_string()))? != record.roots
        {
            format!("the notary log holds other leaves than the {} that the chain has witnessed", record.size)
        } else {
            self.all_is_known();
            return Ok(());
        };
        let why = format!(
            "{why}: this home was restored from an older copy, or its log key is used elsewhere; it takes no leaves. Put back the \
             newest copy of the home, or submit to another node"
        );
        if self.shared.live().log != LogState::Conflict(why.clone()) {
            tracing::error!("{why}");
            self.shared.update(|live| live.log = LogState::Conflict(why));
        }
        Ok(())
    }

    fn registered(&self) -> Result<Registered> {
        let id = self.log.id();
        let record =
            self.ledger.open().and_then(|ledger| ledger.log(&id).map_err(|e| crate::chain::ReadError(e.to_string())));
        Ok(match record.map_err(|e| Error::Storage(e.to_string()))? {
            None => Registered::No(format!(
                "log {id} is not registered; register it with a RegisterLog transaction signed by this node's log key"
            )),
            Some(record) if record.owner != self.signer.public_key() => Registered::No(format!(
                "log {id} belongs to the key {}, which is not keys/log.key of this home",
                record.owner
            )),
            Some(record) => Registered::Yes(Box::new(record)),
        })
    }

    async fn anchor(&self, record: &LogRecord) -> Result<()> {
        // The size is recorded durably before anything is signed: the log can never again be taken for a shorter one.
        let (sender, receiver) = oneshot::channel();
        let answer = match self.log.checkpoint_to_sign(move |checkpoint| drop(sender.send(checkpoint))) {
            Err(error) => Err(error),
            Ok(_) => match receiver.await {
                Ok(answer) => answer,
                // The store is closing.
                Err(_) => return Ok(()),
            },
        };
        let checkpoint = match answer {
            Ok(checkpoint) => checkpoint,
            Err(error) if error.is_fatal() => return Err(Error::Storage(error.to_string())),
            Err(error) => {
                tracing::error!(%error, "no checkpoint of the notary log");
                return Ok(());
            }
        };
        if checkpoint.size <= record.size {
            return Ok(());
        }
        let bundle = self.bundle(record.size, checkpoint)?;
        match self.engine.submit_own(bundle).await {
            Ok(_) => {
                self.shared.metrics.anchors.inc();
                tracing::debug!(size = checkpoint.size, "anchor submitted");
            }
            // A block came in between, or the same size waits already: the next round sees to it.
            Err(
                TxError::Duplicate
                | TxError::AnchorSuperseded { .. }
                | TxError::CompanionMismatch { .. }
                | TxError::AnchorNotNewer { .. }
                | TxError::Unavailable { .. },
            ) => {}
            Err(error) => tracing::warn!(%error, size = checkpoint.size, "an anchor was refused"),
        }
        Ok(())
    }

    fn bundle(&self, anchored: u64, checkpoint: Checkpoint) -> Result<Vec<bytes::Bytes>> {
        let storage = |e: pyralog_cluster_core::Error| Error::Storage(e.to_string());
        let proofs = self.log.consistency(anchored, checkpoint.size).map_err(storage)?;
        let signed = SignedCheckpoint::sign(checkpoint, &self.chain_id, self.signer.as_ref())
            .map_err(|e| Error::Consensus(format!("the log key cannot sign: {e}")))?;
        let companion = CompanionTx::new(self.log.id(), proofs.blake3, proofs.sha256);
        Ok(vec![AnchorTx { checkpoint: signed }.to_bytes().into(), companion.to_bytes().into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_syncing_is_excused_and_its_time_begins_when_it_should_have_all() {
        let (mut short, begin) = (Short::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert!(!short.is_excused(false, || panic!("it does not matter"), begin));
        assert!(short.is_excused(true, || true, begin));
        assert!(short.is_excused(true, || true, at(600)), "it takes as long as it takes");
        assert!(short.is_excused(true, || false, at(601)), "it has just begun to lead");
        assert!(short.is_excused(true, || false, at(660)));
        assert!(!short.is_excused(true, || false, at(661)));
        assert!(!short.is_excused(false, || false, at(662)) && short.is_excused(true, || false, at(700)));
    }
}
