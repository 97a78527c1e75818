//! What validators say in messages of the consensus topic, in the open: for whoever watches a network (the simulator's observer) or must take
//! the part of a validator that misbehaves.

use malachitebft_core_types::{NilOrVal, PolkaSignature, Round, RoundSignature, SignedMessage, VoteType};
use pyralog_crypto::{Signature, Signer, SignerError};

use super::context::{Ctx, Height, Proposal, SignedProposal, SignedVote, Vote, step_of};
use super::presence::{Answer, Presence};
use super::wire::{Body, WireMessage};
use crate::block::{Part, Step, ValidatorAddress, ValueId, proposal_sign_bytes, vote_sign_bytes};

/// A signed vote or proposal as it stands in a message. Whether the signature verifies is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who claims to have signed it.
    pub address: ValidatorAddress,
    /// Height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// Proposal, prevote or precommit.
    pub step: Step,
    /// What it is for; `None` for nil. A proposal always has a value.
    pub value: Option<ValueId>,
    /// The proof-of-lock round of a proposal; `None` for none, and for votes.
    pub pol_round: Option<u32>,
    /// The signature over [`Statement::sign_bytes`].
    pub signature: Signature,
}

impl Statement {
    /// What its validator signs.
    pub fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        match (self.step, &self.value) {
            (Step::Propose, Some(value)) => {
                proposal_sign_bytes(chain_id, self.height, self.round, self.pol_round, value)
            }
            (step, value) => vote_sign_bytes(chain_id, step, self.height, self.round, value.as_ref()),
        }
    }

    fn of_vote(vote: &SignedVote) -> Self {
        Self {
            address: vote.message.address,
            height: vote.message.height.0,
            round: vote.message.round.as_u32().unwrap_or(0),
            step: step_of(vote.message.step),
            value: vote.message.signed_value().copied(),
            pol_round: None,
            signature: vote.signature,
        }
    }

    fn of_proposal(proposal: &SignedProposal) -> Self {
        Self {
            address: proposal.message.address,
            height: proposal.message.height.0,
            round: proposal.message.round.as_u32().unwrap_or(0),
            step: Step::Propose,
            value: Some(proposal.message.value),
            pol_round: proposal.message.pol_round.as_u32(),
            signature: proposal.signature,
        }
    }

    fn to_proposal(&self) -> Option<SignedProposal> {
        let message = Proposal {
            height: Height(self.height),
            round: Round::new(self.round),
            value: self.value?,
            pol_round: self.pol_round.map_or(Round::Nil, Round::new),
            address: self.address,
        };
        Some(SignedMessage::new(message, self.signature))
    }
}

impl WireMessage {
    /// The message that publishes a vote or a proposal; `None` for a proposal without a value.
    pub fn of(statement: &Statement, attempt: u32) -> Option<Self> {
        let step = match statement.step {
            Step::Propose => return Some(Self { attempt, body: Body::Proposal(statement.to_proposal()?) }),
            Step::Prevote => VoteType::Prevote,
            Step::Precommit => VoteType::Precommit,
        };
        let message = Vote {
            step,
            height: Height(statement.height),
            round: Round::new(statement.round),
            value: statement.value.map_or(NilOrVal::Nil, NilOrVal::Val),
            address: statement.address,
        };
        Some(Self { attempt, body: Body::Vote(SignedMessage::new(message, statement.signature)) })
    }

    /// The message that carries a part of a block with the proposal that it belongs to; `None` if `proposal` is none.
    pub fn of_part(proposal: &Statement, part: Part, attempt: u32) -> Option<Self> {
        Some(Self { attempt, body: Body::Part(Box::new((proposal.to_proposal()?, part))) })
    }

    /// The message that asks for parts of a value. `missing`: ascending.
    pub fn want_parts(height: u64, value: ValueId, missing: Vec<u32>, attempt: u32) -> Self {
        Self { attempt, body: Body::WantParts { height, value, missing } }
    }

