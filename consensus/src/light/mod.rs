//! Light client: follows the chain by headers, commits and validator sets alone, with fetch functions given by the caller.
//!
//! Reading order: [`LightBlock`] (what is checked in one block), [`verify`](verify()) (one step of trust), [`LightClient`] (many
//! steps, and witnesses). The rules are those of CometBFT's light client specification; verdicts are tested against
//! `tendermint-light-client-verifier`. Receipts are built from the same header, commit and validator types.

pub(crate) mod cbor;
mod client;
mod commit;
mod detector;
mod error;
mod fault;
pub(crate) mod fields;
mod header;
mod light_block;
mod provider;
mod signature_batch;
mod store;
mod trace;
mod validators;
mod verify;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use client::{LightClient, SyncReport};
pub(crate) use commit::is_quorum;
pub use commit::{CommitFields, CommitVote};
pub use detector::Divergence;
pub use error::LightError;
pub use fault::Fault;
pub use header::{BlockId, HeaderFields, HeaderVersion, PartSet};
pub use light_block::{LightBlock, MAX_LIGHT_BLOCK_JSON};
pub use provider::{Fetch, Provider};
pub(crate) use signature_batch::SignatureBatch;
pub use store::{MAX_STORED, TrustedStore};
pub use trace::Mode;
pub use validators::{ValidatorEntry, Validators};
pub use verify::{LightOptions, TrustedState, Verdict, verify};
