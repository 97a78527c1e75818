//! Renewal, expiry, clocks.

use super::*;

#[test]
fn keys_are_renewed_in_turns_and_never_run_out() {
    let mut net = Net::pair(1).started();
    net.run_for(secs(1));
    let (mut last, mut renewed) = (net.key(0, 1), Vec::new());
    for _ in 0..1_300 {
        net.run_for(secs(1));
        assert!(!net.differ(0, 1) || net.key(0, 1) != last);
        if net.agree(0, 1) && net.key(0, 1) != last {
            last = net.key(0, 1);
            renewed.push(net.now);
        }
    }
    let gaps: Vec<u64> = renewed.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(gaps.len() >= 9 && gaps.iter().all(|gap| (119..=121).contains(gap)), "{gaps:?}");
    assert_eq!((net.nodes[0].expired, net.nodes[1].expired), (0, 0));
    let begun = |n: usize| net.sent.iter().filter(|p| p.kind() == 0x81 && p.from == address(n)).count();
    assert!(begun(0).abs_diff(begun(1)) <= 1, "{} and {}", begun(0), begun(1));
    assert_eq!(net.violation, None);
}

#[test]
fn a_side_without_addresses_waits_for_the_other_and_knows_one_then() {
    let mut net = Net::one_way(2);
    net.start(1);
    net.run_for(secs(300));
    assert!(net.sent.is_empty());
    net.start(0);
    net.run_for(secs(700));
    assert!(net.agree(0, 1));
    let begun = |n: usize| net.sent.iter().filter(|p| p.kind() == 0x81 && p.from == address(n)).count();
    assert_eq!((begun(0), begun(1)), (3, 3), "the responder's 120 s are shorter than the initiator's 130");
    assert_eq!(net.nodes[1].expired, 0);
}

#[test]
fn a_key_that_is_too_old_is_gone() -> Checked {
    expiry()
}

pub(super) fn expiry() -> Checked {
    let mut net = Net::pair(3).started();
    net.run_for(secs(1));
    check(net.agree(0, 1), "no key")?;
    net.crash(1);
    net.run_for(REJECT_AFTER - secs(2));
    check(net.key(0, 1).is_some() && net.nodes[0].expired == 0, "a key was given up too early")?;
    net.run_for(secs(2));
    check(net.key(0, 1).is_none() && net.nodes[0].expired == 1, "a key was not given up")?;
    net.run_for(secs(600));
    net.violation.clone().map_or(Ok(()), Err)?;
    check(net.nodes[0].expired == 1, "one key was given up twice")?;
    net.start(1);
    net.run_for(secs(11));
    check(net.agree(0, 1), "no new key when the peer is back")
}

#[test]
fn an_unanswered_handshake_is_replaced_by_a_fresh_one() {
    let mut net = Net::one_way(4);
    net.hold = Box::new(|_| true);
    let mut net = net.started();
    net.run_for(secs(250));
    let mut sidis: Vec<_> = net.held.iter().map(|packet| packet.bytes[4..8].to_vec()).collect();
    sidis.dedup();
    assert_eq!(sidis.len(), 3, "one each 120 s");
}

#[test]
fn on_demand_a_young_key_is_renewed() {
    let mut net = Net::pair(5).started();
    net.run_for(secs(10));
    let (before, peer) = (net.key(0, 1), net.id(1));
    net.input(0, Input::Renew(peer));
    // Twice is once.
    net.input(0, Input::Renew(peer));
    net.run_for(secs(1));
    assert!(net.agree(0, 1) && net.key(0, 1) != before);
    let told = net.nodes[0].told.len();
    net.run_for(secs(60));
    assert_eq!(net.nodes[0].told.len(), told);
}

#[test]
fn after_a_sleep_the_old_key_is_given_up_before_anything_else() {
    let mut net = Net::pair(6).started();
    net.run_for(secs(100));
    let late = net.last(1, 0x84).or_else(|| net.last(1, 0x82)).unwrap();
    // The lid of node 0 is closed for an hour; the first thing that happens is a datagram.
    net.nodes[0].ahead = secs(3_600);
    net.deliver(&late);
    assert_eq!(net.nodes[0].expired, 1);
    net.run_for(secs(11));
    assert!(net.agree(0, 1));
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut net = Net::pair(7).started();
    net.run_for(secs(10));
    let machine = net.nodes[0].machine.as_mut().unwrap();
    let age = machine.key_age(&KeyId::of(&keys(1).public));
    let effects = machine.step(secs(0), &mut rng(1), Input::Wake);
    assert!(effects.iter().all(|effect| matches!(effect, Effect::WakeAt(_))), "{effects:?}");
    assert_eq!(machine.key_age(&KeyId::of(&keys(1).public)), age);
    // And one that is at its end already does not run over.
    machine.step(Duration::MAX, &mut rng(1), Input::Wake);
}

#[test]
fn a_responder_that_restarts_before_the_confirmation_gets_a_new_handshake() -> Checked {
    restart_before_confirmation()
}

pub(super) fn restart_before_confirmation() -> Checked {
    let mut net = Net::one_way(8);
    net.hold = Box::new(|packet| packet.kind() == 0x83);
    let mut net = net.started();
    net.run_for(secs(1));
    check(net.key(0, 1).is_some() && net.key(1, 0).is_none(), "the initiator has a key first")?;
    net.crash(1);
    net.start(1);
    net.hold = Box::new(|_| false);
    net.run_for(secs(15));
    check(net.errors(1).contains(&RosenpassError::Biscuit), "a biscuit opens after a restart")?;
    check(net.agree(0, 1), "the initiator stays with a key that nobody else has")
}
