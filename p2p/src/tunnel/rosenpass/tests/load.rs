//! Floods, cookies, rates.

use super::*;

/// An InitHello that everybody can make who has the public key of node `to`: another session id, noise behind it, a right mac.
fn forged(net: &Net, like: &Packet, to: usize, number: u32, from: SocketAddr) -> Packet {
    let mut packet = Packet { from, to: address(to), bytes: like.bytes.clone() };
    packet.bytes[4..8].copy_from_slice(&number.to_be_bytes());
    net.nodes[to].machine.as_ref().unwrap().seal_for_us(&mut packet.bytes);
    packet
}

fn random_address(number: u32) -> SocketAddr {
    SocketAddr::from((number.wrapping_mul(0x9E37_79B1).to_be_bytes(), 7))
}

fn count(net: &Net, n: usize, what: &RosenpassError) -> usize {
    net.nodes[n].errors.iter().filter(|error| *error == what).count()
}

#[test]
fn under_load_a_cookie_is_demanded_and_given() -> Checked {
    cookies()
}

pub(super) fn cookies() -> Checked {
    let mut net = Net::one_way(1);
    net.start(1);
    net.input(1, Input::Loaded);
    net.start(0);
    net.run_for(millis(8));
    let reply = net.last(1, 0x86).ok_or("an InitHello without a cookie was answered under load")?;
    check(reply.bytes.len() == COOKIE_REPLY_BYTES, "a CookieReply has another size")?;
    check(net.last(1, 0x82).is_none(), "a RespHello without a cookie")?;
    net.run_for(millis(40));
    check(net.agree(0, 1), "a cookie is not worth an answer at once")?;
    let hellos: Vec<_> = net.sent.iter().filter(|packet| packet.kind() == 0x81).collect();
    check(hellos.len() == 2 && hellos[0].bytes[1_076..] == [0; 16], "the first InitHello has no cookie")?;
    check(hellos[1].bytes[..1_076] == hellos[0].bytes[..1_076], "the second one differs in its cookie alone")?;

    // The cookie is good for its address only.
    let mut stolen = hellos[1].clone();
    stolen.from = address(2);
    net.input(1, Input::Loaded);
    let sent = net.sent.len();
    net.deliver(&stolen);
    check(net.sent[sent..].iter().all(|packet| packet.kind() == 0x86), "a cookie of another address was accepted")
}

#[test]
fn a_cookie_that_comes_again_changes_nothing() {
    let mut net = Net::one_way(2);
    net.start(1);
    net.input(1, Input::Loaded);
    net.hold = Box::new(|packet| packet.kind() == 0x82);
    net.start(0);
    net.run_for(millis(100));
    let reply = net.last(1, 0x86).unwrap();
    let sent = net.sent.len();
    for _ in 0..5 {
        net.deliver(&reply);
    }
    assert_eq!(net.sent.len(), sent);
    assert_eq!(net.errors(0), vec![RosenpassError::Repeated { peer: net.id(1) }; 5]);
    // One that nobody made.
    let mut forged = reply;
    forged.bytes[40] ^= 1;
    net.deliver(&forged);
    assert_eq!(net.errors(0), [RosenpassError::CookieAuth { peer: net.id(1) }]);
}

#[test]
fn cookies_outlive_one_change_of_their_secret_and_not_two() {
    let mut net = Net::one_way(3);
    net.start(1);
    net.input(1, Input::Loaded);
    net.hold = Box::new(|packet| packet.kind() == 0x82);
    net.start(0);
    net.run_for(millis(100));
    let hello = net.last(0, 0x81).unwrap();
    assert_ne!(hello.bytes[1_076..], [0; 16]);
    for (later, good) in [(secs(0), true), (secs(125), true), (secs(120), false)] {
        net.nodes[1].ahead += later;
        net.input(1, Input::Loaded);
        let sent = net.sent.len();
        net.deliver(&hello);
        let answer = net.sent[sent..].iter().find(|packet| packet.from == address(1)).map(Packet::kind);
        assert_eq!(answer, Some(if good { 0x82 } else { 0x86 }), "{later:?}");
    }
}

#[test]
fn a_flood_from_everywhere_costs_a_bounded_number_of_decapsulations() {
    let mut net = Net::pair(4).started();
    net.run_for(secs(2));
    let like = net.last(1, 0x81).unwrap();
    net.errors(0);
    for number in 0..2_000 {
        let packet = forged(&net, &like, 0, number, random_address(number));
        net.deliver(&packet);
        net.run_for(millis(1));
    }
    let errors = &net.nodes[0].errors;
    let dear = errors.iter().filter(|error| matches!(error, RosenpassError::NotForUs)).count();
    assert!((20..=110).contains(&dear), "{dear} decapsulations in 2 s");
    assert!(count(&net, 0, &RosenpassError::NeedsCookie) > 500);
    assert!(net.sent.iter().filter(|packet| packet.kind() == 0x86).count() <= 1_600, "500 in a second, 500 at once");
    // In the middle of it a peer renews, from where it is known to be.
    let peer = net.id(0);
    let before = net.key(0, 1);
    net.input(1, Input::Renew(peer));
    for number in 2_000..2_500 {
        let packet = forged(&net, &like, 0, number, random_address(number));
        net.deliver(&packet);
        net.run_for(millis(1));
    }
    assert!(net.agree(0, 1) && net.key(0, 1) != before);
    assert_eq!(net.violation, None);
}

#[test]
fn a_flood_from_one_network_is_cut_and_the_others_are_served() {
    let mut net = Net::one_way(5);
    net.start(1);
    net.start(0);
    net.run_for(secs(1));
    let like = net.last(0, 0x81).unwrap();
    net.errors(1);
    for number in 0..300 {
        let from = SocketAddr::from(([203, 0, 113, 5], number as u16 + 1));
        let packet = forged(&net, &like, 1, number, from);
        net.deliver(&packet);
    }
    let dear = count(&net, 1, &RosenpassError::NotForUs);
    assert!(dear <= 33, "{dear}");
    assert!(count(&net, 1, &RosenpassError::SourceOverRate) + count(&net, 1, &RosenpassError::NeedsCookie) >= 267);
    let peer = net.id(1);
    let before = net.key(0, 1);
    net.input(0, Input::Renew(peer));
    net.run_for(secs(1));
    assert!(net.agree(0, 1) && net.key(0, 1) != before);
}

#[test]
fn an_unproven_peer_gets_through_a_flood_with_a_cookie() {
    let mut net = Net::one_way(6);
    net.start(1);
    let spare = Net::one_way(7).started();
    let like = spare.last(0, 0x81).unwrap();
    for number in 0..100 {
        let packet = forged(&net, &like, 1, number, random_address(number));
        net.deliver(&packet);
    }
    net.start(0);
    for number in 100..600 {
        let packet = forged(&net, &like, 1, number, random_address(number));
        net.deliver(&packet);
        net.run_for(millis(1));
    }
    assert!(net.agree(0, 1));
}
