use super::{LightBlock, MAX_LIGHT_BLOCK_JSON};
use crate::light::{
    cbor,
    testkit::{TestChain, TestVote, validators},
};
use proptest::prelude::*;
use pyralog_crypto::Hash;

fn light_block() -> LightBlock {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10), (4, 10), (5, 1)]);
    chain.push_with(vec![], Hash([1; 32]), Some(validators(&[(1, 10), (6, 3)])), 0, |_| TestVote::Commit);
    let votes = [TestVote::Commit, TestVote::Commit, TestVote::Commit, TestVote::Nil, TestVote::Absent];
    chain.push_with(vec![b"tx".to_vec()], Hash([2; 32]), None, 1, |i| votes[i]).light_block()
}

#[test]
fn both_forms_are_read_back() {
    let block = light_block();
    block.check().unwrap();
    assert_eq!(LightBlock::from_json(block.to_json().unwrap().as_bytes()).unwrap(), block);
    assert_eq!(cbor::from_slice::<LightBlock>(&cbor::to_vec(&block).unwrap()).unwrap(), block);
    assert!(LightBlock::from_json(&vec![b' '; MAX_LIGHT_BLOCK_JSON + 1]).is_err());
    assert!(LightBlock::from_json(b"{}").is_err());
}

#[test]
fn every_byte_is_checked() {
    let bytes = cbor::to_vec(&light_block()).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verdict = cbor::from_slice::<LightBlock>(&changed).ok().map(|b| b.check());
        assert!(!matches!(verdict, Some(Ok(_))), "byte {at}");
    }
}

#[test]
fn too_little_power_is_not_a_commit() {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10)]);
    let votes = [TestVote::Commit, TestVote::Commit, TestVote::Absent];
    let block = chain.push_with(vec![], Hash([1; 32]), None, 0, |i| votes[i]).light_block();
    assert!(block.check().unwrap_err().to_string().contains("20 of 30"));
}

#[test]
fn power_of_signers_counts_commits_of_members_only() {
    let block = light_block();
    assert_eq!(block.power_of_signers_in(&block.validators), 30);
    // Whoever of 1, 2, 3 is not in the first three places signed nil or nothing.
    let signers: Vec<u64> =
        block.validators.0[..3].iter().map(|v| block.next_validators.power_of(&v.public_key)).collect();
    assert_eq!(block.power_of_signers_in(&block.next_validators), signers.iter().sum::<u64>());
    assert_eq!(block.power_of_signers_in(&validators(&[(100, 5)])), 0);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = LightBlock::from_json(&bytes);
        let _ = cbor::from_slice::<LightBlock>(&bytes);
    }
}
