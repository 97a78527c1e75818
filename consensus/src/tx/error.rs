//! Why a transaction is refused.

use std::fmt;

use pyralog_crypto::{Address, LogId};

/// Which of a log's two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// The BLAKE3 tree.
    Blake3,
    /// The SHA-256 tree.
    Sha256,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tree::Blake3 => "BLAKE3",
            Tree::Sha256 => "SHA-256",
        })
    }
}

/// Why a transaction is refused. Each variant has a stable number ([`TxError::code`]) and a stable name
/// ([`TxError::name`]); the sentence says what to do about it.
///
/// Numbers: 1–19 form, 20–39 accounts and fees, 40–59 logs, 60–79 stake, 80–99 the mempool of this node, 100 and up
/// this node itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // The sentence beside each variant documents its fields.
pub enum TxError {
    // The bytes or the form are wrong: nobody will ever accept this transaction.
    #[error("the transaction does not decode ({detail}); rebuild it in envelope version 1, see docs/protocol.md")]
    Malformed { detail: String },
    #[error(
        "the transaction has {size} bytes, at most {max} are allowed; split its messages over several transactions"
    )]
    TooLarge { size: usize, max: usize },
    #[error("envelope version {version} is unknown to this node; use version 1 or upgrade the node")]
    UnknownVersion { version: u8 },
    #[error("transaction kind {kind} is unknown to this node; use 1 (signed), 2 (anchor) or 3 (companion)")]
    UnknownKind { kind: u8 },
    #[error("policy (multisig) signers are reserved and not active on this chain; sign with an ed25519 key")]
    PolicyReserved,
    #[error("stamps are reserved and not active on this chain; pay a fee in upyra")]
    StampReserved,
    #[error("proof attachments are reserved and not active on this chain; send the transaction without proofs")]
    ProofReserved,
    #[error("signer {index} appears twice; list each key once")]
    DuplicateSigner { index: usize },
    #[error("message {message} names signer {index}, but there are only {signers}; count signers from 0")]
    SignerIndex { message: usize, index: u8, signers: usize },
    #[error("message {message} moves 0 upyra; give an amount of at least 1 upyra")]
    ZeroAmount { message: usize },
    #[error("the amounts and the fee of signer {signer} exceed 2^64-1 upyra together; lower the amounts")]
    Overflow { signer: Address },

    // Accounts, signatures, fees.
    #[error("the transaction is for chain {got}, this chain is {expected}; sign it again with chain id {expected}")]
    WrongChain { expected: String, got: String },
    #[error("the signature of signer {index} does not verify; sign the transaction again with that signer's key")]
    BadSignature { index: usize },
    #[error(
        "the transaction expired at height {expiry}, the next block is {height}; sign it again with a later expiry height"
    )]
    Expired { expiry: u64, height: u64 },
    #[error("expiry height {expiry} is too far ahead; choose one between {height} and {latest}")]
    ExpiryTooFar { expiry: u64, height: u64, latest: u64 },
    #[error("the fee of {got} upyra is too low; pay at least {required} upyra")]
    FeeTooLow { required: u64, got: u64 },
    #[error("nonce {got} of {signer} was used already; sign again with nonce {expected}")]
    NonceReplayed { signer: Address, expected: u64, got: u64 },
    #[error("nonce {got} of {signer} leaves a gap; send the transactions from nonce {expected} on first")]
    NonceGap { signer: Address, expected: u64, got: u64 },
    #[error("{account} holds {available} upyra and needs {required} upyra; fund the account or lower the amount")]
    InsufficientFunds { account: Address, required: u64, available: u64 },
    #[error("the balance of {account} would exceed 2^64-1 upyra; send less")]
    BalanceOverflow { account: Address },

    // Logs.
    #[error("log {log} is not registered; register it first with a RegisterLog message")]
    LogUnknown { log: LogId },
    #[error("log {log} is registered already; choose another name for a second log of this owner")]
    LogExists { log: LogId },
    #[error("the signer does not own log {log}; sign with the log's current key")]
    NotLogOwner { log: LogId },
    #[error("log {log} is anchored at size {anchored}, this anchor shrinks it to {got}; anchor a larger size")]
    AnchorShrinks { log: LogId, anchored: u64, got: u64 },
    #[error(
        "log {log} is anchored at size {size} with other roots, so this anchor forks it; restore the log's data before anything more is signed"
    )]
    AnchorForks { log: LogId, size: u64 },
    #[error("log {log} is anchored at size {size} already; wait until it has grown")]
    AnchorNotNewer { log: LogId, size: u64 },
    #[error("log {log} has an anchor in this block already; send the next one for the next block")]
    AnchorTwice { log: LogId },
    #[error(
        "the checkpoint is not signed for this chain by the key that owns log {log}; sign it with the log's current key"
    )]
    NotLogKey { log: LogId },
    #[error("the anchor of log {log} has no companion; send the companion with the consistency proofs right behind it")]
    CompanionMissing { log: LogId },
    #[error("the companion of log {log} does not stand right behind an anchor; send anchor and companion together")]
    CompanionOutOfPlace { log: LogId },
    #[error(
        "the companion proves log {log} from size {old} to {new}, needed is {anchored} to {size}; build it again from the last anchored size"
    )]
    CompanionMismatch { log: LogId, old: u64, new: u64, anchored: u64, size: u64 },
    #[error(
        "the {tree} consistency proof of log {log} fails, the new tree does not extend the anchored one; build it from the anchored size, or restore the log's data"
    )]
    Inconsistent { log: LogId, tree: Tree },
    #[error("log {log} rotated its key at this height already; rotate again in a later block")]
    RotatedTwice { log: LogId },

    // Stake.
    #[error("validator {validator} is unknown; bond stake to it first, or check the key")]
    ValidatorUnknown { validator: String },
    #[error("the signer does not own the stake of validator {validator}; sign with the account that bonded first")]
    NotStakeOwner { validator: String },
    #[error("validator {validator} is new; sign its first Bond with the validator key as well")]
    ValidatorKeyMustSign { validator: String },
    #[error("validator {validator} signed twice and is out for ever; bond to a new validator key")]
    Tombstoned { validator: String },
    #[error("validator {validator} has {bonded} upyra bonded, {got} upyra cannot be taken; unbond less")]
    InsufficientStake { validator: String, bonded: u64, got: u64 },
    #[error(
        "a validator's stake must be at least {minimum} upyra (or none at all), it would be {got} upyra; change the amount"
    )]
    StakeTooSmall { minimum: u64, got: u64 },
    #[error("all {seats} validator seats are taken by larger stakes; bond at least {required} upyra in total")]
    ValidatorSetFull { seats: u32, required: u64 },
    #[error("validator {validator} is the last one with power; bond another validator before this one leaves")]
    LastValidator { validator: String },
    #[error(
        "validator {validator} has {max} unbondings in progress already; wait for one to mature or unbond in fewer steps"
    )]
    TooManyUnbondings { validator: String, max: usize },

    // The mempool of this node: another node may accept it, or this one later.
    #[error("the transaction is known already; ask for its status instead of sending it again")]
    Duplicate,
    #[error("the mempool of this node is full; send it again later or pay a higher fee per byte")]
    MempoolFull,
    #[error("{signer} has {max} transactions waiting here already; wait until some are in a block")]
    TooManyPending { signer: Address, max: usize },
    #[error("an anchor of log {log} of size {size} is waiting already; send one with a larger size")]
    AnchorSuperseded { log: LogId, size: u64 },
    #[error("a bundle is one signed transaction, or an anchor and its companion; this one has {count} transactions")]
    BundleShape { count: usize },
    #[error(
        "another transaction of {signer} with nonce {nonce} waits here; pay at least {required} upyra to replace it"
    )]
    NonceTaken { signer: Address, nonce: u64, required: u64 },

    // This node cannot answer.
    #[error("this node cannot check transactions now ({detail}); try again or use another node")]
    Unavailable { detail: String },
}

