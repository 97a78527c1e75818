//! Entries of the consensus WAL: what the core must be told again after a crash, with the exact signatures.
//!
//! `01 kind height:u64 body`. A proposed value carries its block's bytes the first time that it is logged at a height.

use bytes::Bytes;
use malachitebft_core_consensus::ProposedValue;
use malachitebft_core_types::{Round, Timeout, TimeoutKind, Validity, ValueOrigin};
use pyralog_crypto::{
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};
use tendermint::evidence::DuplicateVoteEvidence;

use super::context::{CoreInput, Ctx, PolkaCertificate, SignedProposal, SignedVote};
use super::fields::{
    get_height, get_pol_round, get_polka, get_proposal, get_round, get_value, get_vote, put_pol_round, put_polka,
    put_proposal, put_round, put_value, put_vote,
};
use crate::block::{MAX_BLOCK_BYTES_LIMIT, ValidatorAddress, decode_evidence, encode_evidence};

const VERSION: u8 = 1;

/// No height takes so many rounds: at the longest steps they last for years. Who proposes in a round is computed from all rounds before it, so
/// without a bound a damaged entry would keep a starting node busy.
const MAX_LOGGED_ROUND: u32 = 1 << 20;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalEntry {
    /// The height that it is about.
    pub height: u64,
    pub(super) record: Record,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Vote(SignedVote),
    Proposal(SignedProposal),
    Timeout(Timeout),
    Value { value: ProposedValue<Ctx>, block: Option<Bytes> },
    Polka(PolkaCertificate),
    Evidence(Box<DuplicateVoteEvidence>),
}

impl Record {
    /// What the core wants logged; `None` for what it never logs. `block` gives the bytes of a value that was not logged yet.
    pub(super) fn of(input: &CoreInput, block: impl FnOnce(&ProposedValue<Ctx>) -> Option<Bytes>) -> Option<Self> {
        Some(match input {
            CoreInput::Vote(vote) => Self::Vote(vote.clone()),
            CoreInput::Proposal(proposal) => Self::Proposal(proposal.clone()),
            CoreInput::TimeoutElapsed(timeout) => Self::Timeout(*timeout),
            CoreInput::ProposedValue(value, _) => Self::Value { value: value.clone(), block: block(value) },
            CoreInput::PolkaCertificate(polka) => Self::Polka(polka.clone()),
            _ => return None,
        })
    }

    /// What the core is fed at replay; `None` for what is the host's own.
    pub(super) fn to_input(&self) -> Option<CoreInput> {
        Some(match self {
            Self::Vote(vote) => CoreInput::Vote(vote.clone()),
            Self::Proposal(proposal) => CoreInput::Proposal(proposal.clone()),
            Self::Timeout(timeout) => CoreInput::TimeoutElapsed(*timeout),
            Self::Value { value, .. } => CoreInput::ProposedValue(value.clone(), ValueOrigin::Consensus),
            Self::Polka(polka) => CoreInput::PolkaCertificate(polka.clone()),
            Self::Evidence(_) => return None,
        })
    }
}

impl Encode for WalEntry {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION);
        let kind = match &self.record {
            Record::Vote(_) => 1,
            Record::Proposal(_) => 2,
            Record::Timeout(_) => 3,
            Record::Value { .. } => 4,
            Record::Polka(_) => 5,
            Record::Evidence(_) => 6,
        };
        w.u8(kind).u64(self.height);
        match &self.record {
            Record::Vote(vote) => put_vote(w, vote),
            Record::Proposal(proposal) => put_proposal(w, proposal),
            Record::Timeout(timeout) => {
                w.u8(match timeout.kind {
                    TimeoutKind::Propose => 1,
                    TimeoutKind::Prevote => 2,
                    // The core logs no other kind.
                    _ => 3,
                });
                put_round(w, timeout.round);
            }
            Record::Value { value, block } => {
                put_round(w, value.round);
                put_pol_round(w, value.valid_round);
                w.raw(&value.proposer.0);
                put_value(w, &value.value);
                w.bool(value.validity.is_valid()).option(block.as_ref(), |w, block| {
                    w.bytes(block);
                });
            }
            Record::Polka(polka) => put_polka(w, polka),
            Record::Evidence(evidence) => {
                w.bytes(&encode_evidence(evidence));
            }
        }
    }
}

impl Decode for WalEntry {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("WAL entry", VERSION)?;
        let (kind, height) = (r.u8()?, get_height(r)?);
        let record = match kind {
            1 => Record::Vote(get_vote(r)?),
            2 => Record::Proposal(get_proposal(r)?),
            3 => {
                let kind = match r.u8()? {
                    1 => TimeoutKind::Propose,
                    2 => TimeoutKind::Prevote,
                    3 => TimeoutKind::Precommit,
                    other => return Err(CodecError::Tag { what: "timeout", found: other.into() }),
                };
                Record::Timeout(Timeout::new(get_round(r)?, kind))
            }
            4 => {
                let (round, valid_round): (Round, Round) = (get_round(r)?, get_pol_round(r)?);
                let (proposer, value) = (ValidatorAddress(r.array()?), get_value(r)?);
                let validity = Validity::from_bool(r.bool()?);
                let max = MAX_BLOCK_BYTES_LIMIT as usize;
                let block = r.option(|r| Ok(Bytes::copy_from_slice(r.bytes(max)?)))?;
                Record::Value { value: ProposedValue { height, round, valid_round, proposer, value, validity }, block }
            }
            5 => Record::Polka(get_polka(r)?),
            6 => Record::Evidence(Box::new(decode_evidence(r.bytes(1_024)?)?)),
            other => return Err(CodecError::Tag { what: "WAL entry kind", found: other.into() }),
        };
        let inner = match &record {
            Record::Vote(vote) => vote.message.height,
            Record::Proposal(proposal) => proposal.message.height,
            Record::Polka(polka) => polka.height,
            Record::Timeout(_) | Record::Value { .. } | Record::Evidence(_) => height,
        };
        if inner != height {
            return Err(CodecError::Invalid { what: "WAL entry", why: "its message is of another height" });
        }
        let round = match &record {
            Record::Vote(vote) => vote.message.round,
            Record::Proposal(proposal) => proposal.message.round,
            Record::Polka(polka) => polka.round,
            Record::Timeout(timeout) => timeout.round,
            Record::Value { value, .. } => value.round,
            Record::Evidence(_) => Round::Nil,
        };
        if round > Round::new(MAX_LOGGED_ROUND) {
            return Err(CodecError::Invalid { what: "WAL entry", why: "no height takes so many rounds" });
        }
        Ok(Self { height: height.0, record })
    }
}

#[cfg(test)]
mod tests;
