//! The plain way.

use super::*;

#[test]
fn both_sides_get_the_same_key() {
    let mut net = Net::one_way(1).started();
    net.run_for(secs(1));
    assert!(net.agree(0, 1));
    let kinds: Vec<(u8, usize)> = net.sent.iter().map(|packet| (packet.kind(), packet.bytes.len())).collect();
    assert_eq!(
        kinds,
        [(0x81, INIT_HELLO_BYTES), (0x82, RESP_HELLO_BYTES), (0x83, INIT_CONF_BYTES), (0x84, EMPTY_DATA_BYTES)]
    );
    assert!(net.sent.iter().all(|packet| is_rosenpass(packet.kind()) && packet.bytes.len() <= MAX_DATAGRAM_BYTES));
    assert_eq!((net.errors(0), net.errors(1)), (vec![], vec![]));
    let age = net.nodes[0].machine.as_ref().unwrap().key_age(&net.id(1));
    assert!(age.is_some_and(|age| age < secs(1)), "{age:?}");
}

#[test]
fn a_pre_shared_key_must_be_the_same() -> Checked {
    with_other_pre_shared_keys()
}

/// A responder with another pre-shared key answers nothing, and says why.
pub(super) fn with_other_pre_shared_keys() -> Checked {
    let mut net = Net::one_way(2);
    net.nodes[0].pre_shared_key = Some([7; 32]);
    let mut net = net.started();
    net.run_for(secs(3));
    check(
        net.sent.iter().all(|packet| packet.kind() == 0x81),
        "an InitHello with another pre-shared key was answered",
    )?;
    let peer = net.id(0);
    check(net.errors(1).contains(&RosenpassError::PreSharedKey { peer }), "nobody was told that pre-shared keys differ")
}

#[test]
fn the_same_pre_shared_key_on_both_sides_changes_the_key() {
    let run = |pre_shared_key: Option<[u8; 32]>| {
        let mut net = Net::one_way(3);
        net.nodes.iter_mut().for_each(|node| node.pre_shared_key = pre_shared_key);
        let mut net = net.started();
        net.run_for(secs(1));
        assert!(net.agree(0, 1));
        net.key(0, 1)
    };
    assert_ne!(run(None), run(Some([7; 32])));
    // None is zeros, as upstream has it.
    assert_eq!(run(None), run(Some([0; 32])));
}

#[test]
fn one_node_has_a_key_for_each_peer() {
    let mut net = Net::new(4, vec![(vec![1, 2], vec![]), (vec![2], vec![0]), (vec![], vec![0, 1])]).started();
    net.run_for(secs(2));
    assert!(net.agree(0, 1) && net.agree(1, 2) && net.agree(0, 2));
    assert_ne!(net.key(0, 1), net.key(0, 2));
    assert_ne!(net.key(0, 1), net.key(1, 2));
}

#[test]
fn lost_datagrams_are_repeated_with_growing_delays() {
    let mut net = Net::one_way(5);
    net.hold = Box::new(|packet| packet.kind() == 0x81);
    let mut net = net.started();
    let mut last = 0;
    let mut times = Vec::new();
    for _ in 0..400 {
        net.run_for(millis(100));
        if net.sent.len() > last {
            last = net.sent.len();
            times.push(net.now);
        }
    }
    let gaps: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!((7..=13).contains(&times.len()), "{gaps:?}");
    assert!((200..=600).contains(&gaps[0]) && (400..=1_100).contains(&gaps[1]), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 10_100), "{gaps:?}");
    net.hold = Box::new(|_| false);
    net.run_for(secs(11));
    assert!(net.agree(0, 1));
}

#[test]
fn a_lost_acknowledgement_is_sent_again() {
    let mut net = Net::one_way(6);
    net.hold = Box::new(|packet| packet.kind() == 0x84);
    let mut net = net.started();
    net.run_for(secs(2));
    assert!(net.agree(0, 1) && net.held.len() > 1, "InitConf is repeated, each is acknowledged");
    assert_ne!(net.held[0].bytes, net.held[1].bytes, "each with a nonce of its own");
    net.hold = Box::new(|_| false);
    net.run_for(secs(3));
    let before = net.sent.len();
    net.run_for(secs(30));
    assert_eq!(net.sent.len(), before, "silence once it is acknowledged");
    assert_eq!((net.nodes[0].told.len(), net.nodes[1].told.len()), (1, 1));
}

#[test]
fn a_peer_that_moves_is_followed() {
    let mut net = Net::one_way(7).started();
    net.run_for(secs(1));
    // The initiator appears at the address of nobody, and speaks.
    let elsewhere = address(2);
    net.hold = Box::new(|packet| packet.from == address(0));
    let peer = net.id(1);
    net.input(0, Input::Renew(peer));
    while let Some(mut packet) = net.held.pop() {
        packet.from = elsewhere;
        net.deliver(&packet);
        // What the responder answers goes there.
        let back = net.sent.last().cloned().filter(|packet| packet.to == elsewhere);
        if let Some(mut back) = back {
            back.to = address(0);
            net.deliver(&back);
        }
    }
    assert!(net.agree(0, 1));
    let peer = net.id(0);
    net.input(1, Input::Renew(peer));
    assert_eq!(net.sent.last().map(|packet| packet.to), Some(elsewhere));
}
