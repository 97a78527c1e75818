//! The message by which validators tell each other that they are there. See `attendance` for what it is for.

use pyralog_crypto::{
    PublicKey, Signature, Signer, SignerError,
    codec::{Reader, Writer},
    error::CodecError,
};

use super::SignMark;
use super::context::{SignedProposal, SignedVote, step_of};
use super::fields::{get_height, get_proposal, get_vote, put_proposal, put_vote};
use crate::block::{Step, ValidatorAddress};

/// Answers in one message; who is left out is answered by the next.
pub(super) const MAX_ANSWERS: usize = 256;

/// A validator is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) address: ValidatorAddress,
    /// The height that it works on: the one after its last block.
    pub(super) height: u64,
    /// It has just started and asks the others, under the number of this start.
    pub(super) asks: Option<u64>,
    /// Ascending by asker and number.
    pub(super) answers: Vec<Answer>,
    /// Over [`Presence::sign_bytes`].
    pub(super) signature: Signature,
}

/// Tells one that has just started what it may have forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) asker: ValidatorAddress,
    /// The number that it asked under.
    pub(super) number: u64,
    /// The last of its own signatures that is known here of the heights under way.
    pub(super) newest: Option<Signed>,
}

/// A signature of the asker, with what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    Vote(SignedVote),
    Proposal(SignedProposal),
}

impl Signed {
    pub(super) fn address(&self) -> ValidatorAddress {
        match self {
            Self::Vote(vote) => vote.message.address,
            Self::Proposal(proposal) => proposal.message.address,
        }
    }

    pub(super) fn mark(&self) -> SignMark {
        let (height, round, step) = match self {
            Self::Vote(vote) => (vote.message.height, vote.message.round, step_of(vote.message.step)),
            Self::Proposal(proposal) => (proposal.message.height, proposal.message.round, Step::Propose),
        };
        SignMark { height: height.0, round: round.as_u32().unwrap_or(0), step }
    }

    fn put(&self, w: &mut Writer) {
        match self {
            Self::Vote(vote) => {
                w.u8(1);
                put_vote(w, vote);
            }
            Self::Proposal(proposal) => {
                w.u8(2);
                put_proposal(w, proposal);
            }
        }
    }

    fn get(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        match r.u8()? {
            1 => get_vote(r).map(Self::Vote),
            2 => get_proposal(r).map(Self::Proposal),
            other => Err(CodecError::Tag { what: "signature in an answer", found: other.into() }),
        }
    }
}

impl Presence {
    const DOMAIN: &str = "pyralog/presence/v1";

    pub(super) fn sign(mut self, chain_id: &str, signer: &dyn Signer) -> Result<Self, SignerError> {
        self.signature = signer.sign(&self.sign_bytes(chain_id))?;
        Ok(self)
    }

    pub(super) fn verify(&self, chain_id: &str, key: &PublicKey) -> bool {
        key.verify(&self.sign_bytes(chain_id), &self.signature).is_ok()
    }

    /// Text `"pyralog/presence/v1"`, text chain id, then all fields but the signature, as [`Presence::put`] writes them.
    fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut w = Writer::signing(Self::DOMAIN, chain_id);
        self.put_unsigned(&mut w);
        w.into_bytes()
    }

    fn put_unsigned(&self, w: &mut Writer) {
        w.raw(&self.address.0).u64(self.height);
        w.option(self.asks.as_ref(), |w, number| {
            w.u64(*number);
        });
        w.list(&self.answers, |w, answer| {
            w.raw(&answer.asker.0).u64(answer.number);
            w.option(answer.newest.as_ref(), |w, newest| newest.put(w));
        });
    }

    pub(super) fn put(&self, w: &mut Writer) {
        self.put_unsigned(w);
        w.raw(&self.signature.0);
    }

    pub(super) fn get(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (address, height) = (ValidatorAddress(r.array()?), get_height(r)?.0);
        let asks = r.option(|r| r.u64())?;
        let answers = r.list(MAX_ANSWERS, Answer::get)?;
        if !answers.windows(2).all(|pair| (pair[0].asker, pair[0].number) < (pair[1].asker, pair[1].number)) {
            return Err(CodecError::Invalid { what: "presence", why: "the answers are not ascending" });
        }
        Ok(Self { address, height, asks, answers, signature: Signature(r.array()?) })
    }
}

impl Answer {
    fn get(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (asker, number) = (ValidatorAddress(r.array()?), r.u64()?);
        let newest = r.option(Signed::get)?;
        if newest.as_ref().is_some_and(|signed| signed.address() != asker) {
            return Err(CodecError::Invalid { what: "presence", why: "it answers with the signature of another" });
        }
        Ok(Self { asker, number, newest })
    }
}
