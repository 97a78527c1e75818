//! Hashes, Merkle logs, canonical encoding, keys and signers of Pyralog.
//!
//! This crate turns values into bytes, bytes into hashes and proofs, and secrets into sealed bytes. It touches no file, no
//! clock, no network and no source of randomness: whoever needs randomness passes it in.
//!
//! | module | holds |
//! |---|---|
//! | [`hash`] | [`Hash`], the two hash functions with RFC 9162 prefixes |
//! | [`merkle`] | append-only trees, inclusion and consistency proofs |
//! | [`codec`] | the canonical encoding of everything signed or hashed |
//! | [`keys`] | Ed25519 under ZIP-215 rules, single and batch, signers |
//! | [`address`] | account addresses |
//! | [`keystore`] | keys sealed under a passphrase |
//! | [`kem`] | key encapsulation against quantum computers |
//! | [`checkpoint`], [`promise`], [`range_promise`] | what the owner of a log signs |
//! | [`notary_leaf`] | what a leaf of a notary log commits to |
//! | [`record`] | a record of a record log, and its one encoding |
//! | [`partition`] | what is signed of one partition of a record log, and proofs against it |

pub mod address;
pub mod chain_id;
pub mod checkpoint;
pub mod codec;
pub mod error;
mod fixed;
pub mod hash;
pub mod kem;
pub mod keys;
pub mod keystore;
pub mod merkle;
pub mod notary_leaf;
pub mod partition;
pub mod promise;
pub mod range_promise;
pub mod record;
#[cfg(test)]
mod test_support;

pub use address::Address;
pub use chain_id::{check_chain_id, check_log_name};
pub use checkpoint::{Checkpoint, LogId, Roots, SignedCheckpoint};
pub use codec::{Decode, Encode, Reader, Writer};
pub use error::{
    CodecError, KemError, KeystoreError, MerkleError, NotaryError, ParseError, PartitionError, ProveError, RecordError,
    SignatureError, SignerError,
};
pub use hash::{Blake3, Hash, HashId, MerkleHash, Sha256};
pub use keys::{PublicKey, Signature, Signer, SigningKey, verify_batch};
pub use keystore::KdfParams;
pub use merkle::{ConsistencyProof, Frontier, InclusionProof, MemoryTree, NodeSource};
pub use notary_leaf::{DocumentDigest, DocumentHasher, MAX_LEAF_BYTES, Metadata, NotaryLeaf, Salt, leaf_hashes};
pub use partition::{
    PartitionCheckpoint, PartitionConsistency, RecordProof, SegmentGrowth, SegmentLeaf, SignedPartitionCheckpoint,
};
pub use promise::{Promise, SignedPromise};
pub use range_promise::{RangePromise, SignedRangePromise};
pub use record::{Header, MAX_HEADER_NAME_BYTES, MAX_RECORD_BYTES, MAX_RECORD_HEADERS, MAX_TIMESTAMP, Record};
