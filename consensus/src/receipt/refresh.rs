//! Re-anchoring: a later header proves the receipt's header through the log of header hashes in the state.

use super::{
    chain::{self, Link},
    notary_receipt::AttestedHeader,
};
use crate::{
    ledger::{StateProof, state_key},
    light::{Fault, SignatureBatch, fields},
};
use pyralog_crypto::{Decode, Encode, Frontier, Hash, InclusionProof, MerkleHash, Sha256};
use serde::{Deserialize, Serialize};

/// The way from the block of the anchor to a later header. With it the receipt no longer rests on the keys of the validators
/// of its own block, if the later header is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Inclusion path (SHA-256, RFC 9162, leaf side first) of the block's header hash in the log of header hashes. Its index
    /// follows from the block's height, the log's size and root from `state_proof`.
    pub header_path: Vec<Hash>,
    /// A [`StateProof`] for the name `headers` under `block.header.app_hash`, in its canonical encoding; its value is the
    /// frontier of the log.
    #[serde(with = "fields::blob")]
    pub state_proof: Vec<u8>,
    /// Signed headers that lead over changes of the validator set from the receipt's block to this one, oldest first; may be
    /// empty where the later header is trusted by itself.
    pub bridge: Vec<AttestedHeader>,
    /// The later block.
    pub block: AttestedHeader,
}

impl Refresh {
    /// Builds a refresh from what a node holds: the later block, the proof of `headers` under its `app_hash`, and the place of
    /// the older header in that log.
    pub fn new(
        header_log: &InclusionProof,
        state_proof: &StateProof,
        bridge: Vec<AttestedHeader>,
        block: AttestedHeader,
    ) -> Self {
        Self { header_path: header_log.path.clone(), state_proof: state_proof.to_bytes(), bridge, block }
    }

    /// Checks the later headers for themselves and against each other, and the way from `anchored` into the last one's
    /// state. Returns them in order of their heights.
    pub(crate) fn check<'a>(
        &'a self,
        chain_id: &str,
        anchored: &Link<'_>,
        batch: &mut SignatureBatch,
    ) -> Result<Vec<Link<'a>>, Fault> {
        let later = chain::links(chain_id, "refresh", &self.bridge, &self.block, batch)?;
        if let Some(first) = later.first() {
            chain::follows(anchored, first)?;
        }
        let in_proof = |reason: String| Fault::new("refresh.state_proof", reason);
        let proof = StateProof::from_bytes(&self.state_proof).map_err(|e| in_proof(e.to_string()))?;
        let value = proof
            .verify(&self.block.header.app_hash, state_key::HEADERS)
            .map_err(|e| in_proof(format!("fails under refresh.block.header.app_hash: {e}")))?
            .ok_or_else(|| in_proof("proves that there is no log of header hashes".into()))?;
        let log = Frontier::<Sha256>::from_bytes(value).map_err(|e| in_proof(e.to_string()))?;
        let height = anchored.attested.header.height;
        let index = height.checked_sub(1).ok_or_else(|| Fault::new("proof.block.header.height", "is zero"))?;
        InclusionProof { index, size: log.size(), path: self.header_path.clone() }
            .verify::<Sha256>(&Sha256::leaf(&anchored.hash.0), &log.root())
            .map_err(|e| {
                let reason = format!("does not lead the header of height {height} to the log of header hashes: {e}");
                Fault::new("refresh.header_path", reason)
            })?;
        Ok(later)
    }
}
