#![allow(clippy::unwrap_used)]
use super::*;
use crate::block::testing::{Keys, chain_of, genesis, next_block};
use crate::block::{DuplicateVote, Step, duplicate_vote, testing::value_id};
use proptest::prelude::*;

fn evidence() -> DuplicateVoteEvidence {
    let (keys, set) = (Keys::new(1..=4), genesis().validators);
    let address = set.validators()[2].address;
    let value = value_id(1, 2, 3);
    let signed = |value: Option<crate::block::ValueId>| (value, keys.sign_precommit(&address, 5, 0, value.as_ref()));
    let pair = DuplicateVote {
        address,
        step: Step::Precommit,
        height: 5,
        round: 0,
        votes: [signed(Some(value)), signed(None)],
    };
    duplicate_vote(&pair, &set, crate::block::testing::time(5)).unwrap()
}

#[test]
fn blocks_and_commits_round_trip() {
    let (chain, commit, mut blocks) = chain_of(3);
    blocks.push(next_block(&chain, commit.clone(), 9_000));
    for built in &blocks {
        assert_eq!(decode_block(&built.bytes, 1 << 20).unwrap(), built.block);
    }
    let commit = commit.unwrap();
    assert_eq!(decode_commit(&encode_commit(&commit)).unwrap(), commit);
}

#[test]
fn evidence_keeps_both_powers_and_writes_empty_block_ids_as_go_does() {
    let evidence = evidence();
    assert_ne!(evidence.validator_power, evidence.total_voting_power);
    let bytes = encode_evidence(&evidence);
    let decoded = decode_evidence(&bytes).unwrap();
    assert_eq!(decoded, evidence);
    let raw = raw::DuplicateVoteEvidence::decode(bytes.as_slice()).unwrap();
    assert_eq!((raw.validator_power, raw.total_voting_power), (10, 40));
    let nil = raw.vote_a.unwrap();
    assert_eq!(nil.block_id, Some(block::Id::default().into()), "the nil vote comes first, with an empty block id");
}

#[test]
fn other_encodings_of_the_same_block_are_refused() {
    let (_, _, blocks) = chain_of(1);
    let mut longer = blocks[0].bytes.to_vec();
    longer.extend([0x7a, 0x01, 0x00]); // an unknown field 15
    assert!(decode_block(&longer, 1 << 20).is_err());
    assert!(raw::Block::decode(longer.as_slice()).is_ok(), "protobuf itself would take it");
    assert!(decode_block(&blocks[0].bytes, 10).is_err(), "too long");
    assert!(decode_block(&[], 10).is_err());
}

proptest! {
    #[test]
    fn decoders_never_panic_and_are_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(block) = decode_block(&bytes, 1 << 20) {
            prop_assert_eq!(encode_block(&block), bytes.clone());
        }
        if let Ok(commit) = decode_commit(&bytes) {
            prop_assert_eq!(encode_commit(&commit), bytes.clone());
        }
        if let Ok(evidence) = decode_evidence(&bytes) {
            prop_assert_eq!(encode_evidence(&evidence), bytes);
        }
    }

    #[test]
    fn mutated_bytes_never_panic(at in any::<u16>(), flip in 1u8..=255, cut in any::<u16>()) {
        let (_, commit, blocks) = chain_of(2);
        let inputs = [blocks[1].bytes.to_vec(), encode_commit(&commit.unwrap()), encode_evidence(&evidence())];
        for (kind, mut bytes) in inputs.into_iter().enumerate() {
            let at = at as usize % bytes.len();
            bytes[at] ^= flip;
            bytes.truncate(bytes.len() - cut as usize % 40 % bytes.len());
            match kind {
                0 => { if let Ok(block) = decode_block(&bytes, 1 << 20) { prop_assert_eq!(encode_block(&block), bytes); } }
                1 => { if let Ok(commit) = decode_commit(&bytes) { prop_assert_eq!(encode_commit(&commit), bytes); } }
                _ => { if let Ok(evidence) = decode_evidence(&bytes) { prop_assert_eq!(encode_evidence(&evidence), bytes); } }
            }
        }
    }
}
