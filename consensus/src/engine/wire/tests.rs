#![allow(clippy::unwrap_used)]
use super::super::context::{Height, Proposal, Vote};
use super::super::presence::{Answer, Signed};
use super::*;
use crate::block::testing::{Keys, chain_of, genesis, time, value_id};
use crate::block::{DuplicateVote, PartSet, Step, ValidatorAddress, duplicate_vote};
use malachitebft_core_types::{
    NilOrVal, PolkaSignature, Round, RoundCertificateType, RoundSignature, SignedMessage, VoteType,
};
use proptest::prelude::*;
use pyralog_crypto::Signature;

pub(in super::super) fn vote(value: NilOrVal<ValueId>) -> SignedVote {
    let address = ValidatorAddress([3; 20]);
    let vote = Vote { step: VoteType::Precommit, height: Height(7), round: Round::new(2), value, address };
    SignedMessage::new(vote, Signature([9; 64]))
}

pub(in super::super) fn proposal(value: ValueId, pol_round: Round) -> SignedProposal {
    let address = ValidatorAddress([3; 20]);
    let proposal = Proposal { height: Height(7), round: Round::new(2), value, pol_round, address };
    SignedMessage::new(proposal, Signature([8; 64]))
}

pub(in super::super) fn polka() -> PolkaCertificate {
    let polka_signatures = (0..4).map(|i| PolkaSignature::new(ValidatorAddress([i; 20]), Signature([i; 64]))).collect();
    PolkaCertificate { height: Height(7), round: Round::new(1), value_id: value_id(1, 2, 3), polka_signatures }
}

pub(in super::super) fn samples() -> Vec<Body> {
    let built = chain_of(1).2.remove(0);
    let part = PartSet::split(&built.bytes).part(0).unwrap().clone();
    let round_signatures = (0..3)
        .map(|i| {
            let value = if i == 0 { NilOrVal::Nil } else { NilOrVal::Val(value_id(i, i, 1)) };
            RoundSignature::new(VoteType::Prevote, value, ValidatorAddress([i; 20]), Signature([i; 64]))
        })
        .collect();
    let certificate = RoundCertificate {
        height: Height(7),
        round: Round::new(4),
        cert_type: RoundCertificateType::Skip,
        round_signatures,
    };
    vec![
        Body::Vote(vote(NilOrVal::Nil)),
        Body::Vote(vote(NilOrVal::Val(value_id(1, 2, 3)))),
        Body::Proposal(proposal(value_id(1, 2, 3), Round::Nil)),
        Body::Proposal(proposal(value_id(1, 2, 3), Round::new(1))),
        Body::Polka(polka()),
        Body::RoundCertificate(certificate),
        Body::Part(Box::new((proposal(built.value, Round::Nil), part))),
        Body::WantParts { height: 7, value: value_id(1, 2, 3), missing: vec![0] },
        Body::WantParts { height: 7, value: value_id(1, 2, 3), missing: vec![] },
        Body::Evidence(Box::new(evidence())),
        Body::Presence(Box::new(presence(Some(5)))),
        Body::Presence(Box::new(presence(None))),
    ]
}

fn presence(asks: Option<u64>) -> Presence {
    let newest = [
        None,
        Some(Signed::Vote(vote(NilOrVal::Nil))),
        Some(Signed::Proposal(proposal(value_id(1, 2, 3), Round::Nil))),
    ];
    let answer = |(i, newest): (u8, Option<Signed>)| {
        let asker = newest.as_ref().map_or(ValidatorAddress([i; 20]), Signed::address);
        Answer { asker, number: u64::from(i) << 40, newest }
    };
    let mut answers: Vec<_> = (1..4).zip(newest).map(answer).collect();
    answers.sort_by_key(|answer| (answer.asker, answer.number));
    Presence { address: ValidatorAddress([3; 20]), height: 7, asks, answers, signature: Signature([7; 64]) }
}

pub(in super::super) fn evidence() -> DuplicateVoteEvidence {
    let (keys, set) = (Keys::new(1..=4), genesis().validators);
    let address = set.validators()[2].address;
    let votes = [Some(value_id(1, 2, 3)), None].map(|v| (v, keys.sign_precommit(&address, 7, 0, v.as_ref())));
    let pair = DuplicateVote { address, step: Step::Precommit, height: 7, round: 0, votes };
    duplicate_vote(&pair, &set, time(7)).unwrap()
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for body in samples() {
        let bytes = body.to_wire(1);
        // A cut inside a long part proves no more than one at its start.
        for cut in (0..bytes.len()).filter(|cut| *cut < 400 || bytes.len() - cut < 100) {
            assert!(WireMessage::from_bytes(&bytes[..cut]).is_err(), "{} of {} bytes of {body:?}", cut, bytes.len());
        }
    }
}

