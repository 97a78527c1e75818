#![allow(clippy::unwrap_used)]
use super::super::context::Height;
use super::super::wire;
use super::*;
use crate::block::testing::{chain_of, value_id};
use malachitebft_core_types::NilOrVal;
use proptest::prelude::*;

fn samples() -> Vec<WalEntry> {
    let built = chain_of(1).2.remove(0);
    let value = ProposedValue {
        height: Height(7),
        round: Round::new(1),
        valid_round: Round::new(0),
        proposer: ValidatorAddress([3; 20]),
        value: built.value,
        validity: Validity::Valid,
    };
    let records = vec![
        Record::Vote(wire::tests::vote(NilOrVal::Nil)),
        Record::Proposal(wire::tests::proposal(value_id(1, 2, 3), Round::Nil)),
        Record::Timeout(Timeout::new(Round::new(3), TimeoutKind::Propose)),
        Record::Timeout(Timeout::new(Round::new(3), TimeoutKind::Prevote)),
        Record::Timeout(Timeout::new(Round::new(3), TimeoutKind::Precommit)),
        Record::Value { value: value.clone(), block: Some(built.bytes) },
        Record::Value {
            value: ProposedValue { validity: Validity::Invalid, valid_round: Round::Nil, ..value },
            block: None,
        },
        Record::Polka(wire::tests::polka()),
    ];
    records.into_iter().map(|record| WalEntry { height: 7, record }).collect()
}

#[test]
fn entries_round_trip_and_give_the_core_what_it_logged() {
    for entry in samples() {
        let decoded = WalEntry::from_bytes(&entry.to_bytes()).unwrap();
        assert_eq!(decoded, entry);
        let input = decoded.record.to_input().unwrap();
        let Record::Value { block, .. } = &entry.record else {
            assert_eq!(Record::of(&input, |_| None), Some(entry.record));
            continue;
        };
        assert_eq!(Record::of(&input, |_| block.clone()), Some(entry.record.clone()));
    }
}

#[test]
fn an_entry_of_another_height_than_its_message_is_damaged() {
    let mut entry = samples().remove(0);
    entry.height = 8;
    assert!(WalEntry::from_bytes(&entry.to_bytes()).is_err());
    assert!(WalEntry::from_bytes(&[]).is_err());
}

/// Who proposes is computed from round to round: an entry that names one of many millions would keep a starting node busy.
#[test]
fn an_entry_of_a_round_that_no_height_reaches_is_damaged() {
    for sample in samples() {
        let at = |round: u32| {
            let mut entry = sample.clone();
            match &mut entry.record {
                Record::Vote(vote) => vote.message.round = Round::new(round),
                Record::Proposal(proposal) => proposal.message.round = Round::new(round),
                Record::Timeout(timeout) => timeout.round = Round::new(round),
                Record::Value { value, .. } => value.round = Round::new(round),
                Record::Polka(polka) => polka.round = Round::new(round),
                Record::Evidence(_) => {}
            }
            WalEntry::from_bytes(&entry.to_bytes()).is_ok()
        };
        assert!(at(MAX_LOGGED_ROUND) && !at(MAX_LOGGED_ROUND + 1), "{sample:?}");
    }
}

/// A WAL that was cut inside an entry never gives another entry.
#[test]
fn an_entry_cut_at_any_byte_is_refused() {
    let evidence = Record::Evidence(Box::new(wire::tests::evidence()));
    for entry in samples().into_iter().chain([WalEntry { height: 7, record: evidence }]) {
        let bytes = entry.to_bytes();
        assert_eq!(WalEntry::from_bytes(&bytes).unwrap(), entry);
        for cut in 0..bytes.len() {
            assert!(WalEntry::from_bytes(&bytes[..cut]).is_err(), "{cut} of {} bytes", bytes.len());
        }
        assert!(WalEntry::from_bytes(&[bytes, vec![0]].concat()).is_err(), "and nothing stands behind it");
    }
}

#[test]
fn evidence_is_the_hosts_own_and_never_fed_to_the_core() {
    let record = Record::Evidence(Box::new(wire::tests::evidence()));
    assert!(record.to_input().is_none());
}

#[test]
fn what_the_core_never_logs_is_no_entry() {
    let start = CoreInput::Propose(malachitebft_core_consensus::LocallyProposedValue::new(
        Height(1),
        Round::new(0),
        value_id(1, 1, 1),
    ));
    assert_eq!(Record::of(&start, |_| None), None);
}

proptest! {
    #[test]
    fn decoding_is_canonical(random in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..8, at in any::<u16>(), flip in 1u8..=255) {
        let mut mutated = samples().remove(which).to_bytes();
        let at = at as usize % mutated.len();
        mutated[at] ^= flip;
        for bytes in [random, mutated] {
            if let Ok(entry) = WalEntry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes(), bytes);
            }
        }
    }
}
