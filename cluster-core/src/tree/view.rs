//! What readers see: the segments of the partition and the tree over them.

use std::sync::Arc;

use pyralog_crypto::{
    Blake3, Hash, InclusionProof, MemoryTree, MerkleError, MerkleHash, NodeSource, SegmentLeaf, merkle,
};

use super::nodes::Nodes;

/// The partition at the size that it has now.
#[derive(Debug)]
pub(super) struct View {
    /// Segments that never change again, the removed ones too, from the first one on.
    closed: Vec<SegmentLeaf>,
    /// Over `closed`.
    tree: MemoryTree<Blake3>,
    /// The last segment, where it has a record, and its nodes.
    pub(super) active: Option<SegmentLeaf>,
    pub(super) nodes: Arc<Nodes>,
}

/// A segment as it is now.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) number: usize,
    pub(super) leaf: SegmentLeaf,
    /// Its nodes, where it is the last one; those of the others are opened.
    pub(super) nodes: Option<Arc<Nodes>>,
}

impl View {
    pub(super) fn new(closed: Vec<SegmentLeaf>, active: Option<SegmentLeaf>, nodes: Arc<Nodes>) -> Self {
        let tree = MemoryTree::from_hashes(closed.iter().map(SegmentLeaf::leaf_hash));
        Self { closed, tree, active, nodes }
    }

    /// Ends the last segment, and begins one without records.
    pub(super) fn close(&mut self, leaf: SegmentLeaf, nodes: Arc<Nodes>) {
        self.tree.push_hash(leaf.leaf_hash());
        self.closed.push(leaf);
        self.active = None;
        self.nodes = nodes;
    }

    pub(super) fn closed(&self) -> &[SegmentLeaf] {
        &self.closed
    }

    /// Records, removed ones too.
    pub(super) fn size(&self) -> u64 {
        self.active.as_ref().or(self.closed.last()).map_or(0, |leaf| leaf.next)
    }

    /// The segment that holds a record; `None` behind the last one.
    pub(super) fn part_of(&self, offset: u64) -> Option<Part> {
        let number = self.closed.partition_point(|leaf| leaf.next <= offset);
        self.part(number).filter(|part| offset < part.leaf.next)
    }

    /// Segment `number`; `None` behind the last one.
    pub(super) fn part(&self, number: usize) -> Option<Part> {
        match self.closed.get(number) {
            Some(leaf) => Some(Part { number, leaf: *leaf, nodes: None }),
            None if number == self.closed.len() => {
                self.active.map(|leaf| Part { number, leaf, nodes: Some(Arc::clone(&self.nodes)) })
            }
            None => None,
        }
    }

    /// Root of the tree whose leaf `last` is this one, and before it the segments as they are.
    pub(super) fn root(&self, last: usize, leaf: &SegmentLeaf) -> Result<Hash, MerkleError> {
        merkle::root_at::<Blake3, _>(&self.edge(last, leaf), last as u64 + 1)
    }

    /// Path of segment `number` in that tree.
    pub(super) fn path(&self, number: usize, last: usize, leaf: &SegmentLeaf) -> Result<InclusionProof, MerkleError> {
        let path = merkle::prove_inclusion::<Blake3, _>(&self.edge(last, leaf), number as u64, last as u64 + 1);
        path.map_err(|error| match error {
            pyralog_crypto::ProveError::Arguments(error) | pyralog_crypto::ProveError::Source(error) => error,
            _ => MerkleError::MissingNode { level: 0, index: number as u64 },
        })
    }

    fn edge(&self, last: usize, leaf: &SegmentLeaf) -> Edge<'_> {
        Edge { tree: &self.tree, last: last as u64, leaf: leaf.leaf_hash() }
    }
}

/// A tree with another last leaf: the first `last` leaves of `tree`, then `leaf`.
struct Edge<'a> {
    tree: &'a MemoryTree<Blake3>,
    last: u64,
    leaf: Hash,
}

impl NodeSource for Edge<'_> {
    type Error = MerkleError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, MerkleError> {
        if (index + 1) << level <= self.last {
            self.tree.node(level, index)
        } else if level == 0 {
            Ok(self.leaf)
        } else {
            // The node over the last leaf: complete only here, so its children are joined.
            Ok(Blake3::node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
        }
    }
}
