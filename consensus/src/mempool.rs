//! The mempool: transactions that passed the check and wait for a block. Sans-IO, bounded, deterministic.
//!
//! It holds *bundles*: one signed transaction, or an anchor with its companion. Anchors stand first in a block and replace
//! each other per log. Signed transactions follow by fee per byte, then by arrival, and never before a lower nonce of one
//! of their signers.

mod look;
mod order;
mod recent;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use pyralog_crypto::{Address, Hash, LogId};

use crate::{
    application::{BundleCheck, CheckedTx, TxSource},
    tx::{Authority, Envelope, TxError, tx_hash},
};

use recent::Recent;
pub use recent::TxStatus;

/// After this many blocks the first transaction of every signer is checked again, whether it was touched or not.
const RECHECK_EVERY: u64 = 16;

/// Bounds of a mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Sum of all sizes.
    pub max_bytes: usize,
    /// Bundles.
    pub max_count: usize,
    /// Bundles of one signer.
    pub max_per_signer: usize,
    /// Work of one proposal: a bundle counts once for each signer or each 256 bytes begun, whichever is more; anchors get half of
    /// it at most. Others execute what we propose before they can vote for it, on machines slower than ours.
    pub max_proposal_work: usize,
    /// Transactions whose fate is remembered.
    pub max_recent: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_count: 50_000,
            max_per_signer: 4_096,
            max_proposal_work: 2_000,
            max_recent: 1 << 16,
        }
    }
}

/// The mempool.
#[derive(Debug, Default)]
pub struct Mempool {
    limits: MempoolLimits,
    arrivals: u64,
    bytes: usize,
    /// By number of arrival.
    bundles: BTreeMap<u64, Bundle>,
    by_hash: BTreeMap<Hash, u64>,
    by_signer: BTreeMap<Address, Queue>,
    by_log: BTreeMap<LogId, u64>,
    by_expiry: BTreeSet<(u64, u64)>,
    /// Signed ones: worst first.
    by_rate: BTreeSet<(u64, Reverse<u64>)>,
    recent: Recent,
}

/// What waits of one signer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queue {
    /// The nonce that is next in the committed state.
    next: u64,
    /// By nonce.
    waiting: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Bundle {
    txs: Vec<Bytes>,
    checked: Vec<CheckedTx>,
    size: usize,
    /// Fee in 1/1000 upyra per byte.
    rate: u64,
}

impl Bundle {
    fn new(txs: Vec<Bytes>, checked: Vec<CheckedTx>) -> Self {
        let size: usize = txs.iter().map(Bytes::len).sum();
        let fee: u128 = checked.iter().map(|c| u128::from(c.fee)).sum();
        let rate = u64::try_from(fee * 1000 / (size.max(1) as u128)).unwrap_or(u64::MAX);
        Self { txs, checked, size, rate }
    }

    fn signers(&self) -> impl Iterator<Item = (Address, u64)> + '_ {
        self.checked.iter().flat_map(|c| c.signers.iter().copied())
    }

    fn anchor(&self) -> Option<(LogId, u64)> {
        self.checked.iter().find_map(|c| c.anchor)
    }

    /// See [`MempoolLimits::max_proposal_work`].
    fn work(&self) -> usize {
        self.signers().count().max(self.size.div_ceil(256))
    }

    fn fee(&self) -> u128 {
        self.checked.iter().map(|c| u128::from(c.fee)).sum()
    }

    fn expiry(&self) -> u64 {
        self.checked.iter().map(|c| c.expiry_height).min().unwrap_or(u64::MAX)
    }
}

impl Mempool {
    /// An empty mempool.
    pub fn new(limits: MempoolLimits) -> Self {
        Self { limits, recent: Recent::new(limits.max_recent), ..Self::default() }
    }

    /// Sum of the sizes of all transactions, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Count of transactions; a pair of anchor and companion counts as two.
    pub fn transactions(&self) -> usize {
        self.by_hash.len()
    }

    /// What became of a transaction, as far as this mempool remembers.
    pub fn status(&self, hash: &Hash) -> TxStatus {
        if self.by_hash.contains_key(hash) { TxStatus::Pending } else { self.recent.status(hash) }
    }

    fn insert(&mut self, bundle: Bundle) {
        let id = self.arrivals;
        self.arrivals += 1;
        self.bytes += bundle.size;
        for checked in &bundle.checked {
            self.by_hash.insert(checked.hash, id);
        }
        for checked in &bundle.checked {
            for (i, (signer, nonce)) in checked.signers.iter().enumerate() {
                let queue = self.by_signer.entry(*signer).or_default();
                queue.waiting.insert(*nonce, id);
                queue.next = queue.next.max(checked.next_nonces.get(i).copied().unwrap_or(0));
            }
        }
        match bundle.anchor() {
            Some((log, _)) => {
                self.by_log.insert(log, id);
            }
            None => {
                self.by_rate.insert((bundle.rate, Reverse(id)));
            }
        }
        self.by_expiry.insert((bundle.expiry(), id));
        self.bundles.insert(id, bundle);
    }

