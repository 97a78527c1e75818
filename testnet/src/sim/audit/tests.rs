use tendermint::block::CommitSig;

use super::super::plan::{Plan, SECOND};
use super::super::rig_test::{blocks, grown};
use super::super::setting::{all_accounts, genesis};
use super::*;

const HEIGHTS: u64 = 8;
const LATER: u64 = GENESIS + 3_600 * SECOND;

fn fresh() -> Audit {
    let plan = Plan::calm(1);
    Audit::new(&genesis(&plan).unwrap(), all_accounts(plan.nodes())).unwrap()
}

fn chain(seed: u64) -> Vec<CommittedBlock> {
    let mut blocks = blocks(&grown(Plan::calm(seed), HEIGHTS));
    blocks.truncate(HEIGHTS as usize);
    blocks
}

/// What the audit says of the block behind the first `good` ones of a chain, after a change.
fn judged(blocks: &[CommittedBlock], good: usize, change: impl FnOnce(&mut CommittedBlock)) -> Rule {
    let mut audit = fresh();
    for block in &blocks[..good] {
        audit.committed(block, LATER).unwrap();
    }
    let mut changed = blocks[good].clone();
    change(&mut changed);
    audit.committed(&changed, LATER).unwrap_err().0
}

#[test]
fn a_real_chain_is_accepted_from_every_node_again() {
    let blocks = chain(1);
    let mut audit = fresh();
    for block in &blocks {
        audit.committed(block, LATER).unwrap();
        audit.committed(block, LATER).unwrap();
    }
    assert_eq!(audit.height(), HEIGHTS);
    assert!(audit.txs > 0, "blocks without transactions prove little");
    assert_eq!(audit.validators(1).map(|set| set.len()), Some(4));
    assert_eq!(audit.validators(HEIGHTS + 2).map(|set| set.len()), Some(4));
    assert!(audit.validators(HEIGHTS + 3).is_none() && audit.validators(0).is_none());
}

/// Two chains of one genesis, each with its blocks, executions and commits in order: what a fork is.
#[test]
fn a_fork_is_noticed_at_its_first_block() {
    let (one, other) = (chain(1), chain(2));
    assert_eq!(one[0].validators, other[0].validators);
    assert_ne!(one[0].block_id, other[0].block_id, "seeds give different blocks");
    let mut alone = fresh();
    for block in &other {
        alone.committed(block, LATER).unwrap();
    }
    let mut audit = fresh();
    for block in &one[..3] {
        audit.committed(block, LATER).unwrap();
    }
    let (rule, what) = audit.committed(&other[0], LATER).unwrap_err();
    assert_eq!(rule, Rule::Agreement);
    assert!(what.contains("two blocks at height 1"), "{what}");
}

#[test]
fn another_state_or_result_after_the_same_block_is_noticed() {
    let blocks = chain(1);
    assert_eq!(judged(&blocks, 2, |block| block.app_hash.0[0] ^= 1), Rule::Agreement);
    let mut audit = fresh();
    audit.committed(&blocks[0], LATER).unwrap();
    let mut other = blocks[0].clone();
    other.chain = Arc::clone(&blocks[1].chain);
    assert_eq!(audit.committed(&other, LATER).unwrap_err().0, Rule::Agreement);
}

#[test]
fn a_height_before_the_one_below_it_is_noticed() {
    let blocks = chain(1);
    assert_eq!(fresh().committed(&blocks[1], LATER).unwrap_err().0, Rule::Agreement);
}

#[test]
fn an_invalid_block_is_noticed() {
    let blocks = chain(1);
    let hash = blocks[0].block.header.data_hash;
    assert_eq!(judged(&blocks, 2, |block| block.block.header.last_results_hash = None), Rule::Execution);
    assert_eq!(judged(&blocks, 2, |block| block.block.header.validators_hash = hash.unwrap()), Rule::Execution);
    assert_eq!(judged(&blocks, 2, |block| block.block.last_commit = None), Rule::Execution);
}

#[test]
fn a_block_from_the_future_is_noticed() {
    let blocks = chain(1);
    let time = Timestamp::from_time(blocks[0].block.header.time).unwrap().0;
    fresh().committed(&blocks[0], time - 2 * PRECISION).unwrap();
    assert_eq!(fresh().committed(&blocks[0], time - 2 * PRECISION - 1).unwrap_err().0, Rule::Time);
}

#[test]
fn a_commit_that_no_light_client_takes_is_noticed() {
    let blocks = chain(1);
    let thin = |block: &mut CommittedBlock| {
        block.commit.signatures[0] = CommitSig::BlockIdFlagAbsent;
        block.commit.signatures[1] = CommitSig::BlockIdFlagAbsent;
    };
    assert_eq!(judged(&blocks, 3, thin), Rule::LightClient);
    let swap = |block: &mut CommittedBlock| block.commit.signatures.swap(0, 1);
    assert_eq!(judged(&blocks, 3, swap), Rule::LightClient);
}

#[test]
fn money_that_appears_or_vanishes_is_noticed() {
    let block = chain(1).remove(0);
    for change in [1i64, -1] {
        let mut audit = fresh();
        audit.supply = audit.supply.saturating_add_signed(change);
        assert_eq!(audit.committed(&block, LATER).unwrap_err().0, Rule::Supply);
    }
    let mut audit = fresh();
    audit.accounts.pop();
    assert_eq!(audit.committed(&block, LATER).unwrap_err().0, Rule::Supply, "an account that nobody counts");
}

#[test]
fn an_anchor_that_does_not_grow_its_log_is_noticed() {
    let mut audit = fresh();
    let mut anchors = Vec::new();
    // Some seeds anchor early, some late.
    for block in blocks(&grown(Plan::calm(3), 3 * HEIGHTS)) {
        audit.committed(&block, LATER).unwrap();
        let of_block = block.block.data.iter().map(|tx| Bytes::copy_from_slice(tx));
        anchors.extend(of_block.filter(|tx| matches!(Envelope::decode(tx), Ok(Envelope::Anchor(_)))));
    }
    assert!(audit.anchors > 0 && anchors.len() as u64 == audit.anchors);
    let last = anchors.pop().unwrap();
    assert_eq!(audit.check_anchors(std::slice::from_ref(&last)).unwrap_err().0, Rule::Anchor, "the same size again");
    let Ok(Envelope::Anchor(anchor)) = Envelope::decode(&last) else { unreachable!("it was one") };
    audit.anchored.remove(&anchor.checkpoint.checkpoint.log);
    audit.check_anchors(std::slice::from_ref(&last)).unwrap();
    audit.anchored.clear();
    let mut forged = last.to_vec();
    let end = forged.len() - 1;
    forged[end] ^= 1;
    assert_eq!(audit.check_anchors(&[forged.into()]).unwrap_err().0, Rule::Anchor, "not signed by its owner");
}
