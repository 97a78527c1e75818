use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;
use pyralog_consensus::mempool::MempoolLimits;
use pyralog_p2p::PeerId;

use super::*;
use crate::driver::{GossipGroup, Judged};

fn shared(height: u64) -> Arc<Shared> {
    Shared::new(height, MempoolLimits::default(), 4, Metrics::register(&mut Registry::default()))
}

fn peer(n: u8) -> PeerId {
    let bytes = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[n; 32]].concat();
    PeerId::from_bytes(&bytes).unwrap()
}

#[test]
fn a_node_catches_up_while_peers_claim_more_than_the_block_under_way() {
    let shared = shared(10);
    assert!(!shared.live().catching_up);
    shared.claim(peer(1), Some(11));
    assert!(!shared.live().catching_up, "one block behind is the usual race");
    shared.claim(peer(2), Some(15));
    let live = shared.live();
    assert_eq!((live.catching_up, live.target), (true, 15));
    assert_eq!(shared.claimants(12), vec![peer(2)]);
    shared.claim(peer(2), None);
    assert!(!shared.live().catching_up, "a claim that is not shown counts no more");
    assert!(!shared.lacks_blocks());
    shared.set_lacks_signed(true);
    assert!(shared.lacks_blocks() && !shared.live().catching_up, "nobody has what was signed");
    shared.set_lacks_signed(false);
    shared.update(|live| live.height = 5);
    assert!(shared.live().catching_up);
}

#[test]
fn peers_and_anchored_leaves_are_facts_and_the_gauges_follow() {
    let shared = shared(10);
    shared.peer_came();
    shared.peer_came();
    shared.peer_went();
    shared.anchored(7);
    assert_eq!((shared.live().peers, shared.live().anchored), (1, 7));
    assert_eq!((shared.metrics.peers.get(), shared.metrics.anchored_size.get()), (1, 7));
    shared.metrics.peers.set(0);
    assert_eq!(shared.live().peers, 1, "a gauge decides nothing");
}

#[test]
fn a_gossip_message_is_judged_once_when_all_its_bundles_are() {
    use Judged::{Never, NotTaken, Taken};
    for (answers, expected) in [
        ([Never, Never, Never], Never),
        ([Never, NotTaken, Never], NotTaken),
        ([NotTaken, Taken, Never], Taken),
        ([Taken, Taken, Taken], Taken),
    ] {
        let heard: Arc<Mutex<Vec<Judged>>> = Arc::default();
        let told = Arc::clone(&heard);
        let group = GossipGroup::new(3, move |judged| told.lock().unwrap().push(judged));
        for (n, answer) in answers.into_iter().enumerate() {
            assert!(heard.lock().unwrap().is_empty(), "nothing is said after {n} of 3");
            group.answer(answer);
        }
        assert_eq!(*heard.lock().unwrap(), [expected]);
    }
}