#[test]
fn one_kind_never_reads_as_another_version_or_an_unknown_kind() {
    for body in samples() {
        let bytes = body.to_wire(1);
        let changed = |at: usize, to: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = to;
            WireMessage::from_bytes(&bytes)
        };
        assert!([0, 2, 255].into_iter().all(|version| changed(0, version).is_err()));
        assert!([0, 9, 255].into_iter().all(|kind| changed(1, kind).is_err()));
    }
}

#[test]
fn messages_round_trip_and_attempts_make_them_differ() {
    for body in samples() {
        let first = WireMessage { attempt: 0, body: body.clone() };
        let again = WireMessage { attempt: 1, body };
        assert_eq!(WireMessage::from_bytes(&first.to_bytes()).unwrap(), first);
        assert_ne!(first.to_bytes(), again.to_bytes());
        assert_eq!(WireMessage::from_bytes(&again.to_bytes()).unwrap().body, first.body);
        assert!(WireMessage::from_bytes(&[first.to_bytes(), vec![0]].concat()).is_err(), "trailing bytes");
    }
}

#[test]
fn vector_of_a_nil_vote() {
    let bytes = Body::Vote(vote(NilOrVal::Nil)).to_wire(5);
    let expected = format!(
        "010100000005{}{}{}{}{}{}",
        "03",
        "0000000000000007",
        "00000002",
        "00",
        "03".repeat(20),
        "09".repeat(64)
    );
    assert_eq!(hex::encode(bytes), expected);
}

#[test]
fn impossible_fields_are_refused() {
    let mut wants = Body::WantParts { height: 7, value: value_id(1, 2, 3), missing: vec![0, 0] };
    assert!(WireMessage::from_bytes(&wants.to_wire(0)).is_err(), "twice");
    wants = Body::WantParts { height: 7, value: value_id(1, 2, 3), missing: vec![1] };
    assert!(WireMessage::from_bytes(&wants.to_wire(0)).is_err(), "outside the set");
    let late = Body::Proposal(proposal(value_id(1, 2, 3), Round::new(2)));
    assert!(WireMessage::from_bytes(&late.to_wire(0)).is_err(), "its proof-of-lock round is not below its round");
    let mut zero = vote(NilOrVal::Nil);
    zero.message.height = Height(0);
    assert!(WireMessage::from_bytes(&Body::Vote(zero).to_wire(0)).is_err());
    let mut far = vote(NilOrVal::Nil);
    far.message.round = Round::new(u32::MAX);
    assert!(WireMessage::from_bytes(&Body::Vote(far).to_wire(0)).is_err());
    assert!(WireMessage::from_bytes(&vec![1; MAX_MESSAGE_BYTES + 1]).is_err());
}

#[test]
fn the_largest_messages_fit() {
    let mut large = polka();
    large.polka_signatures = (0..crate::block::MAX_VALIDATORS)
        .map(|_| PolkaSignature::new(ValidatorAddress([1; 20]), Signature([1; 64])))
        .collect();
    assert!(Body::Polka(large).to_wire(0).len() < MAX_MESSAGE_BYTES);
    let signature = RoundSignature::new(
        VoteType::Prevote,
        NilOrVal::Val(value_id(1, 1, 1)),
        ValidatorAddress([1; 20]),
        Signature([1; 64]),
    );
    let certificate = RoundCertificate {
        height: Height(7),
        round: Round::new(4),
        cert_type: RoundCertificateType::Skip,
        round_signatures: vec![signature; crate::block::MAX_VALIDATORS],
    };
    assert!(Body::RoundCertificate(certificate).to_wire(0).len() < MAX_MESSAGE_BYTES);
    let part = crate::block::Part {
        index: 255,
        bytes: vec![0; crate::block::PART_BYTES].into(),
        proof: crate::block::PartProof(vec![pyralog_crypto::Hash([0; 32]); 8]),
    };
    let part = Body::Part(Box::new((proposal(value_id(1, 1, 1), Round::new(1)), part)));
    assert!(part.to_wire(0).len() < MAX_MESSAGE_BYTES);
}

proptest! {
    #[test]
    fn decoding_is_canonical(random in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..12, at in any::<u16>(), flip in 1u8..=255) {
        let mut mutated = samples().remove(which).to_wire(1);
        let at = at as usize % mutated.len();
        mutated[at] ^= flip;
        for bytes in [random, mutated] {
            if let Ok(message) = WireMessage::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }
    }
}
