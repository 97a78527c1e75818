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
    Evidence(#[from] EvidenceError),
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

/// Why evidence of a double sign is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Of this node's state: its height is not committed here.
    #[error("it is about a height that is not committed yet")]
    NotCommitted,
    /// Of this node's state: a block held evidence against this validator before.
    #[error("this validator was punished before")]
    Punished,
    /// Of this node's state: it keeps no header of that height.
    #[error("the header of its height is unknown")]
    UnknownHeader,
    /// Of this node's state: it keeps no validator set of that height.
    #[error("the validators of its height are unknown")]
    UnknownValidators,
    /// Of this node's state: older than the parameters allow, in blocks and in time.
    #[error("it is too old")]
    TooOld,
    /// Of this node's state: some against this validator waits already.
    #[error("there is some against this validator already")]
    Known,
    /// Of this node's state: too much waits.
    #[error("there is no room for it")]
    NoRoom,
    /// The maker's fault: two votes that have nothing to do with each other.
    #[error("the votes are not of one validator, height, round and type")]
    Unrelated,
    /// The maker's fault: the same vote twice, or not in CometBFT's order.
    #[error("the votes do not conflict, or are not in order")]
    NoConflict,
    /// The maker's fault: somebody who did not vote there.
    #[error("the signer was no validator at that height")]
    NoValidator,
    /// The maker's fault.
    #[error("a vote has a wrong index or an extension")]
    IndexOrExtension,
    /// The maker's fault: a copied number is wrong.
    #[error("the powers are not those of that height")]
    Powers,
    /// The maker's fault: a copied time is wrong.
    #[error("the time is not that of the header")]
    Time,
    /// The maker's fault.
    #[error("a vote has no time or no signature")]
    Unsigned,
    /// The maker's fault.
    #[error("a signature is wrong")]
    Signature,
    /// The proposer's fault: something else than two votes.
    #[error("its kind is unknown")]
    Kind,
    /// The proposer's fault.
    #[error("there is more of it than the parameters allow")]
    TooMuch,
    /// The proposer's fault.
    #[error("a validator is accused twice")]
    AccusedTwice,
}

impl EvidenceError {
    /// Whether nobody is to blame: evidence that another node may hold to be good, and rightly. All else is a false accusation.
    pub fn is_nobodys_fault(self) -> bool {
        match self {
            Self::NotCommitted
            | Self::Punished
            | Self::UnknownHeader
            | Self::UnknownValidators
            | Self::TooOld
            | Self::Known
            | Self::NoRoom => true,
            Self::Unrelated
            | Self::NoConflict
            | Self::NoValidator
            | Self::IndexOrExtension
            | Self::Powers
            | Self::Time
            | Self::Unsigned
            | Self::Signature
            | Self::Kind
            | Self::TooMuch
            | Self::AccusedTwice => false,
        }
    }
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