    /// The message by which `signer`, at work on `height`, answers a validator that has just started, and the number that it asks under.
    ///
    /// # Errors
    /// The signer's own.
    pub fn presence(
        chain_id: &str,
        signer: &dyn Signer,
        height: u64,
        to: (ValidatorAddress, u64),
        attempt: u32,
    ) -> Result<Self, SignerError> {
        let address = ValidatorAddress::of(&signer.public_key());
        let answers = vec![Answer { asker: to.0, number: to.1, newest: None }];
        let presence = Presence { address, height, asks: None, answers, signature: Signature([0; 64]) };
        Ok(Self { attempt, body: Body::Presence(Box::new(presence.sign(chain_id, signer)?)) })
    }

    /// Whether it carries a part of a block.
    pub fn is_part(&self) -> bool {
        matches!(self.body, Body::Part(_))
    }

    /// Whether it is a vote or a proposal itself, not something that repeats one.
    pub fn is_statement(&self) -> bool {
        matches!(self.body, Body::Vote(_) | Body::Proposal(_))
    }

    /// Everything signed that it carries, certificates and parts included, evidence not.
    pub fn statements(&self) -> Vec<Statement> {
        let vote = |step, height: Height, round: Round, value, address, signature| Statement {
            address,
            height: height.0,
            round: round.as_u32().unwrap_or(0),
            step,
            value,
            pol_round: None,
            signature,
        };
        match &self.body {
            Body::Vote(signed) => vec![Statement::of_vote(signed)],
            Body::Proposal(proposal) => vec![Statement::of_proposal(proposal)],
            Body::Part(part) => vec![Statement::of_proposal(&part.0)],
            Body::Polka(polka) => {
                let value = Some(polka.value_id);
                let one = |s: &PolkaSignature<Ctx>| {
                    vote(Step::Prevote, polka.height, polka.round, value, s.address, s.signature)
                };
                polka.polka_signatures.iter().map(one).collect()
            }
            Body::RoundCertificate(certificate) => {
                let signatures = certificate.round_signatures.iter();
                let one = |s: &RoundSignature<Ctx>| {
                    let value = match s.value_id {
                        NilOrVal::Nil => None,
                        NilOrVal::Val(value) => Some(value),
                    };
                    vote(step_of(s.vote_type), certificate.height, certificate.round, value, s.address, s.signature)
                };
                signatures.map(one).collect()
            }
            Body::WantParts { .. } | Body::Evidence(_) | Body::Presence(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::wire::tests::samples as bodies;
    use super::*;
    use pyralog_crypto::{Decode, Encode};

    fn samples() -> Vec<WireMessage> {
        bodies().into_iter().map(|body| WireMessage { attempt: 3, body }).collect()
    }

    #[test]
    fn what_is_taken_out_can_be_put_back() {
        let mut seen = 0;
        for message in samples() {
            let statements = message.statements();
            if message.is_statement() {
                let again = WireMessage::of(&statements[0], message.attempt).unwrap();
                assert_eq!(again.to_bytes(), message.to_bytes());
                seen += 1;
            } else if let Body::Part(part) = &message.body {
                let again = WireMessage::of_part(&statements[0], part.1.clone(), message.attempt).unwrap();
                assert_eq!(again.to_bytes(), message.to_bytes());
                assert!(message.is_part());
                seen += 1;
            } else if let Body::WantParts { height, value, missing } = &message.body {
                let again = WireMessage::want_parts(*height, *value, missing.clone(), message.attempt);
                assert_eq!(WireMessage::from_bytes(&again.to_bytes()).unwrap(), message);
                seen += 1;
            }
        }
        assert!(seen >= 4, "the samples hold votes, proposals, parts and requests");
    }

    #[test]
    fn certificates_give_up_their_votes() {
        for message in samples() {
            let expected = match &message.body {
                Body::Polka(polka) => polka.polka_signatures.len(),
                Body::RoundCertificate(certificate) => certificate.round_signatures.len(),
                _ => continue,
            };
            assert_eq!(message.statements().len(), expected);
        }
    }
}