    fn remove(&mut self, id: u64) -> Option<Bundle> {
        let bundle = self.bundles.remove(&id)?;
        self.bytes -= bundle.size;
        for checked in &bundle.checked {
            self.by_hash.remove(&checked.hash);
        }
        for (signer, nonce) in bundle.signers() {
            if let Some(queue) = self.by_signer.get_mut(&signer) {
                queue.waiting.remove(&nonce);
                if queue.waiting.is_empty() {
                    self.by_signer.remove(&signer);
                }
            }
        }
        if let Some((log, _)) = bundle.anchor() {
            self.by_log.remove(&log);
        }
        self.by_rate.remove(&(bundle.rate, Reverse(id)));
        self.by_expiry.remove(&(bundle.expiry(), id));
        Some(bundle)
    }

    fn drop_bundle(&mut self, id: u64, reason: &TxError) {
        if let Some(bundle) = self.remove(id) {
            for checked in &bundle.checked {
                self.recent.note(checked.hash, TxStatus::Dropped { reason: reason.clone() });
            }
        }
    }

    /// What the new bundle replaces, or why it must not.
    fn replaced(&self, new: &Bundle) -> Result<BTreeSet<u64>, TxError> {
        let mut replaced = BTreeSet::new();
        if let Some((log, size)) = new.anchor()
            && let Some(id) = self.by_log.get(&log)
        {
            let waiting = self.bundles.get(id).and_then(Bundle::anchor).map_or(0, |(_, size)| size);
            if waiting >= size {
                return Err(TxError::AnchorSuperseded { log, size: waiting });
            }
            replaced.insert(*id);
        }
        for (signer, nonce) in new.signers() {
            let Some(queue) = self.by_signer.get(&signer) else { continue };
            if let Some(id) = queue.waiting.get(&nonce) {
                replaced.insert(*id);
            } else if queue.waiting.len() >= self.limits.max_per_signer {
                return Err(TxError::TooManyPending { signer, max: self.limits.max_per_signer });
            }
        }
        let fees: u128 = replaced.iter().filter_map(|id| self.bundles.get(id)).map(Bundle::fee).sum();
        let required = fees + fees / 10 + 1;
        match new.signers().next() {
            // A tenth more, so that replacing costs something each time.
            Some((signer, nonce)) if !replaced.is_empty() && new.fee() < required => {
                let required = u64::try_from(required).unwrap_or(u64::MAX);
                Err(TxError::NonceTaken { signer, nonce, required })
            }
            _ => Ok(replaced),
        }
    }

    /// Whom to push out so that `new` fits, given what it replaces anyway: those who pay less per byte, with everything
    /// that waits behind them.
    fn pushed_out(&self, new: &Bundle, replaced: &BTreeSet<u64>) -> Result<BTreeSet<u64>, TxError> {
        let freed =
            |ids: &BTreeSet<u64>| ids.iter().filter_map(|id| self.bundles.get(id)).map(|b| b.size).sum::<usize>();
        let mut gone = replaced.clone();
        let mut worst = self.by_rate.iter();
        let fits = |gone: &BTreeSet<u64>| {
            self.bytes + new.size <= self.limits.max_bytes + freed(gone)
                && self.bundles.len() < self.limits.max_count + gone.len()
        };
        while !fits(&gone) {
            let Some((rate, Reverse(id))) = worst.next() else { return Err(TxError::MempoolFull) };
            if new.anchor().is_none() && *rate >= new.rate {
                return Err(TxError::MempoolFull);
            }
            self.with_followers(*id, &mut gone);
        }
        // It must not push out what it waits for.
        let own = new.signers().any(|(signer, nonce)| {
            let queue = self.by_signer.get(&signer);
            queue.is_some_and(|queue| queue.waiting.range(..nonce).any(|(_, id)| gone.contains(id)))
        });
        if own { Err(TxError::MempoolFull) } else { Ok(gone) }
    }

