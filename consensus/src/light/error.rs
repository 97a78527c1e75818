//! What a light client refuses.

use super::{detector::Divergence, fault::Fault};
use pyralog_crypto::Hash;

/// A light client's error, grouped by blame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LightError {
    // The caller's input.
    /// An option outside its range.
    #[error("{0}")]
    Options(String),
    /// The trusted header is too old to start from.
    #[error(
        "the latest trusted header (height {height}, {time}) is older than the trusting period allows; give a recent one with --trusted-header HEIGHT:HASH"
    )]
    Expired {
        /// Height of the latest trusted header, 0 for genesis.
        height: u64,
        /// Its time.
        time: tendermint::Time,
    },
    /// The header that the caller trusts is not the one that is shown at its height: nothing says which of them is the chain's.
    #[error("the header of height {height} has the hash {found} at {provider}, not the trusted {trusted}")]
    Root {
        /// Who shows it.
        provider: String,
        /// The height.
        height: u64,
        /// The hash of the header that is shown.
        found: Hash,
        /// The hash that was given.
        trusted: Hash,
    },
    /// A sound light block is shown that cannot follow from the genesis: nothing says which of them is the chain's.
    #[error("{provider}: its chain does not begin with this genesis (block {height}, {fault})")]
    Genesis {
        /// Who shows it.
        provider: String,
        /// The height.
        height: u64,
        /// In what it parts from the genesis.
        fault: Fault,
    },
    /// The stored state cannot be read.
    #[error("the light client's store is damaged: {0}; remove it and start again from genesis or --trusted-header")]
    Store(String),

    // A provider's fault.
    /// A provider could not deliver.
    #[error("{provider}: cannot fetch the light block of height {height}: {reason}")]
    Fetch {
        /// Which one.
        provider: String,
        /// The height asked for.
        height: u64,
        /// The provider's words.
        reason: String,
    },
    /// A provider delivered a light block that does not verify.
    #[error("{provider}: the light block of height {height} does not verify: {fault}")]
    Invalid {
        /// Which one.
        provider: String,
        /// The height.
        height: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// The way to the target takes more light blocks than the caller allows.
    #[error(
        "{provider}: more than {limit} light blocks are needed; raise the limit or start from a later trusted header"
    )]
    TooMuchWork {
        /// Which one.
        provider: String,
        /// The limit.
        limit: usize,
    },
    /// There are witnesses, and none confirmed the header.
    #[error("no witness confirmed the header of height {height}: {}", reasons.join("; "))]
    Unconfirmed {
        /// The height.
        height: u64,
        /// One reason per witness.
        reasons: Vec<String>,
    },

    // An attack on the chain.
    /// Two light blocks of one height verify from the same trusted state.
    #[error("{0}")]
    Divergence(Box<Divergence>),
}
