//! Receipts: from a leaf of our log to the validators that witnessed its anchor, built on request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyralog_cluster_core::NotaryLog;
use pyralog_consensus::block::{ValidatorSet, tx_hash};
use pyralog_consensus::ledger::state_key;
use pyralog_consensus::light::{LightBlock, ValidatorEntry, Validators};
use pyralog_consensus::receipt::{AttestedHeader, MAX_BRIDGE, ProofParts, Refresh, ServedProof, attest};
use pyralog_consensus::tx::Envelope;
use pyralog_crypto::{InclusionProof, LogId, MemoryTree, Sha256, SignedCheckpoint};
use tokio::time::timeout;

use super::NotaryLeaves;
use crate::backend::LogState;
use crate::chain::{BlockRecord, ChainReader};
use crate::driver::{Shared, lock};
use crate::store::{AnchorPlace, CoreChain, Indexes, LedgerView};

/// Anchored blocks kept ready: receipts are mostly asked for right after their block.
const PREPARED: usize = 64;

/// What is known of a leaf's receipt.
#[derive(Debug)]
pub enum ReceiptState {
    /// A block anchors it.
    Ready(Box<ServedProof>),
    /// The leaf is durable here and no block anchors it yet.
    Pending,
    /// There is no such leaf here.
    Unknown(String),
    /// The log contradicts what the chain has witnessed of it, and no receipt of this leaf can be built; says why.
    Conflict(String),
    /// Other members of the cluster store the log, and this one cannot build the receipt.
    Elsewhere,
    /// This member's copy of the log does not go so far yet; those of others may.
    Lagging,
}

/// The parts of a block that all receipts under one anchor share.
struct Prepared {
    header: tendermint::block::Header,
    commit: tendermint::block::Commit,
    validators: Validators,
    checkpoint: SignedCheckpoint,
    anchor: InclusionProof,
    bridge: Vec<AttestedHeader>,
}

/// Builds receipts for the leaves of our log, and refreshes for any height.
pub struct NotaryReceipts {
    log: NotaryLog,
    leaves: Arc<NotaryLeaves>,
    chain: CoreChain,
    indexes: Indexes,
    ledger: LedgerView,
    shared: Arc<Shared>,
    prepared: Mutex<BTreeMap<(u64, u32), Arc<Prepared>>>,
}

impl NotaryReceipts {
    /// A builder over a log and a chain.
    pub fn new(leaves: Arc<NotaryLeaves>, chain: CoreChain, ledger: LedgerView, shared: Arc<Shared>) -> Self {
        let indexes = chain.indexes();
        Self { log: leaves.log().clone(), leaves, chain, indexes, ledger, shared, prepared: Mutex::default() }
    }

    /// The receipt of leaf `index` of `log`, waiting up to `wait` for its block.
    ///
    /// # Errors
    /// The storage failed, or holds what does not fit together.
    pub async fn receipt(&self, log: Option<LogId>, index: u64, wait: Duration) -> Result<ReceiptState, String> {
        let own = self.log.id();
        if let Some(other) = log.filter(|log| *log != own) {
            return Ok(ReceiptState::Unknown(format!(
                "this node holds the leaves of log {own} only, not those of {other}"
            )));
        }
        let state = self.shared.live().log;
        match state.clone() {
            LogState::Conflict(why) => return self.unless_other(index, why),
            // It may have stored it before.
            LogState::Elsewhere(why) => {
                return Ok(match self.unless_other(index, why)? {
                    ReceiptState::Conflict(_) => ReceiptState::Elsewhere,
                    held => held,
                });
            }
            LogState::Unchecked | LogState::Sound => {}
        }
        if !self.leaves.reaches(index, wait).await {
            if self.leaves.lags() {
                return Ok(ReceiptState::Lagging);
            }
            let size = self.log.size();
            return Ok(ReceiptState::Unknown(format!("log {own} has {size} leaves; there is no leaf {index}")));
        }
        match self.covering(index, wait).await? {
            None => Ok(ReceiptState::Pending),
            // This member's copy does not go as far as what another one has anchored.
            Some(place) if place.size > self.log.size() && self.leaves.may_lag() => Ok(ReceiptState::Lagging),
            Some(_) if state == LogState::Unchecked => {
                self.unless_other(index, "the notary log does not hold what the chain has witnessed of it".into())
            }
            Some(place) => self.build(place, index).map(|proof| ReceiptState::Ready(Box::new(proof))),
        }
    }

