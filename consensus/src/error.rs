//! Every error of this crate that is not a refused transaction (those are [`crate::tx::TxError`]), grouped by who is to blame.
//! Those of light clients and receipts stand beside their code.

use pyralog_crypto::error::CodecError;

use crate::application::AppError;

/// A block, commit, piece of evidence or validator set breaks a rule. Blame: whoever proposed, sent or configured it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A validator set cannot be built or updated.
    #[error("validator set: {0}")]
    ValidatorSet(&'static str),
    /// Genesis is not usable.
    #[error("genesis.json: {0}")]
    Genesis(&'static str),
    /// A header's field is not what the chain demands.
    #[error("block header: field {0} is not what the chain demands")]
    Header(&'static str),
    /// A commit breaks a rule.
    #[error("commit: {0}")]
    Commit(&'static str),
    /// Evidence breaks a rule.
    #[error("evidence: {0}")]
    Evidence(&'static str),
    /// A block is too large.
    #[error("the block has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The parameter `max_block_bytes`.
        max: u64,
    },
    /// Bytes do not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The application refuses the block.
    #[error(transparent)]
    App(#[from] AppError),
}

/// The engine cannot start, or must stop. Blame: this machine or this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An entry of the consensus WAL does not decode although its checksum was right.
    #[error(
        "consensus WAL: entry {index} is damaged ({error}); restore the home from a backup or start without this WAL and let the validator abstain"
    )]
    Wal {
        /// Its position, from 0.
        index: usize,
        /// What is wrong.
        error: CodecError,
    },
    /// The stored chain contradicts itself.
    #[error("the stored chain is inconsistent: {0}")]
    Chain(&'static str),
    /// The application failed on a decided block.
    #[error("block {height} is decided but cannot be executed: {error}")]
    Decided {
        /// Its height.
        height: u64,
        /// Why.
        error: BlockError,
    },
    /// The signer failed.
    #[error("the validator key cannot sign: {0}; check the signer and restart")]
    Signer(String),
    /// Replay gave something else than what was recorded, or another impossible state of the BFT core.
    #[error("the BFT core is in an impossible state: {0}")]
    Core(String),
}

pub use crate::{light::LightError, receipt::ReceiptError};
