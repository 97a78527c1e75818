//! Which transactions go into the next block, and in which order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use pyralog_crypto::Address;

use super::{Bundle, Mempool};

/// The nonce that is next for each signer while a block is chosen.
type Next = BTreeMap<Address, u64>;

impl Mempool {
    /// Anchors by arrival in at most half of the room and half of the work, then signed transactions: always the one that pays most per byte
    /// among those whose signers have nothing before it, until either the room or the work of a proposal is used up.
    pub(super) fn choose(&self, max_bytes: u64) -> Vec<Bytes> {
        let mut room = max_bytes;
        let mut work = self.limits.max_proposal_work;
        let mut chosen = Vec::new();
        self.choose_anchors(&mut room, &mut work, &mut chosen);
        let mut next: Next = self.by_signer.iter().map(|(signer, queue)| (*signer, queue.next)).collect();
        let mut ready: BTreeSet<(Reverse<u64>, u64)> = BTreeSet::new();
        for queue in self.by_signer.values() {
            if let Some(id) = queue.waiting.get(&queue.next) {
                self.offer(*id, &next, &mut ready);
            }
        }
        while work > 0
            && let Some((_, id)) = ready.pop_first()
        {
            let Some(bundle) = self.bundles.get(&id) else { continue };
            // What does not fit stays, and so does what waits behind it.
            let size = bundle.size as u64;
            if size > room || bundle.work() > work {
                continue;
            }
            room -= size;
            work -= bundle.work();
            chosen.extend(bundle.txs.iter().cloned());
            for (signer, nonce) in bundle.signers() {
                next.insert(signer, nonce.saturating_add(1));
            }
            for (signer, nonce) in bundle.signers() {
                let queue = self.by_signer.get(&signer);
                if let Some(id) = queue.and_then(|queue| queue.waiting.get(&nonce.saturating_add(1))) {
                    self.offer(*id, &next, &mut ready);
                }
            }
        }
        chosen
    }

    fn choose_anchors(&self, room: &mut u64, work: &mut usize, chosen: &mut Vec<Bytes>) {
        let floor = *room - *room / 2;
        let least_work = *work - *work / 2;
        let ids: BTreeSet<u64> = self.by_log.values().copied().collect();
        for bundle in ids.iter().filter_map(|id| self.bundles.get(id)) {
            let left = room.checked_sub(bundle.size as u64).filter(|left| *left >= floor);
            let left_work = work.checked_sub(bundle.work()).filter(|left| *left >= least_work);
            if let (Some(left), Some(left_work)) = (left, left_work) {
                (*room, *work) = (left, left_work);
                chosen.extend(bundle.txs.iter().cloned());
            }
        }
    }

    /// Adds a bundle to the ready ones if it is next for all of its signers.
    fn offer(&self, id: u64, next: &Next, ready: &mut BTreeSet<(Reverse<u64>, u64)>) {
        let is_next = |bundle: &Bundle| bundle.signers().all(|(signer, nonce)| next.get(&signer) == Some(&nonce));
        if let Some(bundle) = self.bundles.get(&id)
            && is_next(bundle)
        {
            ready.insert((Reverse(bundle.rate), id));
        }
    }
}
