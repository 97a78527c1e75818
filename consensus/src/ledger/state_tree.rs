//! The versioned state tree: a sparse Merkle tree (Jellyfish shape) under SHA-256.

use jmt::{
    KeyHash, Sha256Jmt,
    storage::{LeafNode, Node, NodeKey, TreeReader},
};
use pyralog_crypto::{Hash, MerkleHash, Sha256};

use super::{
    keys::store_key,
    overlay::Change,
    state_proof::{PLACEHOLDER, StateProof},
};
use crate::application::{AppError, StateStore, StoreError};

/// What the ledger needs of a versioned, authenticated map. Version H is the state after block H, version 0 is genesis.
pub trait StateTree: Send {
    /// Computes version `version` from version `version - 1` in one batch.
    ///
    /// # Errors
    /// The store fails or holds a damaged node.
    fn update(&self, store: &dyn StateStore, version: u64, changes: &[ValueChange<'_>])
    -> Result<TreeUpdate, AppError>;

    /// Proves the value of `name` (or that it has none) at a version.
    ///
    /// # Errors
    /// The store fails, or the version was pruned.
    fn prove(
        &self,
        store: &dyn StateStore,
        version: u64,
        name: &[u8],
        value: Option<&[u8]>,
    ) -> Result<StateProof, AppError>;
}

/// A name and its new value; `None` removes it.
pub type ValueChange<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a new version of the tree writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeUpdate {
    /// The new root.
    pub root: Hash,
    /// New nodes by store key.
    pub nodes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Store keys of the nodes that only older versions need.
    pub stale: Vec<Vec<u8>>,
}

/// [`StateTree`] by the crate `jmt`.
///
/// Root of the empty tree: the text `SPARSE_MERKLE_PLACEHOLDER_HASH__`. Leaf: SHA-256 of `JMT::LeafNode`, SHA-256 of the
/// name, SHA-256 of the value. Inner node: SHA-256 of `JMT::IntrnalNode`, left, right. A subtree with one leaf is that leaf.
#[derive(Clone, Copy, Debug, Default)]
pub struct JellyfishTree;

impl StateTree for JellyfishTree {
    fn update(
        &self,
        store: &dyn StateStore,
        version: u64,
        changes: &[ValueChange<'_>],
    ) -> Result<TreeUpdate, AppError> {
        let reader = Reader { store, proven: None };
        let tree = Sha256Jmt::new(&reader);
        let all_set = changes.iter().all(|(_, value)| value.is_some());
        let (root, batch) = if all_set && !changes.is_empty() {
            // One pass over the tree. It cannot remove, and it wants at least one value.
            let set = changes.iter().map(|(name, value)| (key(name), value.unwrap_or_default().to_vec())).collect();
            let (roots, batch) = tree.batch_put_value_sets(vec![set], None, version).map_err(tree_error)?;
            let root =
                roots.first().copied().ok_or_else(|| AppError::Invariant("the state tree gave no root".into()))?;
            (root, batch)
        } else {
            // In the order of the hashed names, so that the nodes do not depend on the order of the changes.
            let mut set: Vec<_> = changes.iter().map(|(name, value)| (key(name), value.map(<[u8]>::to_vec))).collect();
            set.sort_unstable_by_key(|(key, _)| *key);
            tree.put_value_set(set, version).map_err(tree_error)?
        };
        let nodes = batch
            .node_batch
            .nodes()
            .iter()
            .map(|(key, node)| Ok((node_key(key)?, borsh::to_vec(node).map_err(damaged)?)))
            .collect::<Result<_, AppError>>()?;
        let stale = batch.stale_node_index_batch.iter().map(|s| node_key(&s.node_key)).collect::<Result<_, _>>()?;
        Ok(TreeUpdate { root: Hash(root.0), nodes, stale })
    }

    fn prove(
        &self,
        store: &dyn StateStore,
        version: u64,
        name: &[u8],
        value: Option<&[u8]>,
    ) -> Result<StateProof, AppError> {
        let reader = Reader { store, proven: value };
        let (_, proof) = Sha256Jmt::new(&reader).get_with_proof(key(name), version).map_err(tree_error)?;
        let bytes = borsh::to_vec(&proof).map_err(damaged)?;
        let (leaf, siblings) = parse_proof(&bytes).ok_or_else(|| damaged("unexpected form of a jmt proof"))?;
        Ok(StateProof::from_parts(value.map(<[u8]>::to_vec), leaf, siblings))
    }
}

/// The pairs that [`StateTree::update`] takes.
pub(crate) fn value_changes(changes: &[Change]) -> Vec<ValueChange<'_>> {
    changes.iter().map(|c| (c.name.as_slice(), c.new.as_deref())).collect()
}

struct Reader<'a> {
    store: &'a dyn StateStore,
    /// The value under proof: jmt asks for it although only its hash enters the proof.
    proven: Option<&'a [u8]>,
}

impl TreeReader for Reader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let Some(bytes) = self.store.get(&node_key(key)?)? else { return Ok(None) };
        Ok(Some(borsh::from_slice(&bytes)?))
    }

    fn get_value_option(&self, _max_version: u64, _key: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.proven.map(<[u8]>::to_vec))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Err(anyhow::anyhow!("only restoring a tree asks for its rightmost leaf"))
    }
}

fn key(name: &[u8]) -> KeyHash {
    KeyHash(Sha256::digest(name).0)
}

/// Version, count of nibbles, nibbles packed two to a byte.
fn node_key(key: &NodeKey) -> Result<Vec<u8>, AppError> {
    // borsh of a path: u64 count of nibbles, u32 count of bytes (both little-endian), bytes. A path has at most 64 nibbles.
    let path = borsh::to_vec(key.nibble_path()).map_err(damaged)?;
    match (path.first(), path.get(12..)) {
        (Some(nibbles), Some(bytes)) => Ok(store_key::node(key.version(), *nibbles, bytes)),
        _ => Err(damaged("unexpected form of a jmt path")),
    }
}

type ProofParts = (Option<(Hash, Hash)>, Vec<Hash>);

/// Leaf (key hash, value hash) and sibling hashes, deepest first, of a borsh-encoded `SparseMerkleProof`.
fn parse_proof(mut bytes: &[u8]) -> Option<ProofParts> {
    let leaf = match take(&mut bytes, 1)?[0] {
        0 => None,
        _ => Some((take_hash(&mut bytes)?, take_hash(&mut bytes)?)),
    };
    let count = u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?);
    let mut siblings = Vec::new();
    for _ in 0..count {
        let tag = take(&mut bytes, 1)?[0];
        siblings.push(if tag == 0 {
            PLACEHOLDER
        } else {
            let (a, b) = (take_hash(&mut bytes)?, take_hash(&mut bytes)?);
            if tag == 1 { StateProof::inner_hash(&a, &b) } else { StateProof::leaf_hash(&a, &b) }
        });
    }
    bytes.is_empty().then_some((leaf, siblings))
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(head)
}

fn take_hash(bytes: &mut &[u8]) -> Option<Hash> {
    Some(Hash(take(bytes, 32)?.try_into().ok()?))
}

/// A failure of the store keeps its name; everything else means that a node is missing or damaged.
fn tree_error(e: anyhow::Error) -> AppError {
    match e.downcast_ref::<StoreError>() {
        Some(store) => AppError::Store(store.clone()),
        None => damaged(format!("{e:#}")),
    }
}

fn damaged(e: impl std::fmt::Display) -> AppError {
    AppError::Invariant(format!("the state tree is damaged: {e}"))
}
