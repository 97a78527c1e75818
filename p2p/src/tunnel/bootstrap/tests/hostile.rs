//! Nodes that lie, and nodes that are not there.

use super::message::{Cookie, Message, Wanted};
use super::net::Net;
use super::*;

/// An Ask for the record of node `of`.
fn ask(id: u64, cookie: Cookie, of: u8, own: &[u8]) -> Vec<u8> {
    Message::Ask { id, cookie, wanted: Wanted::Record { of: signer(of).public_key(), own } }.to_bytes()
}

/// What node `n` sends for this datagram.
fn answers(net: &mut Net, n: u8, from: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let node = net.nodes.get_mut(&n).unwrap();
    let effects = node.machine.step(net.now, &mut net.rng, Input::Datagram { from, bytes });
    let sent = |effect| match effect {
        Effect::Send { to, bytes } => {
            assert_eq!(to, from);
            Some(bytes)
        }
        _ => None,
    };
    effects.into_iter().filter_map(sent).collect()
}

/// The cookie that node `n` gives to an address.
fn cookie(net: &mut Net, n: u8, from: SocketAddr) -> Cookie {
    let [bytes] = &answers(net, n, from, &ask(7, [0; 16], n, &[]))[..] else { panic!("one answer") };
    let Ok(Message::Cookie { id: 7, cookie }) = Message::parse(bytes) else { panic!("{bytes:?}") };
    cookie
}

#[test]
fn nobody_is_answered_but_with_a_cookie_before_it_has_shown_its_address() {
    let mut net = Net::new(1, &[1]);
    let forged = ask(7, [9; 16], 1, &record(2, 1).to_bytes());
    let [bytes] = &answers(&mut net, 1, address(2), &forged)[..] else { panic!("one answer") };
    assert!(matches!(Message::parse(bytes), Ok(Message::Cookie { .. })));
    // The cookie of another address, or of another time.
    let mine = cookie(&mut net, 1, address(3));
    let [bytes] = &answers(&mut net, 1, address(2), &ask(7, mine, 1, &[]))[..] else { panic!("one answer") };
    assert!(matches!(Message::parse(bytes), Ok(Message::Cookie { .. })));
    let right = ask(7, mine, 1, &[]);
    let told = |net: &mut Net| {
        let [bytes] = &answers(net, 1, address(3), &right)[..] else { panic!("one answer") };
        matches!(Message::parse(bytes), Ok(Message::Record { .. }))
    };
    assert!(told(&mut net));
    net.now += COOKIE_EPOCH * 2 - secs(1);
    assert!(told(&mut net));
    net.now += secs(1);
    assert!(!told(&mut net));
}

#[test]
fn no_answer_is_longer_than_its_question() {
    let mut net = Net::new(2, &[1]);
    let bearer = cookie(&mut net, 1, address(2));
    let hash = hash_of(&static_key(1));
    let mut asks = vec![ask(1, bearer, 1, &[]), ask(1, bearer, 3, &[]), ask(1, [0; 16], 1, &[])];
    for number in [0, 1, 511, 512, u16::MAX] {
        asks.push(Message::Ask { id: 1, cookie: bearer, wanted: Wanted::Chunk { of: hash, number } }.to_bytes());
    }
    for bytes in asks {
        assert_eq!(bytes.len(), ASK_BYTES);
        let given = answers(&mut net, 1, address(2), &bytes);
        assert_eq!(given.len(), 1);
        assert!(given[0].len() <= bytes.len() && given[0].len() <= crate::tunnel::MAX_SIDE_DATAGRAM);
    }
    // A shorter question gets none.
    let short = &ask(1, bearer, 1, &[])[..ASK_BYTES - 1];
    assert!(answers(&mut net, 1, address(2), short).is_empty());
}

#[test]
fn a_record_that_its_owner_did_not_sign_is_refused() {
    let mut net = Net::new(3, &[1]);
    let bearer = cookie(&mut net, 1, address(2));
    let mut changed = record(2, 1).to_bytes();
    *changed.last_mut().unwrap() ^= 1;
    let bytes = ask(1, bearer, 1, &changed);
    net.input(1, Input::Datagram { from: address(2), bytes: &bytes });
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::Refused { error: BootstrapError::Record(_), .. }]), "{told:?}");
}