impl TxError {
    /// The stable number of this refusal; 0 never occurs, since 0 means accepted in ABCI answers.
    pub fn code(&self) -> u32 {
        self.identity().0
    }

    /// The stable lower-case name of this refusal, as the native API reports it.
    pub fn name(&self) -> &'static str {
        self.identity().1
    }

    fn identity(&self) -> (u32, &'static str) {
        match self {
            Self::Malformed { .. } => (1, "malformed"),
            Self::TooLarge { .. } => (2, "too_large"),
            Self::UnknownVersion { .. } => (3, "unknown_version"),
            Self::UnknownKind { .. } => (4, "unknown_kind"),
            Self::PolicyReserved => (5, "policy_reserved"),
            Self::StampReserved => (6, "stamp_reserved"),
            Self::ProofReserved => (7, "proof_reserved"),
            Self::DuplicateSigner { .. } => (8, "duplicate_signer"),
            Self::SignerIndex { .. } => (9, "signer_index"),
            Self::ZeroAmount { .. } => (10, "zero_amount"),
            Self::Overflow { .. } => (11, "overflow"),
            Self::WrongChain { .. } => (20, "wrong_chain"),
            Self::BadSignature { .. } => (21, "bad_signature"),
            Self::Expired { .. } => (22, "expired"),
            Self::ExpiryTooFar { .. } => (23, "expiry_too_far"),
            Self::FeeTooLow { .. } => (24, "fee_too_low"),
            Self::NonceReplayed { .. } => (25, "nonce_replayed"),
            Self::NonceGap { .. } => (26, "nonce_gap"),
            Self::InsufficientFunds { .. } => (27, "insufficient_funds"),
            Self::BalanceOverflow { .. } => (28, "balance_overflow"),
            Self::LogUnknown { .. } => (40, "log_unknown"),
            Self::LogExists { .. } => (41, "log_exists"),
            Self::NotLogOwner { .. } => (42, "not_log_owner"),
            Self::AnchorShrinks { .. } => (43, "anchor_shrinks"),
            Self::AnchorForks { .. } => (44, "anchor_forks"),
            Self::AnchorNotNewer { .. } => (45, "anchor_not_newer"),
            Self::AnchorTwice { .. } => (46, "anchor_twice"),
            Self::NotLogKey { .. } => (47, "not_log_key"),
            Self::CompanionMissing { .. } => (48, "companion_missing"),
            Self::CompanionOutOfPlace { .. } => (49, "companion_out_of_place"),
            Self::CompanionMismatch { .. } => (50, "companion_mismatch"),
            Self::Inconsistent { .. } => (51, "inconsistent"),
            Self::RotatedTwice { .. } => (52, "rotated_twice"),
            Self::ValidatorUnknown { .. } => (60, "validator_unknown"),
            Self::NotStakeOwner { .. } => (61, "not_stake_owner"),
            Self::ValidatorKeyMustSign { .. } => (62, "validator_key_must_sign"),
            Self::Tombstoned { .. } => (63, "tombstoned"),
            Self::InsufficientStake { .. } => (64, "insufficient_stake"),
            Self::StakeTooSmall { .. } => (65, "stake_too_small"),
            Self::ValidatorSetFull { .. } => (66, "validator_set_full"),
            Self::LastValidator { .. } => (67, "last_validator"),
            Self::TooManyUnbondings { .. } => (68, "too_many_unbondings"),
            Self::Duplicate => (80, "duplicate"),
            Self::MempoolFull => (81, "mempool_full"),
            Self::TooManyPending { .. } => (82, "too_many_pending"),
            Self::AnchorSuperseded { .. } => (83, "anchor_superseded"),
            Self::BundleShape { .. } => (84, "bundle_shape"),
            Self::NonceTaken { .. } => (85, "nonce_taken"),
            Self::Unavailable { .. } => (100, "unavailable"),
        }
    }
}
