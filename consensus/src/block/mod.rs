//! Blocks as CometBFT writes them: every hash and every signed byte of this module is what a Tendermint light client expects.
//!
//! The types of `tendermint` 0.41 are used where they are right; where they are not (evidence powers, the empty commit of block 1,
//! proposer priorities) the encoding is our own and tested against blocks that Go nodes wrote.
//!
//! What differs from CometBFT 0.38 is stated in `docs/protocol.md`: a precommit for a block signs the *header's* time and a nil
//! precommit signs [`NIL_TIME_SECONDS`], so timestamps carry no information and cannot be played with.

mod address;
mod build;
mod chain_state;
mod codec;
mod commit;
mod evidence;
mod hash;
mod params;
mod parts;
mod quorum;
mod sign_bytes;
mod time;
mod validate;
mod validator_set;
mod validator_update;
mod value_id;

pub use address::ValidatorAddress;
pub use build::{BlockDraft, BuiltBlock};
pub use chain_state::{ChainState, MAX_CHAIN_STATE_BYTES};
pub(crate) use chain_state::{get_block_id, get_time, put_block_id, put_time};
pub use codec::{decode_block, decode_commit, decode_evidence, encode_block, encode_commit, encode_evidence};
pub use commit::{CommitVotes, PlainVerifier, SignatureItem, SignatureVerifier, assemble_commit, verify_commit};
pub(crate) use evidence::is_expired;
pub use evidence::{DuplicateVote, EvidenceContext, check_duplicate_vote, duplicate_vote, verify_duplicate_vote};
pub use hash::{
    commit_hash, data_hash, evidence_hash, from_tendermint_hash, results_hash, simple_root, to_tendermint_hash, tx_hash,
};
pub use params::{ConsensusParams, MAX_BLOCK_BYTES_LIMIT};
pub use parts::{MAX_PARTS, PART_BYTES, Part, PartProof, PartSet, part_set_header};
pub use quorum::Quorum;
pub use sign_bytes::{Step, proposal_sign_bytes, vote_sign_bytes};
pub use time::{NIL_TIME_SECONDS, TimeRule, Timestamp, nil_time};
pub use validate::validate_block;
pub use validator_set::{MAX_TOTAL_POWER, MAX_VALIDATORS, Validator, ValidatorSet};
pub use value_id::ValueId;

/// The block protocol version that CometBFT 0.34 to 1.0 write into a header.
pub const BLOCK_PROTOCOL: u64 = 11;
/// The application protocol version in a header. 1 is the ledger of `docs/protocol.md`.
pub const APP_PROTOCOL: u64 = 1;

#[cfg(test)]
mod fixtures_test;
#[cfg(test)]
pub(crate) mod testing;