#[test]
fn a_flood_of_strangers_is_verified_up_to_a_bound() {
    let mut net = Net::new(4, &[1]);
    let bearer = cookie(&mut net, 1, address(2));
    for sequence in 0..1_000 {
        let bytes = ask(sequence, bearer, 1, &record(2, sequence + 1).to_bytes());
        net.input(1, Input::Datagram { from: address(2), bytes: &bytes });
    }
    let told = net.told(1);
    let verified = told.iter().filter(|effect| matches!(effect, Effect::Introduced { .. })).count();
    assert_eq!(verified, Limits::DEFAULTS.source_introductions_per_second as usize);
    assert_eq!(net.nodes[&1].machine.records().len(), 0, "nothing is kept of strangers");
}

#[test]
fn a_key_with_one_changed_byte_is_refused_and_fetched_anew() {
    let mut net = Net::new(5, &[1, 2]);
    let hash = hash_of(&static_key(2));
    net.meddle = |bytes| {
        // The last chunk is shorter than the others.
        if bytes.len() == 10 + 896 {
            bytes[500] ^= 1;
        }
    };
    net.input(1, Input::Fetch(hash, vec![address(2)]));
    net.run_for(secs(5));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::NotFetched { error: BootstrapError::KeyHash { .. }, .. }]), "{told:?}");
    net.meddle = |_| {};
    net.input(1, Input::Fetch(hash, vec![address(2)]));
    net.run_for(secs(5));
    let told = net.told(1);
    assert!(matches!(&told[..], [Effect::Key { .. }]), "{told:?}");
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut net = Net::new(6, &[1]);
    net.input(1, Input::Seek(peer(2), vec![address(2)]));
    let told = record(2, 1).to_bytes();
    for (id, from) in [(0, address(2)), (1, address(3))] {
        for message in [
            Message::Record { id, record: &told },
            Message::Chunk { id, bytes: &[0; 1_024] },
            Message::Cookie { id, cookie: [1; 16] },
            Message::Nothing { id },
        ] {
            net.input(1, Input::Datagram { from, bytes: &message.to_bytes() });
            let told = net.told(1);
            assert!(matches!(&told[..], [Effect::Refused { error: BootstrapError::NoQuestion, .. }]), "{told:?}");
        }
    }
}

#[test]
fn an_owner_without_the_key_of_its_record_is_named() {
    let mut net = Net::new(7, &[1, 2]);
    net.input(2, Input::Publish(Box::new(record(2, 2)), None));
    let hash = hash_of(&static_key(2));
    net.input(1, Input::Fetch(hash, vec![address(2)]));
    net.run_for(secs(2));
    let told = net.told(1);
    // Further answers to the same effect come too late.
    assert!(matches!(&told[..], [Effect::NotFetched { error: BootstrapError::NoKey { .. }, .. }, ..]), "{told:?}");
}

#[test]
fn what_is_wanted_is_bounded() {
    let limits = Limits { searches: 2, downloads: 2, ..Limits::DEFAULTS };
    let mut net = Net::new(8, &[]);
    net.start(1, limits);
    for n in 2..5 {
        net.input(1, Input::Seek(peer(n), vec![address(n)]));
        net.input(1, Input::Fetch(Hash([n; 32]), vec![address(n)]));
    }
    let told = net.told(1);
    let [Effect::NotFound { error: a, .. }, Effect::NotFetched { error: b, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(a, &BootstrapError::TooMany { what: "searches", max: 2 });
    assert_eq!(b, &BootstrapError::TooMany { what: "keys", max: 2 });
    net.run_for(PATIENCE * 2);
    net.told(1);
    // What was given up gives way.
    net.input(1, Input::Fetch(Hash([9; 32]), vec![address(9)]));
    assert!(net.told(1).is_empty());
}
