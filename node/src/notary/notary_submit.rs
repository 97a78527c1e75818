//! Admission of leaves: bounds, append, and after durability a signed promise for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pyralog_cluster_core as core;
use pyralog_consensus::engine::SignerState;
use pyralog_crypto::{
    MAX_LEAF_BYTES, Promise, RangePromise, Roots, SignedPromise, SignedRangePromise, Signer, SignerError, leaf_hashes,
};

use super::NotaryLeaves;
use crate::backend::LogState;
use crate::config::NotaryConfig;
use crate::driver::Shared;

/// Durable leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Index of the first one; the others follow it.
    pub first: u64,
    /// Their leaf hashes, in their order.
    pub hashes: Vec<Roots>,
    /// Height by which they are promised to be anchored.
    pub anchor_by: u64,
}

/// Why a submission is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// This node takes no leaves.
    #[error("this node takes no leaves (notary.enabled = false)")]
    Disabled,
    /// Too few or too many leaves, or one of the wrong size.
    #[error("{0}")]
    Bad(String),
    /// Too much waits already.
    #[error("{0} leaves wait for the disk already")]
    Busy(usize),
    /// Too many leaves are promised and not anchored; nothing was taken.
    #[error(
        "{0} leaves wait for an anchor already (notary.max_unanchored_leaves): blocks stand still, or are slower than the submissions"
    )]
    Unanchored(u64),
    /// The node has just started; nothing was taken.
    #[error("the node has just started and compares its log with the chain")]
    NotYet,
    /// This log may not grow before somebody has seen to it; nothing was taken.
    #[error("{0}")]
    Closed(String),
    /// The members of the cluster that are up are too few, or have too much to do; nothing was taken.
    #[error("{0}")]
    NoQuorum(String),
    /// The log cannot grow now.
    #[error("{0}")]
    Unavailable(String),
}

