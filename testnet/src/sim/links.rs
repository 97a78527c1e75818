//! What travels between nodes, and how.

use super::world::{Event, World};

/// Blocks in one answer to a node that catches up.
const SYNC_BLOCKS: usize = 4;

impl World {
    pub(super) fn give_blocks(&mut self, node: usize, to: usize, height: u64) {
        let disk = self.nodes[node].disk.lock();
        let heights = height..height.saturating_add(SYNC_BLOCKS as u64);
        let mut blocks: Vec<_> = heights
            .filter_map(|height| disk.block(height))
            .map(|block| (block.block_bytes.clone(), block.commit_bytes()))
            .collect();
        drop(disk);
        if let Some(byzantine) = self.byzantine.as_mut().filter(|b| b.node == node) {
            blocks = byzantine.answer(blocks);
        }
        for (block, commit) in blocks {
            self.transmit(node, to, || Event::Block { from: node, block: block.clone(), commit: commit.clone() });
        }
    }

    /// A message on a link: lost, doubled or late, as the link is.
    pub(super) fn transmit(&mut self, from: usize, to: usize, event: impl Fn() -> Event) {
        let cut = self.partitions.values().any(|side| side.get(from) != side.get(to));
        let copies = 1 + usize::from(self.network.chance(self.links.duplicates));
        for _ in 0..copies {
            let (low, high) = self.links.latency;
            let after = self.network.between(low, high);
            if !self.network.chance(self.links.loss) && !cut {
                self.post(to, after, event());
            }
        }
    }

    pub(super) fn peers(&self, node: usize) -> Vec<usize> {
        let n = self.nodes.len();
        if self.plan.full_mesh {
            (0..n).filter(|peer| *peer != node).collect()
        } else {
            vec![(node + n - 1) % n, (node + 1) % n]
        }
    }
}