    /// Whether a block that is here anchors leaf `index` of our log, waiting up to `wait` for one.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn anchored(&self, index: u64, wait: Duration) -> Result<bool, String> {
        Ok(self.covering(index, wait).await?.is_some())
    }

    async fn covering(&self, index: u64, wait: Duration) -> Result<Option<AnchorPlace>, String> {
        let own = self.log.id();
        let mut height = self.shared.height.subscribe();
        let covered = async {
            loop {
                height.mark_unchanged();
                match self.indexes.covering(&own, index) {
                    Ok(Some(place)) => return Ok(Some(place)),
                    Err(error) => return Err(error.to_string()),
                    Ok(None) if height.changed().await.is_err() => return Ok(None),
                    Ok(None) => {}
                }
            }
        };
        timeout(wait, covered).await.unwrap_or(Ok(None))
    }

    /// A log that is no copy of what the chain has witnessed can still prove a leaf under an anchor that it agrees with, and no other.
    fn unless_other(&self, index: u64, why: String) -> Result<ReceiptState, String> {
        let own = self.log.id();
        let places = self.indexes.covering(&own, index).map_err(|e| e.to_string())?;
        let Some(place) = places.filter(|place| index < self.log.size() && place.size <= self.log.size()) else {
            return Ok(ReceiptState::Conflict(why));
        };
        let witnessed = self.prepare(place)?.checkpoint.checkpoint.roots;
        let held = self.log.roots(place.size).map_err(|e| e.to_string())?;
        if held != witnessed {
            return Ok(ReceiptState::Conflict(why));
        }
        self.build(place, index).map(|proof| ReceiptState::Ready(Box::new(proof)))
    }

    fn build(&self, place: AnchorPlace, index: u64) -> Result<ServedProof, String> {
        let prepared = self.prepare(place)?;
        let leaf = self.log.inclusion(index, place.size).map_err(|e| e.to_string())?;
        let parts = ProofParts {
            header: &prepared.header,
            commit: &prepared.commit,
            validators: &prepared.validators,
            checkpoint: &prepared.checkpoint,
            anchor: &prepared.anchor,
            leaf_blake3: leaf.blake3,
            leaf_sha256: leaf.sha256,
            bridge: prepared.bridge.clone(),
        };
        parts.build().map_err(|e| e.to_string())
    }

    fn prepare(&self, place: AnchorPlace) -> Result<Arc<Prepared>, String> {
        let key = (place.height, place.tx);
        if let Some(prepared) = lock(&self.prepared).get(&key) {
            return Ok(Arc::clone(prepared));
        }
        let record = self.record(place.height)?;
        let bytes = record.txs().get(place.tx as usize).ok_or("the anchor index points outside its block")?;
        let Ok(Envelope::Anchor(anchor)) = Envelope::decode(bytes) else {
            return Err("the anchor index points at another transaction".into());
        };
        let mut tree = MemoryTree::<Sha256>::new();
        for tx in record.txs() {
            tree.push(&tx_hash(tx).0);
        }
        let prepared = Arc::new(Prepared {
            header: record.block.header.clone(),
            commit: record.commit.clone(),
            validators: validators(&record.meta.validators),
            checkpoint: anchor.checkpoint,
            anchor: tree.inclusion(u64::from(place.tx)).map_err(|e| e.to_string())?,
            bridge: self.bridge(1, place.height)?,
        });
        let mut all = lock(&self.prepared);
        all.insert(key, Arc::clone(&prepared));
        while all.len() > PREPARED {
            all.pop_first();
        }
        Ok(prepared)
    }

    /// The headers from height `after` to below `before` that change the validator set.
    fn bridge(&self, after: u64, before: u64) -> Result<Vec<AttestedHeader>, String> {
        let heights = self.indexes.set_changes(after, before, MAX_BRIDGE + 1).map_err(|e| e.to_string())?;
        if heights.len() > MAX_BRIDGE {
            return Err(format!(
                "more than {MAX_BRIDGE} changes of the validator set lie between; refresh the receipt, or trust a later header"
            ));
        }
        heights.into_iter().map(|height| self.attest(&*self.record(height)?)).collect()
    }

    fn attest(&self, record: &BlockRecord) -> Result<AttestedHeader, String> {
        attest(&record.block.header, &record.commit, &validators(&record.meta.validators)).map_err(|e| e.to_string())
    }

    /// Re-anchors the header of `height` under the newest block.
    ///
    /// # Errors
    /// There is no later block whose state is kept, or the storage failed.
    pub fn refresh(&self, height: u64) -> Result<Refresh, String> {
        // The header of block H commits to the state after H - 1.
        let (size, state_proof, header_log) = self.ledger.consistent(|ledger| {
            let size = ledger.height().checked_sub(1).filter(|size| *size >= height && height > 0);
            let size = size.ok_or_else(|| {
                format!("height {height} can be refreshed when block {} is there", height.saturating_add(2))
            })?;
            let proof = ledger.prove(state_key::HEADERS, size).map_err(|e| e.to_string())?;
            Ok((size, proof, ledger.prove_header(height, size).map_err(|e| e.to_string())?))
        })?;
        let block = self.attest(&*self.record(size + 1)?)?;
        Ok(Refresh::new(&header_log, &state_proof, self.bridge(height + 1, size + 1)?, block))
    }

    /// What a light client needs of a height.
    ///
    /// # Errors
    /// The storage failed, or holds what does not fit together.
    pub fn light_block(&self, height: u64) -> Result<LightBlock, String> {
        let record = self.record(height)?;
        let state = self.chain.state();
        let next = if height == state.height {
            validators(&state.validators)
        } else {
            validators(&self.record(height + 1)?.meta.validators)
        };
        LightBlock::from_tendermint(&record.block.header, &record.commit, validators(&record.meta.validators), next)
            .map_err(|e| e.to_string())
    }

    /// The indexes beside the state.
    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    fn record(&self, height: u64) -> Result<Arc<BlockRecord>, String> {
        let record = self.chain.block(height).map_err(|e| e.to_string())?;
        record.ok_or_else(|| format!("block {height} is not there; the last one is {}", self.chain.height()))
    }
}

/// A set as receipts and light blocks carry it: the order is the same, priorities are left out.
fn validators(set: &ValidatorSet) -> Validators {
    let entries = set.validators().iter();
    Validators(entries.map(|v| ValidatorEntry { public_key: v.public_key, power: v.power }).collect())
}
