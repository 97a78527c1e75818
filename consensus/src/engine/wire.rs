//! Messages of the consensus topic.
//!
//! `01 kind attempt:u32 body`. The attempt number makes a retransmission differ from the message before it, because gossip networks drop
//! bytes that they have seen. It is not signed.

use pyralog_crypto::{
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};
use tendermint::evidence::DuplicateVoteEvidence;

use super::context::{PolkaCertificate, RoundCertificate, SignedProposal, SignedVote};
use super::fields::{
    get_height, get_polka, get_proposal, get_round_certificate, get_value, get_vote, put_polka, put_proposal,
    put_round_certificate, put_value, put_vote,
};
use super::presence::Presence;
use crate::block::{MAX_PARTS, Part, ValueId, decode_evidence, encode_evidence};

/// No message is longer; drivers should refuse more before they buffer it.
pub const MAX_MESSAGE_BYTES: usize = 128 << 10;

const VERSION: u8 = 1;

/// A decoded message of the consensus topic, its content still unproven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireMessage {
    /// Counts retransmissions.
    pub attempt: u32,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Vote(SignedVote),
    Proposal(SignedProposal),
    Polka(PolkaCertificate),
    RoundCertificate(RoundCertificate),
    /// A part of a block with the proposal that it belongs to: nobody but the proposer can make others keep anything.
    Part(Box<(SignedProposal, Part)>),
    /// Asks for parts of a value (none named: for the proposal alone).
    WantParts {
        height: u64,
        value: ValueId,
        missing: Vec<u32>,
    },
    Evidence(Box<DuplicateVoteEvidence>),
    Presence(Box<Presence>),
}

impl Body {
    pub(super) fn height(&self) -> u64 {
        match self {
            Self::Vote(vote) => vote.message.height.0,
            Self::Proposal(proposal) => proposal.message.height.0,
            Self::Polka(polka) => polka.height.0,
            Self::RoundCertificate(certificate) => certificate.height.0,
            Self::Part(part) => part.0.message.height.0,
            Self::WantParts { height, .. } => *height,
            Self::Evidence(evidence) => evidence.vote_a.height.value(),
            Self::Presence(presence) => presence.height,
        }
    }

    pub(super) fn to_wire(&self, attempt: u32) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION);
        let kind = match self {
            Self::Vote(_) => 1,
            Self::Proposal(_) => 2,
            Self::Polka(_) => 3,
            Self::RoundCertificate(_) => 4,
            Self::Part(_) => 5,
            Self::WantParts { .. } => 6,
            Self::Evidence(_) => 7,
            Self::Presence(_) => 8,
        };
        w.u8(kind).u32(attempt);
        match self {
            Self::Vote(vote) => put_vote(&mut w, vote),
            Self::Proposal(proposal) => put_proposal(&mut w, proposal),
            Self::Polka(polka) => put_polka(&mut w, polka),
            Self::RoundCertificate(certificate) => put_round_certificate(&mut w, certificate),
            Self::Part(part) => {
                put_proposal(&mut w, &part.0);
                w.put(&part.1);
            }
            Self::WantParts { height, value, missing } => {
                w.u64(*height);
                put_value(&mut w, value);
                w.list(missing, |w, index| {
                    w.u32(*index);
                });
            }
            Self::Evidence(evidence) => {
                w.bytes(&encode_evidence(evidence));
            }
            Self::Presence(presence) => presence.put(&mut w),
        }
        w.into_bytes()
    }
}

impl Encode for WireMessage {
    fn encode(&self, w: &mut Writer) {
        w.raw(&self.body.to_wire(self.attempt));
    }
}

impl Decode for WireMessage {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        if r.remaining() > MAX_MESSAGE_BYTES {
            return Err(CodecError::TooLong {
                what: "consensus message",
                max: MAX_MESSAGE_BYTES,
                found: r.remaining(),
            });
        }
        r.version("consensus message", VERSION)?;
        let (kind, attempt) = (r.u8()?, r.u32()?);
        let body = match kind {
            1 => Body::Vote(get_vote(r)?),
            2 => Body::Proposal(get_proposal(r)?),
            3 => Body::Polka(get_polka(r)?),
            4 => Body::RoundCertificate(get_round_certificate(r)?),
            5 => Body::Part(Box::new((get_proposal(r)?, r.get()?))),
            6 => {
                let (height, value) = (get_height(r)?.0, get_value(r)?);
                let missing = r.list(MAX_PARTS as usize, |r| r.u32())?;
                let total = value.block_id.part_set_header.total;
                if !missing.windows(2).all(|pair| pair[0] < pair[1]) || missing.last().is_some_and(|i| *i >= total) {
                    return Err(CodecError::Invalid {
                        what: "missing parts",
                        why: "not ascending, or outside the set",
                    });
                }
                Body::WantParts { height, value, missing }
            }
            7 => Body::Evidence(Box::new(decode_evidence(r.bytes(1_024)?)?)),
            8 => Body::Presence(Box::new(Presence::get(r)?)),
            other => return Err(CodecError::Tag { what: "consensus message kind", found: other.into() }),
        };
        Ok(Self { attempt, body })
    }
}

#[cfg(test)]
pub(super) mod tests;
