//! An unmodified Tendermint light client follows the chain, sequentially and skipping, while the validators change.

use std::time::Duration;

use bytes::Bytes;
use tendermint::{block::signed_header::SignedHeader, node};
use tendermint_light_client_verifier::{
    ProdVerifier, Verdict, Verifier,
    options::Options,
    types::{LightBlock, TrustThreshold},
};

use super::net::{GENESIS, Net, genesis_of};
use crate::block::testing::{key, public};
use crate::block::{ConsensusParams, Timestamp};
use crate::engine::CommittedBlock;

fn light_block(block: &CommittedBlock) -> LightBlock {
    let signed_header = SignedHeader::new(block.block.header.clone(), block.commit.clone()).unwrap();
    let sets = (block.validators.to_tendermint(), block.next_validators.to_tendermint());
    LightBlock::new(signed_header, sets.0, sets.1, node::Id::new([1; 20]))
}

fn verify(trusted: &LightBlock, target: &LightBlock) -> Verdict {
    let options = Options {
        trust_threshold: TrustThreshold::ONE_THIRD,
        trusting_period: Duration::from_secs(3_600),
        clock_drift: Duration::from_secs(5),
    };
    let now = Timestamp(GENESIS + 600_000_000_000).to_time();
    ProdVerifier::default().verify_update_header(target.as_untrusted_state(), trusted.as_trusted_state(), &options, now)
}

fn power(seed: u8, power: u64) -> Bytes {
    [&[b'V'][..], &public(seed).0, &power.to_be_bytes()].concat().into()
}

#[test]
fn the_light_client_accepts_every_block_sequential_and_skipping() {
    let members: Vec<_> = (1..=4).map(|i| (public(i), 10)).collect();
    let genesis = genesis_of(&members, ConsensusParams::DEFAULTS);
    // Six keys run; two of them become validators on the way, one leaves.
    let mut net = Net::with(70, genesis, (1..=6).map(key).collect(), 0);
    net.start_all();
    net.run_to(4, 10_000);
    let send = |net: &mut Net, tx: Bytes| {
        for node in &net.nodes {
            node.pool.0.lock().unwrap().push(tx.clone());
        }
        let height = net.height(0);
        net.run_to(height + 5, 30_000);
    };
    send(&mut net, power(5, 12));
    send(&mut net, power(1, 7));
    send(&mut net, power(6, 3));
    send(&mut net, power(2, 0));
    send(&mut net, power(3, 25));
    net.assert_no_fork();

    let blocks: Vec<_> = net.blocks(0).iter().map(light_block).collect();
    assert!(blocks.len() >= 25);
    let last = &net.blocks(0)[blocks.len() - 1];
    assert_eq!(last.validators.len(), 5);
    for pair in blocks.windows(2) {
        assert_eq!(verify(&pair[0], &pair[1]), Verdict::Success, "height {}", pair[1].height());
    }
    for distance in [2, 3, 7, blocks.len() - 1] {
        for pair in blocks.windows(distance + 1) {
            let (from, to) = (&pair[0], &pair[distance]);
            assert_eq!(verify(from, to), Verdict::Success, "from {} to {}", from.height(), to.height());
        }
    }
    // And it would notice a wrong one.
    let mut wrong = blocks[9].clone();
    wrong.signed_header.header.app_hash = vec![1; 32].try_into().unwrap();
    assert_ne!(verify(&blocks[8], &wrong), Verdict::Success);
}

#[test]
fn the_commit_in_the_next_block_verifies_too() {
    let mut net = Net::new(71, 4, 0);
    net.start_all();
    net.run_to(8, 12_000);
    let blocks = net.blocks(2);
    let first = light_block(&blocks[0]);
    for pair in blocks.windows(2) {
        let mut block = pair[0].clone();
        block.commit = pair[1].block.last_commit.clone().unwrap();
        if block.height > 1 {
            assert_eq!(verify(&first, &light_block(&block)), Verdict::Success);
        }
    }
}
