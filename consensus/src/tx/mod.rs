//! Transactions: envelope v1.
//!
//! A transaction is one byte string in the canonical encoding of `pyralog-crypto` (big-endian integers, `u32` length
//! prefixes). It begins with the envelope version and the kind:
//!
//! ```text
//! 01 01 …   signed      messages by one or several accounts, which pay a fee
//! 01 02 …   anchor      a signed checkpoint of a registered log (authenticates itself, pays nothing)
//! 01 03 …   companion   the consistency proofs for the anchor right before it in the block
//! ```
//!
//! The transaction hash is SHA-256 of all bytes, signatures included, as CometBFT has it.
//!
//! Policies (multisig), stamps (proof of work instead of a fee) and proofs (zero knowledge) have their places in the
//! format already. They decode, and are refused with [`TxError::PolicyReserved`], [`TxError::StampReserved`] and
//! [`TxError::ProofReserved`] until the network runs them.

mod anchor;
mod envelope;
mod error;
mod message;
mod signed;

pub use anchor::{AnchorTx, CompanionTx};
pub use envelope::{Envelope, tx_hash};
pub use error::{Tree, TxError};
pub use message::{LogName, Message};
pub use signed::{Authority, Authorization, Payment, ProofAttachment, SignedTx, TxBody, TxSigner};

/// Envelope version written and accepted today.
pub const TX_VERSION: u8 = 1;
/// Longest transaction in bytes.
pub const MAX_TX_BYTES: usize = 64 * 1024;
/// Most messages in one signed transaction.
pub const MAX_MESSAGES: usize = 16;
/// Most signers of one transaction.
pub const MAX_SIGNERS: usize = 8;
/// The domain in the sign bytes of a signed transaction, see [`TxBody::sign_bytes`].
pub const TX_DOMAIN: &str = "pyralog/tx/v1";

#[cfg(test)]
mod tests;
