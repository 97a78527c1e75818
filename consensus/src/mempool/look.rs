//! What waits, for whoever shows it or sends it on.

use std::ops::Range;

use bytes::Bytes;

use super::Mempool;

impl Mempool {
    /// At most `limit` transactions that wait, in order of arrival.
    pub fn unconfirmed(&self, limit: usize) -> Vec<Bytes> {
        self.bundles.values().flat_map(|b| b.txs.iter().cloned()).take(limit).collect()
    }

    /// How many bundles have come so far; the next one gets this number.
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// The bundles that wait among those that came as these, with their numbers, in order of arrival.
    pub fn waiting(&self, arrived: Range<u64>) -> impl Iterator<Item = (u64, &[Bytes])> {
        self.bundles.range(arrived).map(|(id, bundle)| (*id, bundle.txs.as_slice()))
    }

    /// The anchors among the bundles that wait, as [`Mempool::waiting`] gives them but in no order.
    pub fn waiting_anchors(&self) -> impl Iterator<Item = (u64, &[Bytes])> {
        self.by_log.values().filter_map(|id| Some((*id, self.bundles.get(id)?.txs.as_slice())))
    }
}
