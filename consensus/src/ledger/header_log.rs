//! The RFC 9162 log of header hashes: leaf H-1 is the header hash of height H, under SHA-256.

use pyralog_crypto::{
    Frontier, Hash, InclusionProof, MerkleHash, NodeSource, ProveError, Sha256, merkle::prove_inclusion,
};

use super::{
    NewNodes,
    keys::{state_key, store_key},
    overlay::Overlay,
    stake::broken,
};
use crate::application::{AppError, StateStore, StoreError};

/// Appends the header of `height`; gives the writes of the nodes that it completes.
pub(super) fn append(overlay: &mut Overlay<'_>, height: u64, header: &Hash) -> Result<NewNodes, AppError> {
    let mut frontier: Frontier<Sha256> = overlay.get(state_key::HEADERS)?.unwrap_or_default();
    if frontier.size() != height - 1 {
        return Err(broken("the log of header hashes does not end at the last height"));
    }
    let nodes = frontier
        .append(Sha256::leaf(&header.0))
        .map(|(level, index, hash)| (store_key::header_node(level, index), hash.0.to_vec()))
        .collect();
    overlay.put(state_key::HEADERS, &frontier)?;
    Ok(nodes)
}

/// Proves that the header of `height` is in the log as it stood after `size` blocks.
pub(super) fn prove(store: &dyn StateStore, height: u64, size: u64) -> Result<InclusionProof, ProveError<StoreError>> {
    prove_inclusion::<Sha256, _>(&Nodes(store), height.wrapping_sub(1), size)
}

struct Nodes<'a>(&'a dyn StateStore);

impl NodeSource for Nodes<'_> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        let bytes = self.0.get(&store_key::header_node(level, index))?;
        let hash = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        hash.map(Hash).ok_or_else(|| StoreError(format!("node {level}/{index} of the log of header hashes is missing")))
    }
}