    /// Adds a bundle and all that cannot be in a block without it.
    fn with_followers(&self, id: u64, gone: &mut BTreeSet<u64>) {
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let Some(bundle) = self.bundles.get(&id) else { continue };
            if !gone.insert(id) {
                continue;
            }
            for (signer, nonce) in bundle.signers() {
                if let Some(queue) = self.by_signer.get(&signer) {
                    todo.extend(queue.waiting.range(nonce.saturating_add(1)..).map(|(_, id)| *id));
                }
            }
        }
    }

    /// Checks the first transaction of a signer again, and the next one where it fails.
    fn recheck_signer(&mut self, signer: &Address, check: BundleCheck<'_>) {
        while let Some(id) =
            self.by_signer.get(signer).and_then(|queue| queue.waiting.first_key_value()).map(|(_, id)| *id)
        {
            let Some(bundle) = self.bundles.get(&id) else { return };
            match check(&bundle.txs) {
                Ok(_) => return,
                // The node cannot tell: keep what it has.
                Err(TxError::Unavailable { .. }) => return,
                Err(reason) => self.drop_bundle(id, &reason),
            }
        }
    }

    fn recheck_anchors(&mut self, check: BundleCheck<'_>) {
        let ids: Vec<u64> = self.by_log.values().copied().collect();
        for id in ids {
            let Some(bundle) = self.bundles.get(&id) else { continue };
            match check(&bundle.txs) {
                Ok(_) | Err(TxError::Unavailable { .. }) => {}
                Err(reason) => self.drop_bundle(id, &reason),
            }
        }
    }
}

impl TxSource for Mempool {
    fn submit(&mut self, _height: u64, bundle: Vec<Bytes>, check: BundleCheck<'_>) -> Result<Vec<CheckedTx>, TxError> {
        if !(1..=2).contains(&bundle.len()) {
            return Err(TxError::BundleShape { count: bundle.len() });
        }
        // Before the check, which verifies signatures: most copies of a transaction arrive by gossip.
        let first = tx_hash(&bundle[0]);
        if self.by_hash.contains_key(&first) || matches!(self.recent.status(&first), TxStatus::Committed { .. }) {
            return Err(TxError::Duplicate);
        }
        let checked = check(&bundle)?;
        let new = Bundle::new(bundle, checked.clone());
        let replaced = self.replaced(&new)?;
        let gone = self.pushed_out(&new, &replaced)?;
        for id in gone {
            let reason = match (replaced.contains(&id), new.anchor(), new.signers().next()) {
                (true, Some((log, size)), _) => TxError::AnchorSuperseded { log, size },
                (true, None, Some((signer, nonce))) => {
                    let required = u64::try_from(new.fee() + 1).unwrap_or(u64::MAX);
                    TxError::NonceTaken { signer, nonce, required }
                }
                _ => TxError::MempoolFull,
            };
            self.drop_bundle(id, &reason);
        }
        self.insert(new);
        Ok(checked)
    }

    fn candidates(&mut self, max_bytes: u64) -> Vec<Bytes> {
        self.choose(max_bytes)
    }

    fn committed(&mut self, height: u64, txs: &[Bytes], check: BundleCheck<'_>) {
        let mut used: BTreeMap<Address, u64> = BTreeMap::new();
        for (index, tx) in txs.iter().enumerate() {
            let hash = tx_hash(tx);
            let signers: Vec<(Address, u64)> = match self.by_hash.get(&hash).copied().and_then(|id| self.remove(id)) {
                Some(bundle) => bundle.signers().collect(),
                None => signers_of(tx),
            };
            for (signer, nonce) in signers {
                let highest = used.entry(signer).or_insert(nonce);
                *highest = nonce.max(*highest);
            }
            self.recent.note(hash, TxStatus::Committed { height, index: index as u32 });
        }
        let next = height.saturating_add(1);
        while let Some((expiry, id)) = self.by_expiry.first().copied().filter(|(expiry, _)| *expiry < next) {
            self.drop_bundle(id, &TxError::Expired { expiry, height: next });
        }
        for (signer, nonce) in &used {
            let Some(queue) = self.by_signer.get_mut(signer) else { continue };
            queue.next = queue.next.max(nonce.saturating_add(1));
            let stale: Vec<u64> = queue.waiting.range(..=*nonce).map(|(_, id)| *id).collect();
            for id in stale {
                let got = *nonce;
                let reason = TxError::NonceReplayed { signer: *signer, expected: nonce.saturating_add(1), got };
                self.drop_bundle(id, &reason);
            }
        }
        if height.is_multiple_of(RECHECK_EVERY) {
            used.extend(self.by_signer.keys().map(|signer| (*signer, 0)));
        }
        for signer in used.keys() {
            self.recheck_signer(signer, check);
        }
        self.recheck_anchors(check);
    }

    fn len(&self) -> usize {
        self.transactions()
    }
}

/// The signers of a transaction that was not in the mempool.
fn signers_of(tx: &[u8]) -> Vec<(Address, u64)> {
    let Ok(Envelope::Signed(tx)) = Envelope::decode(tx) else { return Vec::new() };
    let signer = |s: &crate::tx::TxSigner| match &s.authority {
        Authority::Key(key) => Some((Address::from_key(key), s.nonce)),
        Authority::Policy(_) => None,
    };
    tx.body.signers.iter().filter_map(signer).collect()
}

#[cfg(test)]
mod tests;