impl Refused {
    /// What the store's refusal means for a submission.
    pub(super) fn of(error: core::Error) -> Self {
        match error {
            // How many wait is known to the admission.
            core::Error::Busy { .. } => Self::Busy(0),
            core::Error::Size { .. } => Self::Bad(error.to_string()),
            core::Error::DiskLow { .. } => Self::Closed(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Takes submissions for our notary log. One is shared by all requests.
pub struct Admission {
    leaves: Arc<NotaryLeaves>,
    signer: Arc<dyn Signer>,
    chain_id: String,
    config: NotaryConfig,
    shared: Arc<Shared>,
    pending: AtomicUsize,
}

/// Gives the places of a submission back, however it ends.
struct Places<'a>(&'a AtomicUsize, usize);

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

impl Admission {
    /// Admission to a log whose key is `signer`.
    pub fn new(
        leaves: Arc<NotaryLeaves>,
        signer: Arc<dyn Signer>,
        chain_id: &str,
        config: &NotaryConfig,
        shared: Arc<Shared>,
    ) -> Self {
        Self { leaves, signer, chain_id: chain_id.into(), config: config.clone(), shared, pending: AtomicUsize::new(0) }
    }

    /// Appends the leaves and waits until they are durable. Only then may they be promised.
    ///
    /// # Errors
    /// Why they were not taken. After [`Refused::Unavailable`] they may or may not be in the log.
    pub async fn submit(&self, leaves: Vec<Vec<u8>>) -> Result<Submission, Refused> {
        self.check(&leaves)?;
        let anchored = self.may_promise()?;
        let _places = self.reserve(leaves.len(), anchored)?;
        let hashes: Vec<Roots> = leaves.iter().map(|leaf| leaf_hashes(leaf)).collect();
        let started = Instant::now();
        let (first, size) = self.leaves.append(leaves).await.map_err(|refused| self.count(refused))?;
        self.shared.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
        self.shared.log_size.send_if_modified(|known| {
            let grew = size > *known;
            *known = size.max(*known);
            grew
        });
        self.shared.metrics.leaves.inc_by(hashes.len() as u64);
        self.shared.metrics.submissions.inc();
        let anchor_by = *self.shared.height.borrow() + self.config.anchor_within_blocks;
        Ok(Submission { first, hashes, anchor_by })
    }

    /// Nothing is appended that might contradict what was promised before. Tells how many leaves are anchored.
    fn may_promise(&self) -> Result<u64, Refused> {
        let live = self.shared.live();
        match (live.log, live.signer) {
            (LogState::Conflict(why) | LogState::Elsewhere(why), _) => Err(Refused::Closed(why)),
            (LogState::Unchecked, _) => Err(Refused::NotYet),
            // Also in the middle of its life, when it comes into the validator set.
            _ if live.watching => Err(Refused::NotYet),
            (LogState::Sound, signer @ SignerState::Suspended { .. }) => Err(Refused::Closed(format!(
                "this validator promises nothing while its signer does not sign: {signer}"
            ))),
            (LogState::Sound, _) => Ok(live.anchored),
        }
    }

    /// Whether these are leaves that this node takes, whatever else there is.
    ///
    /// # Errors
    /// [`Refused::Disabled`] and [`Refused::Bad`].
    pub fn check(&self, leaves: &[Vec<u8>]) -> Result<(), Refused> {
        if !self.config.enabled {
            return Err(Refused::Disabled);
        }
        let max = self.config.max_leaves.min(core::MAX_SUBMISSION_LEAVES);
        if leaves.is_empty() || leaves.len() > max {
            return Err(Refused::Bad(format!("a submission has 1 to {max} leaves, this one has {}", leaves.len())));
        }
        match leaves.iter().position(|leaf| leaf.is_empty() || leaf.len() > MAX_LEAF_BYTES) {
            Some(n) => {
                Err(Refused::Bad(format!("leaf {n} has {} bytes, 1 to {MAX_LEAF_BYTES} are allowed", leaves[n].len())))
            }
            None => Ok(()),
        }
    }

    fn reserve(&self, count: usize, anchored: u64) -> Result<Places<'_>, Refused> {
        let waiting = self.pending.fetch_add(count, Ordering::AcqRel);
        let places = Places(&self.pending, count);
        if waiting + count > self.config.max_pending_leaves {
            self.shared.metrics.leaves_refused.inc();
            return Err(Refused::Busy(waiting));
        }
        // Both sizes are kept up to date by others. A leaf that becomes durable at this moment counts twice at most.
        let unanchored = self.shared.log_size.borrow().saturating_sub(anchored).saturating_add(waiting as u64);
        if unanchored.saturating_add(count as u64) > self.config.max_unanchored_leaves {
            self.shared.metrics.leaves_refused.inc();
            return Err(Refused::Unanchored(unanchored));
        }
        Ok(places)
    }

    /// One promise per leaf.
    ///
    /// # Errors
    /// The log key cannot sign.
    pub fn promise_each(&self, of: &Submission) -> Result<Vec<SignedPromise>, Refused> {
        let log = self.leaves.log().id();
        let sign = |(index, leaf): (u64, &Roots)| {
            let promise = Promise { log, index, leaf: *leaf, anchor_by: of.anchor_by };
            SignedPromise::sign(promise, &self.chain_id, self.signer.as_ref())
        };
        (of.first..).zip(&of.hashes).map(sign).collect::<Result<_, _>>().map_err(unsigned)
    }

    /// One promise for all leaves: a signature per leaf is most of the cost of a large submission.
    ///
    /// # Errors
    /// The log key cannot sign.
    pub fn promise_range(&self, of: &Submission) -> Result<SignedRangePromise, Refused> {
        let promise = RangePromise {
            log: self.leaves.log().id(),
            first: of.first,
            count: of.hashes.len() as u64,
            roots: RangePromise::roots_of(&of.hashes),
            anchor_by: of.anchor_by,
        };
        SignedRangePromise::sign(promise, &self.chain_id, self.signer.as_ref()).map_err(unsigned)
    }

    fn count(&self, refused: Refused) -> Refused {
        if matches!(refused, Refused::Busy(_) | Refused::Closed(_) | Refused::NoQuorum(_)) {
            self.shared.metrics.leaves_refused.inc();
        }
        match refused {
            Refused::Busy(_) => Refused::Busy(self.pending.load(Ordering::Acquire)),
            other => other,
        }
    }
}

fn unsigned(error: SignerError) -> Refused {
    Refused::Unavailable(format!("the leaves are durable, but the log key cannot sign: {error}"))
}

#[cfg(test)]
#[path = "notary_submit_test.rs"]
mod tests;
