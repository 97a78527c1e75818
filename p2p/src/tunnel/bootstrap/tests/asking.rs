//! What is asked for comes, whatever the network does.

use super::net::Net;
use super::*;

fn found(told: &[Effect]) -> Vec<PeerId> {
    let of = |effect: &Effect| match effect {
        Effect::Found { record, .. } => Some(record.peer()),
        _ => None,
    };
    told.iter().filter_map(of).collect()
}

fn fetched(told: &[Effect]) -> Option<&StaticPublicKey> {
    told.iter().find_map(|effect| match effect {
        Effect::Key { key, .. } => Some(key),
        _ => None,
    })
}

#[test]
fn two_nodes_come_to_each_others_records_and_keys() {
    let mut net = Net::new(1, &[1, 2]);
    net.input(1, Input::Seek(peer(2), vec![address(2)]));
    net.run_for(secs(1));
    assert_eq!(found(&net.told(1)), [peer(2)]);
    let introduced = net.told(2);
    let [Effect::Introduced { record: of, from }] = &introduced[..] else { panic!("{introduced:?}") };
    assert_eq!((of.peer(), *from), (peer(1), address(1)));
    for (asker, owner) in [(1, 2), (2, 1)] {
        let hash = hash_of(&static_key(owner));
        net.input(asker, Input::Fetch(hash, vec![address(owner)]));
        net.run_for(secs(3));
        assert_eq!(fetched(&net.told(asker)), Some(&static_key(owner)));
    }
    assert!(net.nodes.values().all(|node| node.told.is_empty()));
}

#[test]
fn a_bad_network_makes_it_slow_and_not_wrong() {
    for seed in 0..12 {
        let mut net = Net::new(seed, &[1, 2]);
        (net.lost, net.doubled, net.late) = (200, 100, Duration::from_millis(300));
        net.input(1, Input::Seek(peer(2), vec![address(9), address(2)]));
        let hash = hash_of(&static_key(2));
        net.input(1, Input::Fetch(hash, vec![address(2)]));
        net.run_for(secs(90));
        let told = net.told(1);
        assert_eq!(found(&told), [peer(2)], "seed {seed}");
        assert_eq!(fetched(&told), Some(&static_key(2)), "seed {seed}");
    }
}

#[test]
fn a_third_node_tells_records_on() {
    let mut net = Net::new(2, &[1, 2, 3]);
    net.input(2, Input::Learn(Box::new(record(3, 5))));
    net.input(1, Input::Seek(peer(3), vec![address(2)]));
    net.run_for(secs(1));
    assert_eq!(found(&net.told(1)), [peer(3)]);
    assert!(net.told(2).is_empty(), "nobody wanted a tunnel with it");
    net.input(2, Input::Forget(peer(3)));
    net.input(1, Input::Seek(peer(3), vec![address(2)]));
    net.run_for(secs(1));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFound { error: BootstrapError::Unknown { .. }, .. }]), "{told:?}");
}

#[test]
fn an_older_record_replaces_nothing() {
    let mut net = Net::new(3, &[1, 2]);
    net.input(2, Input::Learn(Box::new(record(3, 5))));
    net.input(2, Input::Learn(Box::new(record(3, 4))));
    assert_eq!(net.nodes[&2].machine.records().get(&peer(3)), Some(&record(3, 5)));
    // Nor is it news when its owner brings it.
    net.input(2, Input::Learn(Box::new(record(1, 5))));
    net.input(1, Input::Seek(peer(2), vec![address(2)]));
    net.run_for(secs(1));
    let told = net.told(2);
    assert!(matches!(&told[..], [Effect::Refused { error: BootstrapError::OldRecord { .. }, .. }]), "{told:?}");
}

#[test]
fn whoever_is_silent_is_given_up() {
    let mut net = Net::new(4, &[1]);
    net.input(1, Input::Seek(peer(2), vec![address(2)]));
    let hash = hash_of(&static_key(2));
    net.input(1, Input::Fetch(hash, vec![address(2), address(3)]));
    net.run_for(PATIENCE + secs(1));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFound { error: BootstrapError::Silent, .. }]), "{told:?}");
    net.run_for(PATIENCE);
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFetched { error: BootstrapError::Silent, .. }]), "{told:?}");
    let (sent, _) = net.sent[&address(1)];
    net.run_for(secs(600));
    assert_eq!(net.sent[&address(1)].0, sent, "it asks on");
}

#[test]
fn what_was_fetched_in_part_is_not_fetched_again() {
    let mut net = Net::new(5, &[1, 2]);
    let hash = hash_of(&static_key(2));
    net.input(1, Input::Fetch(hash, vec![address(2)]));
    net.run_for(Duration::from_millis(300));
    net.lost = 1_000;
    net.run_for(PATIENCE + secs(1));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFetched { error: BootstrapError::Silent, .. }]), "{told:?}");
    let (before, _) = net.sent[&address(2)];
    assert!(before > 40, "{before}");
    net.lost = 0;
    net.input(1, Input::Fetch(hash, vec![address(2)]));
    net.run_for(secs(5));
    assert_eq!(fetched(&net.told(1)), Some(&static_key(2)));
    // 512 chunks and a few cookies.
    let (after, _) = net.sent[&address(2)];
    assert!(after < 512 + 120, "{before} {after}");
}

#[test]
fn another_node_at_the_address_is_named() {
    let mut net = Net::new(6, &[1, 2]);
    // Node 2 has nothing of peer 3, and is asked at an address that was its own.
    net.input(1, Input::Seek(peer(3), vec![address(2)]));
    net.run_for(secs(1));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFound { error: BootstrapError::Unknown { .. }, .. }]), "{told:?}");
    let empty = vec![];
    net.input(1, Input::Seek(peer(3), empty));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFound { error: BootstrapError::NoAddress, .. }]), "{told:?}");
}
