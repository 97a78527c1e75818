//! The bytes that validators sign: CometBFT's canonical votes and proposals, length-prefixed.

use prost::Message;
use tendermint_proto::v0_38::types::{
    CanonicalBlockId, CanonicalPartSetHeader, CanonicalProposal, CanonicalVote, SignedMsgType,
};

use super::{ValueId, nil_time};

/// What is signed at a height and round, in the order in which an honest validator signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// A proposal.
    Propose = 1,
    /// A prevote.
    Prevote = 2,
    /// A precommit.
    Precommit = 3,
}

impl Step {
    /// From its number.
    pub fn from_u8(step: u8) -> Option<Self> {
        [Self::Propose, Self::Prevote, Self::Precommit].into_iter().find(|s| *s as u8 == step)
    }
}

/// What a vote signs. `value` is `None` for nil; the time is that of the value, or [`super::nil_time`].
///
/// `step` is [`Step::Prevote`] or [`Step::Precommit`].
pub fn vote_sign_bytes(chain_id: &str, step: Step, height: u64, round: u32, value: Option<&ValueId>) -> Vec<u8> {
    let time = value.map_or_else(nil_time, |value| value.time);
    vote_sign_bytes_at(chain_id, step, height, round, value.map(|v| &v.block_id), time)
}

/// As [`vote_sign_bytes`] with any time, for checking evidence that claims one.
pub(super) fn vote_sign_bytes_at(
    chain_id: &str,
    step: Step,
    height: u64,
    round: u32,
    block_id: Option<&tendermint::block::Id>,
    time: tendermint::Time,
) -> Vec<u8> {
    let kind = if step == Step::Prevote { SignedMsgType::Prevote } else { SignedMsgType::Precommit };
    CanonicalVote {
        r#type: kind as i32,
        height: height as i64,
        round: i64::from(round),
        block_id: block_id.map(canonical_block_id),
        timestamp: Some(time.into()),
        chain_id: chain_id.to_owned(),
    }
    .encode_length_delimited_to_vec()
}

/// What a proposal signs; its time is that of the value.
pub fn proposal_sign_bytes(
    chain_id: &str,
    height: u64,
    round: u32,
    pol_round: Option<u32>,
    value: &ValueId,
) -> Vec<u8> {
    CanonicalProposal {
        r#type: SignedMsgType::Proposal as i32,
        height: height as i64,
        round: i64::from(round),
        pol_round: pol_round.map_or(-1, i64::from),
        block_id: Some(canonical_block_id(&value.block_id)),
        timestamp: Some(value.time.into()),
        chain_id: chain_id.to_owned(),
    }
    .encode_length_delimited_to_vec()
}

fn canonical_block_id(id: &tendermint::block::Id) -> CanonicalBlockId {
    CanonicalBlockId {
        hash: id.hash.as_bytes().to_vec(),
        part_set_header: Some(CanonicalPartSetHeader {
            total: id.part_set_header.total,
            hash: id.part_set_header.hash.as_bytes().to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::block::testing::value_id;
    use tendermint::{Time, vote};

    fn go_zero_time() -> Time {
        Time::from_unix_timestamp(-62_135_596_800, 0).unwrap()
    }

    /// CometBFT types/vote_test.go, TestVoteSignBytesTestVectors: cases 1 (precommit), 2 (prevote) and 4 (with a chain id).
    #[test]
    fn vectors_of_cometbft() {
        let zero_time = [0x2a, 0xb, 0x8, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 0x1];
        let case = |kind: u8| {
            let mut want = vec![0x21, 0x8, kind, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x19, 1, 0, 0, 0, 0, 0, 0, 0];
            want.extend(zero_time);
            want
        };
        let got = |chain: &str, step| vote_sign_bytes_at(chain, step, 1, 1, None, go_zero_time());
        assert_eq!(got("", Step::Precommit), case(2));
        assert_eq!(got("", Step::Prevote), case(1));
        let mut with_chain = case(2);
        with_chain[0] = 0x30;
        with_chain.extend([0x32, 0xd]);
        with_chain.extend(b"test_chain_id");
        assert_eq!(got("test_chain_id", Step::Precommit), with_chain);
    }

    #[test]
    fn agrees_with_tendermint_rs() {
        let value = value_id(7, 3, 99);
        let vote = tendermint::Vote {
            vote_type: vote::Type::Precommit,
            height: 5u32.into(),
            round: 2u16.into(),
            block_id: Some(value.block_id),
            timestamp: Some(value.time),
            validator_address: tendermint::account::Id::new([1; 20]),
            validator_index: 0u32.try_into().unwrap(),
            signature: None,
            extension: vec![],
            extension_signature: None,
        };
        let ours = vote_sign_bytes("pyralog-dev-1", Step::Precommit, 5, 2, Some(&value));
        assert_eq!(ours, vote.into_signable_vec("pyralog-dev-1".parse().unwrap()));

        for pol in [None, Some(1u16)] {
            let proposal = tendermint::Proposal {
                msg_type: tendermint::proposal::Type::Proposal,
                height: 5u32.into(),
                round: 2u16.into(),
                pol_round: pol.map(Into::into),
                block_id: Some(value.block_id),
                timestamp: Some(value.time),
                signature: None,
            };
            let ours = proposal_sign_bytes("pyralog-dev-1", 5, 2, pol.map(Into::into), &value);
            assert_eq!(ours, proposal.into_signable_vec("pyralog-dev-1".parse().unwrap()));
        }
    }

    #[test]
    fn every_field_is_signed() {
        let (a, b) = (value_id(1, 1, 1), value_id(1, 1, 2));
        let base = vote_sign_bytes("c", Step::Prevote, 1, 0, Some(&a));
        for other in [
            vote_sign_bytes("d", Step::Prevote, 1, 0, Some(&a)),
            vote_sign_bytes("c", Step::Precommit, 1, 0, Some(&a)),
            vote_sign_bytes("c", Step::Prevote, 2, 0, Some(&a)),
            vote_sign_bytes("c", Step::Prevote, 1, 1, Some(&a)),
            vote_sign_bytes("c", Step::Prevote, 1, 0, Some(&b)),
            vote_sign_bytes("c", Step::Prevote, 1, 0, None),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn steps_are_numbered() {
        assert_eq!(Step::from_u8(3), Some(Step::Precommit));
        assert_eq!((Step::from_u8(0), Step::from_u8(4)), (None, None));
        assert!(Step::Propose < Step::Prevote && Step::Prevote < Step::Precommit);
    }
}
