//! Re-anchoring: a later header proves the receipt's header through the log of header hashes in the state.

use super::{
    chain::{self, Link},
    notary_receipt::AttestedHeader,
    state_path::state_root,
};
use crate::light::{Fault, SignatureBatch, fields};
use pyralog_crypto::{Hash, InclusionProof, MerkleHash, Sha256};
use serde::{Deserialize, Serialize};

/// The way from the block of the anchor to a later header. With it the receipt no longer rests on the keys of the validators
/// of its own block, if the later header is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The block's header in the log of header hashes.
    pub header_log: HeaderLogPosition,
    /// Siblings in the state tree from the log's entry up to `block.header.app_hash`, leaf side first.
    pub state_path: Vec<Hash>,
    /// Signed headers that lead over changes of the validator set from the receipt's block to this one, oldest first; may be
    /// empty where the later header is trusted by itself.
    pub bridge: Vec<AttestedHeader>,
    /// The later block.
    pub block: AttestedHeader,
}

/// A header hash in the log of header hashes. The index follows from the header's height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLogPosition {
    /// Number of header hashes in the log.
    #[serde(with = "fields::decimal")]
    pub size: u64,
    /// Inclusion path (SHA-256, RFC 9162), leaf side first.
    pub path: Vec<Hash>,
}

impl Refresh {
    /// Checks the later headers for themselves and against each other, and the way from `anchored` into the last one's
    /// state. Returns them in order of their heights.
    pub(crate) fn check<'a>(
        &'a self,
        chain_id: &str,
        anchored: &Link<'_>,
        batch: &mut SignatureBatch,
    ) -> Result<Vec<Link<'a>>, Fault> {
        let later = chain::links(chain_id, "refresh", &self.bridge, &self.block, batch)?;
        chain::follows(anchored, &later[0])?;
        let header = &anchored.attested.header;
        let index = header.height.checked_sub(1).ok_or_else(|| Fault::new("proof.block.header.height", "is zero"))?;
        let log = &self.header_log;
        let root = InclusionProof { index, size: log.size, path: log.path.clone() }
            .root_from::<Sha256>(&Sha256::leaf(&anchored.hash.0))
            .map_err(|e| Fault::new("refresh.header_log", e.to_string()))?;
        let value = header_log_value(log.size, &root);
        let state = state_root(HEADER_LOG_KEY, &value, &self.state_path)
            .map_err(|f| f.within("refresh.state_path"))?;
        if state != self.block.header.app_hash {
            let reason = format!(
                "leads the header of height {} in a log of {} header hashes to the state {state}, not to \
                 refresh.block.header.app_hash",
                header.height, log.size
            );
            return Err(Fault::new("refresh.state_path", reason));
        }
        Ok(later)
    }
}

const HEADER_LOG_KEY: &[u8] = b"header_log";

fn header_log_value(size: u64, root: &Hash) -> Vec<u8> {
    [&size.to_be_bytes()[..], &root.0].concat()
}
