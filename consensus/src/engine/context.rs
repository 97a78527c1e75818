//! Malachite's `Context` over our block types.

use std::fmt;
use std::sync::{Arc, Mutex};

use malachitebft_core_types as core;
use malachitebft_core_types::{NilOrVal, Round, SignedExtension, VoteType};
use pyralog_crypto::{PublicKey, Signature};

use crate::block::{Step, Validator, ValidatorAddress, ValidatorSet, ValueId, proposal_sign_bytes, vote_sign_bytes};

pub(super) type SignedVote = core::SignedVote<Ctx>;
pub(super) type SignedProposal = core::SignedProposal<Ctx>;
pub(super) type PolkaCertificate = core::PolkaCertificate<Ctx>;
pub(super) type RoundCertificate = core::RoundCertificate<Ctx>;
pub(super) type CoreInput = malachitebft_core_consensus::Input<Ctx>;

/// The choice of types, and what is the same for all messages.
#[derive(Clone, Debug)]
pub(super) struct Ctx {
    pub(super) chain_id: Arc<str>,
    /// Planted fault: count the member after the proposer as the proposer.
    #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
    pub(super) wrong_proposer: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Height(pub(super) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl core::Address for ValidatorAddress {}

impl core::Value for ValueId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// Parts never pass through the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoPart;

impl core::ProposalPart<Ctx> for NoPart {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: ValueId,
    pub(super) pol_round: Round,
    pub(super) address: ValidatorAddress,
}

impl core::Proposal<Ctx> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &ValueId {
        &self.value
    }

    fn take_value(self) -> ValueId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &ValidatorAddress {
        &self.address
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) step: VoteType,
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: NilOrVal<ValueId>,
    pub(super) address: ValidatorAddress,
}

impl Vote {
    pub(super) fn signed_value(&self) -> Option<&ValueId> {
        match &self.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(value) => Some(value),
        }
    }
}

/// Vote extensions are disabled.
impl core::Vote<Ctx> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<ValueId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<ValueId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.step
    }

    fn validator_address(&self) -> &ValidatorAddress {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Ctx>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ctx>> {
        None
    }

    fn extend(self, _extension: SignedExtension<Ctx>) -> Self {
        self
    }
}

/// ed25519, 64 bytes. The time that a vote signs follows from its value, so the signature carries none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheme;

impl core::SigningScheme for Scheme {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, &'static str> {
        bytes.try_into().map(Signature).map_err(|_| "a signature has 64 bytes")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        bytes.try_into().map(PublicKey).map_err(|_| "a public key has 32 bytes")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

impl core::Validator<Ctx> for Validator {
    fn address(&self) -> &ValidatorAddress {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// A validator set that is cheap to clone, and remembers whose turn it is in the round that was asked for last, so that high rounds are not
/// computed again from round 0. The answer stays a pure function of set and round.
#[derive(Clone, Debug)]
pub(super) struct SharedSet {
    pub(super) set: Arc<ValidatorSet>,
    turn: Arc<Mutex<(u32, ValidatorSet)>>,
}

impl SharedSet {
    pub(super) fn new(set: ValidatorSet) -> Self {
        let turn = Arc::new(Mutex::new((0, set.clone())));
        Self { set: Arc::new(set), turn }
    }

    pub(super) fn proposer_at(&self, round: u32) -> ValidatorAddress {
        if round == 0 {
            return self.set.proposer().address;
        }
        // The lock is never held across a panic; a poisoned one would only cost the memory.
        let Ok(mut turn) = self.turn.lock() else { return self.set.proposer_at(round).address };
        if turn.0 > round {
            *turn = (0, ValidatorSet::clone(&self.set));
        }
        if turn.0 == 0 {
            turn.1.increment(1);
            turn.0 = 1;
        }
        while turn.0 < round {
            turn.1.advance();
            turn.0 += 1;
        }
        turn.1.proposer().address
    }
}

impl PartialEq for SharedSet {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set
    }
}

impl Eq for SharedSet {}

impl core::ValidatorSet<Ctx> for SharedSet {
    fn count(&self) -> usize {
        self.set.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.set.total_power()
    }

    fn get_by_address(&self, address: &ValidatorAddress) -> Option<&Validator> {
        self.set.get(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.set.validators().get(index)
    }
}

impl core::Context for Ctx {
    type Address = ValidatorAddress;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = SharedSet;
    type Timeouts = core::LinearTimeouts;
    type Value = ValueId;
    type Vote = Vote;
    type Extension = Vec<u8>;
    type SigningScheme = Scheme;

    fn select_proposer<'a>(&self, set: &'a SharedSet, _height: Height, round: Round) -> &'a Validator {
        let address = self.proposer(set, round.as_u32().unwrap_or(0));
        // The address is a member's; a set has at least one.
        set.set.get(&address).unwrap_or_else(|| set.set.proposer())
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: ValueId,
        pol_round: Round,
        address: ValidatorAddress,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<ValueId>, address: ValidatorAddress) -> Vote {
        Vote { step: VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(&self, height: Height, round: Round, value: NilOrVal<ValueId>, address: ValidatorAddress) -> Vote {
        Vote { step: VoteType::Precommit, height, round, value, address }
    }
}

impl Ctx {
    /// Whose turn `round` is.
    pub(super) fn proposer(&self, set: &SharedSet, round: u32) -> ValidatorAddress {
        let address = set.proposer_at(round);
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.wrong_proposer {
            let next = set.set.index_of(&address).map_or(0, |i| (i + 1) % set.set.len());
            return set.set.validators()[next].address;
        }
        address
    }

    pub(super) fn vote_bytes(&self, vote: &Vote) -> Vec<u8> {
        let round = vote.round.as_u32().unwrap_or(0);
        vote_sign_bytes(&self.chain_id, step_of(vote.step), vote.height.0, round, vote.signed_value())
    }

    pub(super) fn proposal_bytes(&self, proposal: &Proposal) -> Vec<u8> {
        let round = proposal.round.as_u32().unwrap_or(0);
        proposal_sign_bytes(&self.chain_id, proposal.height.0, round, proposal.pol_round.as_u32(), &proposal.value)
    }
}

pub(super) fn step_of(kind: VoteType) -> Step {
    match kind {
        VoteType::Prevote => Step::Prevote,
        VoteType::Precommit => Step::Precommit,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::block::testing::public;

    #[test]
    fn the_remembered_turn_is_the_computed_one() {
        let members: Vec<_> =
            [7u64, 3, 5, 1, 900].iter().zip(1..).map(|(power, seed)| (public(seed), *power)).collect();
        let mut set = ValidatorSet::new(&members).unwrap();
        for _ in 0..3 {
            let shared = SharedSet::new(set.clone());
            for round in [0, 5, 5, 3, 200, 1, 0, 201, 7] {
                assert_eq!(shared.proposer_at(round), set.proposer_at(round).address, "round {round}");
            }
            set.increment(1);
        }
    }
}
