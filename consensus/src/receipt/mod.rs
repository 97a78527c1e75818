//! Receipts of notarized documents: the file, its two formats, and its verification without network or clock.
//!
//! A receipt leads from a document to more than two thirds of a chain's validators:
//!
//! ```text
//! document ▸ subject ▸ (batch ▸) leaf ▸ both roots of the notary log ▸ checkpoint ▸ anchor transaction ▸ data_hash
//!          ▸ header ▸ commit ▸ validators ▸ (bridge ▸) genesis or a trusted header
//! ```
//!
//! Reading order: [`NotaryReceipt`] (the structure), [`NotaryReceipt::verify`], [`ReceiptFormat`] (JSON and CBOR),
//! [`ProofParts`] (how a node builds one). `docs/protocol.md` is the specification.

mod chain;
mod error;
mod notary_build;
mod notary_codec;
mod notary_receipt;
mod notary_subject;
#[cfg(test)]
mod notary_tamper_test;
mod notary_verify;
#[cfg(test)]
mod protocol_vectors_test;
#[cfg(test)]
mod record_vectors_test;
mod refresh;
mod trust;
mod tx_path;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use chain::MAX_BRIDGE;
pub use error::{ErrorClass, ReceiptError};
pub use notary_build::{ProofParts, attest, pending};
pub use notary_codec::{CBOR_MEDIA_TYPE, JSON_MEDIA_TYPE, MAX_CBOR_BYTES, MAX_JSON_BYTES, ReceiptFile, ReceiptFormat};
pub use notary_receipt::{
    Algorithms, AttestedHeader, CheckpointFields, LeafPosition, NotaryProof, NotaryReceipt, PENDING_TYPE, PROOF_TYPE,
    PathStep, PendingPromise, PendingReceipt, RECEIPT_TYPE, ServedProof, VERSION,
};
pub use notary_subject::{BatchMembership, NotarySubject, SubjectMetadata};
pub use notary_verify::verify_file;
pub use refresh::Refresh;
pub use trust::{Assumptions, GenesisTrust, MaxRootAge, Root, Trust, Verified, VerifyOptions};
pub use tx_path::{MAX_TX_PATH, steps as tx_path_steps};
