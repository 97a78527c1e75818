//! The hashes of a header. All are roots of RFC 6962 trees over SHA-256, as CometBFT's `merkle.HashFromByteSlices`.

use bytes::Bytes;
use prost::Message;
use pyralog_crypto::Hash;
use tendermint::{
    block::Commit,
    crypto::{Sha256 as _, default::Sha256},
    evidence::List,
    merkle,
};
use tendermint_proto::v0_38::{abci::ExecTxResult, types::CommitSig};

use crate::application::TxResult;

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data)
}

/// The root of a tree over `leaves`; for none, the SHA-256 of nothing.
pub fn simple_root(leaves: &[impl AsRef<[u8]>]) -> Hash {
    Hash(merkle::simple_hash_from_byte_vectors::<Sha256>(leaves))
}

/// A transaction's hash: the SHA-256 of its bytes.
pub fn tx_hash(tx: &[u8]) -> Hash {
    Hash(sha256(tx))
}

/// `data_hash`: the leaves are the transactions' hashes.
pub fn data_hash(txs: &[impl AsRef<[u8]>]) -> Hash {
    let leaves: Vec<[u8; 32]> = txs.iter().map(|tx| sha256(tx.as_ref())).collect();
    simple_root(&leaves)
}

/// `last_commit_hash`: the leaves are the protobuf bytes of each `CommitSig`.
pub fn commit_hash(commit: &Commit) -> Hash {
    let leaves: Vec<Vec<u8>> =
        commit.signatures.iter().map(|signature| CommitSig::from(signature.clone()).encode_to_vec()).collect();
    simple_root(&leaves)
}

/// `evidence_hash`: the leaves are the protobuf bytes of each piece, in our own encoding (see [`super::encode_evidence`]).
pub fn evidence_hash(evidence: &List) -> Hash {
    let leaves: Vec<Vec<u8>> = evidence.iter().map(super::codec::evidence_leaf).collect();
    simple_root(&leaves)
}

/// `last_results_hash`: the leaves are the deterministic fields (code, data, gas wanted, gas used) of each result.
pub fn results_hash(results: &[TxResult]) -> Hash {
    let leaves: Vec<Vec<u8>> = results
        .iter()
        .map(|result| {
            ExecTxResult {
                code: result.code,
                data: Bytes::clone(&result.data),
                gas_wanted: result.gas_wanted,
                gas_used: result.gas_used,
                ..Default::default()
            }
            .encode_to_vec()
        })
        .collect();
    simple_root(&leaves)
}

/// Our hash as tendermint-rs writes it.
pub fn to_tendermint_hash(hash: Hash) -> tendermint::Hash {
    tendermint::Hash::Sha256(hash.0)
}

/// A hash of tendermint-rs as ours; its empty hash becomes 32 zero bytes.
pub fn from_tendermint_hash(hash: tendermint::Hash) -> Hash {
    match hash {
        tendermint::Hash::Sha256(bytes) => Hash(bytes),
        tendermint::Hash::None => Hash([0; 32]),
    }
}
