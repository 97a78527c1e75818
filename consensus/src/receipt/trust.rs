//! What the caller of `verify` trusts, and what a verified receipt says.

use crate::light::Validators;
use pyralog_crypto::{Hash, LogId};
use std::time::Duration;
use tendermint::Time;

/// The root of trust. Nothing inside a receipt is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A genesis file.
    Genesis(GenesisTrust),
    /// The header of a block, from a light client or a person.
    Header {
        /// Its height.
        height: u64,
        /// Its hash, which covers chain id and validators.
        hash: Hash,
    },
}

/// What of a genesis file a receipt is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisTrust {
    /// Chain id.
    pub chain_id: String,
    /// The first validator set.
    pub validators: Validators,
    /// Genesis time.
    pub time: Time,
    /// SHA-256 of the file, for the report.
    pub hash: Hash,
}

/// Further demands on a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The oldest root that is accepted.
    pub max_root_age: Option<MaxRootAge>,
}

/// An age and the time it counts back from: `verify` reads no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxRootAge {
    /// The age.
    pub age: Duration,
    /// Now, as the caller knows it.
    pub now: Time,
}

/// What a verified receipt proves, and under which assumptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The chain.
    pub chain_id: String,
    /// The document existed no later than this: the time of the block that holds the anchor.
    pub existed_no_later_than: Time,
    /// Height of that block.
    pub height: u64,
    /// Hash of its header.
    pub header_hash: Hash,
    /// The notary log.
    pub log: LogId,
    /// Index of the leaf in it.
    pub index: u64,
    /// Index in the batch, where the leaf is a batch's.
    pub batch_index: Option<u64>,
    /// Whether the logged leaf hides the digests.
    pub hidden: bool,
    /// What it rests on.
    pub assumptions: Assumptions,
}

/// What a verdict rests on: that the validators between the root and the receipt were less than 1/3 Byzantine by stake, at
/// the time and with their keys ever since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// The root that was used.
    pub root: Root,
    /// Changes of the validator set between the root and the block relied on.
    pub set_changes: usize,
    /// Height of the later header that the receipt was refreshed under, where the way from the root goes through it.
    pub refreshed_under: Option<u64>,
}

/// The root that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The genesis file with this SHA-256.
    Genesis {
        /// Of the file.
        hash: Hash,
        /// Genesis time.
        time: Time,
    },
    /// A trusted header.
    Header {
        /// Height.
        height: u64,
        /// Hash.
        hash: Hash,
        /// Block time.
        time: Time,
    },
}

impl Root {
    /// The root's time.
    pub const fn time(&self) -> Time {
        match self {
            Self::Genesis { time, .. } | Self::Header { time, .. } => *time,
        }
    }
}
