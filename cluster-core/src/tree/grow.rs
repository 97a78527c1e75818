//! The tree of the segment that grows.

use std::sync::{Arc, PoisonError};

use pyralog_crypto::{Blake3, Frontier, Hash, SegmentLeaf};

use super::nodes::Nodes;
use crate::Error;
use crate::notary::nodes::{NodeFile, frontier};

/// Bytes of nodes that wait for being written, at most.
const FLUSH_BYTES: usize = 1 << 20;
/// Bytes that are kept for the next append.
const KEPT_BYTES: usize = 16 << 10;

/// A growing tree: its right edge, and nodes that wait for one write.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) first: u64,
    pub(super) nodes: Arc<Nodes>,
    frontier: Frontier<Blake3>,
    /// Leaves whose nodes are written.
    written: u64,
    waiting: Vec<u8>,
}

impl Growing {
    /// The tree of a segment without records.
    pub(super) fn new(first: u64, nodes: Arc<Nodes>) -> Self {
        Self { first, nodes, frontier: Frontier::new(), written: 0, waiting: Vec::new() }
    }

    /// The tree of the records that `leaf` names, from nodes which lead to its root; `None` where they do not.
    pub(super) fn resume(leaf: &SegmentLeaf, nodes: &Arc<Nodes>) -> Option<Self> {
        let written = leaf.records();
        let frontier = frontier(nodes.as_ref(), written).ok()?;
        let whole = frontier.root() == leaf.root;
        let nodes = Arc::clone(nodes);
        whole.then_some(Self { first: leaf.first, nodes, frontier, written, waiting: Vec::new() })
    }

    /// Offset that the next record gets.
    pub(super) fn next(&self) -> u64 {
        self.first + self.frontier.size()
    }

    /// What the tree says of the segment; `None` where it has no record.
    pub(super) fn leaf(&self) -> Option<SegmentLeaf> {
        let leaf = SegmentLeaf { first: self.first, next: self.next(), root: self.frontier.root() };
        (leaf.records() > 0).then_some(leaf)
    }

    /// Adds the leaf hash of the next record.
    pub(super) fn push(&mut self, leaf: Hash) -> Result<(), Error> {
        let completed = self.frontier.append(leaf);
        match self.nodes.as_ref() {
            Nodes::File(_) => completed.for_each(|(_, _, node)| self.waiting.extend_from_slice(&node.0)),
            Nodes::Memory(tree) => {
                tree.write().unwrap_or_else(PoisonError::into_inner).push_hash(leaf);
            }
        }
        if self.waiting.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the nodes that wait.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if let Nodes::File(file) = self.nodes.as_ref() {
            file.0.write(&self.waiting, NodeFile::bytes(self.written))?;
        }
        self.written = self.frontier.size();
        self.waiting.clear();
        self.waiting.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Cuts off what stands in the file behind the nodes.
    pub(super) fn cut(&self) -> Result<(), Error> {
        let Nodes::File(NodeFile(file)) = self.nodes.as_ref() else { return Ok(()) };
        let end = NodeFile::bytes(self.written);
        if file.len()? > end { file.cut(end) } else { Ok(()) }
    }
}
