//! Transactions that blocks go without are offered to the network again. The first offer may have gone nowhere: nobody was connected, a peer was starting,
//! its queue was full, or a connection led to a process that was gone. So every node does with all that waits in its mempool, in turns and in
//! bounded messages; whoever has a transaction already refuses it by its hash and sends nothing on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use pyralog_consensus::mempool::Mempool;

/// At most so often.
pub const PAUSE: Duration = Duration::from_secs(2);
/// So many blocks have gone without what is offered again.
const BLOCKS: usize = 2;
/// Bytes of one message that are not those of a single bundle; anchors get at most half of them.
const MAX_BYTES: usize = 16 << 10;
/// Bundles of one message.
const MAX_BUNDLES: usize = 128;

/// Chooses what is offered again.
#[derive(Debug, Default)]
pub struct Offers {
    /// How many bundles had come to the mempool at the last blocks, the oldest first.
    marks: VecDeque<u64>,
    /// Whose turn is next, by number of arrival: anchors, and all.
    next: [u64; 2],
}

impl Offers {
    /// A block has come.
    pub fn block(&mut self, pool: &Mempool) {
        self.marks.push_back(pool.arrivals());
        if self.marks.len() > BLOCKS + 1 {
            self.marks.pop_front();
        }
    }

    /// What to offer now: anchors first, since what waits for them waits in every log; the oldest first, and those behind them next time.
    pub fn choose(&mut self, pool: &Mempool) -> Vec<Vec<Bytes>> {
        let Some(before) = self.marks.front().copied().filter(|_| self.marks.len() > BLOCKS) else { return Vec::new() };
        let mut chosen = Chosen::default();
        let anchors: BTreeMap<u64, &[Bytes]> = pool.waiting_anchors().filter(|(id, _)| *id < before).collect();
        let [next_anchor, next] = self.next;
        let turn = anchors.range(next_anchor..).chain(anchors.range(..next_anchor));
        self.next[0] = chosen.fill(turn.map(|(id, txs)| (*id, *txs)), MAX_BYTES / 2).unwrap_or(next_anchor);
        let next = next.min(before);
        let turn = pool.waiting(next..before).chain(pool.waiting(0..next));
        self.next[1] = chosen.fill(turn, MAX_BYTES).unwrap_or(next);
        chosen.bundles
    }
}

#[derive(Default)]
struct Chosen {
    bundles: Vec<Vec<Bytes>>,
    ids: BTreeSet<u64>,
    bytes: usize,
}

impl Chosen {
    /// Takes bundles as long as they fit, one at least, and answers the number behind the last one.
    fn fill<'a>(&mut self, turn: impl Iterator<Item = (u64, &'a [Bytes])>, max_bytes: usize) -> Option<u64> {
        let mut behind = None;
        for (id, txs) in turn {
            if self.ids.contains(&id) {
                continue;
            }
            let bytes = self.bytes + txs.iter().map(Bytes::len).sum::<usize>();
            if behind.is_some() && (bytes > max_bytes || self.bundles.len() >= MAX_BUNDLES) {
                break;
            }
            self.bytes = bytes;
            self.ids.insert(id);
            self.bundles.push(txs.to_vec());
            behind = Some(id + 1);
        }
        behind
    }
}

#[cfg(test)]
#[path = "offers_test.rs"]
mod tests;
