//! What was sent once and comes again.

use super::*;

/// Two exchanges, one after the other; every datagram of both is at hand.
fn two_exchanges() -> Net {
    let mut net = Net::one_way(1).started();
    net.run_for(secs(1));
    let peer = net.id(1);
    net.input(0, Input::Renew(peer));
    net.run_for(secs(1));
    assert!(net.agree(0, 1) && net.nodes[0].told.len() == 2);
    net
}

#[test]
fn nothing_that_comes_again_makes_a_key() {
    let mut net = two_exchanges();
    let (sent, key) = (net.sent.clone(), net.key(0, 1));
    for packet in sent.iter().chain(sent.iter().rev()) {
        net.deliver(packet);
        net.run_for(millis(700));
    }
    assert_eq!((net.nodes[0].told.len(), net.nodes[1].told.len()), (2, 2));
    assert!(net.agree(0, 1) && net.key(0, 1) == key);
    assert_eq!(net.violation, None);
}

#[test]
fn a_spent_biscuit_is_refused() -> Checked {
    spent_biscuit()
}

pub(super) fn spent_biscuit() -> Checked {
    let mut net = two_exchanges();
    let first = net.sent.iter().find(|packet| packet.kind() == 0x83).cloned().ok_or("no InitConf")?;
    let peer = net.id(0);
    net.deliver(&first);
    check(net.errors(1) == [RosenpassError::SpentBiscuit { peer }], "a biscuit was taken behind a later one")?;
    check(net.nodes[1].told.len() == 2 && net.agree(0, 1), "a spent biscuit made a key")
}

#[test]
fn a_repeated_confirmation_is_acknowledged_and_makes_no_key() -> Checked {
    repeated_confirmation()
}

pub(super) fn repeated_confirmation() -> Checked {
    let mut net = two_exchanges();
    let last = net.last(0, 0x83).ok_or("no InitConf")?;
    let sent = net.sent.len();
    net.deliver(&last);
    let answer = net.sent.get(sent).ok_or("a repeated InitConf is not acknowledged")?;
    check(answer.kind() == 0x84, "a repeated InitConf is answered by something else")?;
    check(net.nodes[1].told.len() == 2, "a repeated InitConf made a key")
}

#[test]
fn a_confirmation_that_was_on_its_way_for_too_long_is_refused() -> Checked {
    old_biscuit()
}

pub(super) fn old_biscuit() -> Checked {
    let mut net = Net::one_way(2);
    net.hold = Box::new(|packet| packet.kind() == 0x83);
    let mut net = net.started();
    net.run_for(secs(1));
    let late = net.held.first().cloned().ok_or("no InitConf")?;
    net.crash(0);
    net.run_for(REJECT_AFTER);
    let peer = net.id(0);
    net.deliver(&late);
    check(
        net.errors(1) == [RosenpassError::OldBiscuit { peer }],
        "a biscuit was taken that is older than a key may be",
    )?;
    check(net.key(1, 0).is_none(), "an old biscuit made a key")
}

#[test]
fn an_init_hello_from_elsewhere_does_not_move_a_peer() {
    let mut net = two_exchanges();
    let mut hello = net.last(0, 0x81).unwrap();
    hello.from = address(9);
    net.deliver(&hello);
    let mut conf = net.last(0, 0x83).unwrap();
    conf.from = address(9);
    net.deliver(&conf);
    let peer = net.id(0);
    net.input(1, Input::Renew(peer));
    assert_eq!(net.sent.last().map(|packet| packet.to), Some(address(0)));
}
