use std::sync::Arc;

use gotatun::noise::{index_table::IndexTable, rate_limiter::RateLimiter};
use zeroize::Zeroizing;

use super::*;
use crate::tunnel::TunnelSecret;

fn secret(byte: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]))
}

fn key(byte: u8) -> Option<PresharedKey> {
    Some(PresharedKey::new(Zeroizing::new([byte; 32])))
}

fn at(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 51_820))
}

/// The link that `own` keeps of `other`, not admitted.
fn link(other: u8) -> Link {
    Link::new(&TunnelPeer { key: secret(other).public(), endpoint: Some(at(other)), keepalive: None })
}

fn admit(link: &Link, own: u8, preshared: Option<PresharedKey>) {
    link.lock().admit(preshared, Instant::now(), |preshared, keepalive| {
        let limiter = Arc::new(RateLimiter::new(&secret(own).public().x25519(), 100));
        let private = secret(own).x25519().clone();
        Tunn::new(private, link.key.x25519(), preshared, keepalive, IndexTable::from_os_rng(), limiter)
    });
}

fn payload(text: &[u8]) -> Packet {
    let flow = Flow { addresses: (secret(1).public().overlay(), secret(2).public().overlay()), ports: (1, 2) };
    flow.packet(text).unwrap()
}

/// Hands a message over as the network does: as bytes.
fn give(to: &Link, kind: WgKind, from: u8) -> Received {
    let bytes: Packet = kind.into();
    to.lock().receive(bytes.try_into_wg().unwrap(), at(from), Instant::now())
}

/// Side 1's link of 2 and side 2's link of 1 with a session that 1 began.
fn pair(first: Option<PresharedKey>, second: Option<PresharedKey>) -> (Link, Link, Received) {
    let (one, two) = (link(2), link(1));
    admit(&one, 1, first);
    admit(&two, 2, second);
    let initiation = one.lock().initiate(Instant::now()).unwrap();
    let mut answer = give(&two, initiation, 1);
    let received = give(&one, answer.replies.remove(0), 2);
    (one, two, received)
}

#[test]
fn nothing_passes_before_the_first_key() {
    let (one, two) = (link(2), link(1));
    assert!(one.lock().seal(payload(b"early"), Instant::now()).is_none());
    assert!(one.lock().initiate(Instant::now()).is_none());
    admit(&one, 1, key(7));
    let initiation = one.lock().initiate(Instant::now()).unwrap();
    let received = give(&two, initiation, 1);
    assert!(received.replies.is_empty() && received.inner.is_none() && !two.lock().is_admitted());
    assert!(two.lock().tick(Instant::now(), &TunnelLimits::DEFAULTS).packets.is_empty());
}

#[test]
fn a_session_carries_packets_and_moves_with_its_peer() {
    let (one, two, mut received) = pair(key(7), key(7));
    assert!(received.established && received.moved.is_none());
    // The keepalive shows the responder that its answer was used.
    assert!(give(&two, received.replies.remove(0), 1).established);
    let sealed = one.lock().seal(payload(b"hello"), Instant::now()).unwrap();
    let received = give(&two, sealed, 9);
    assert_eq!(received.moved, Some((Some(at(1)), at(9))));
    let packet = received.inner.unwrap();
    let ip::Inner::Udp { payload, .. } = ip::parse(&packet).unwrap().inner else { panic!() };
    assert_eq!(payload, b"hello");
    let stats = two.lock().stats(Instant::now());
    assert_eq!((stats.endpoint, stats.wrong_key, stats.replayed, stats.unused_answers), (Some(at(9)), 0, 0, 0));
    assert!(stats.last_handshake.is_some() && stats.key_age.is_some() && stats.received_bytes > 0);
}

#[test]
fn another_key_stops_everything_and_both_sides_say_so() {
    let (one, two, received) = pair(key(7), key(8));
    assert!(!received.established && received.replies.is_empty());
    for _ in 0..2 {
        let again = one.lock().initiate(Instant::now()).unwrap();
        // Within one timestamp's grain an initiation is a replay.
        std::thread::sleep(Duration::from_millis(20));
        let answer = give(&two, again, 1).replies.pop().unwrap();
        give(&one, answer, 2);
    }
    assert_eq!(one.lock().stats(Instant::now()).wrong_key, 3);
    assert_eq!(two.lock().stats(Instant::now()).unused_answers, 3);
    assert!(one.lock().stats(Instant::now()).last_handshake.is_none());
    assert!(!matches!(one.lock().seal(payload(b"secret"), Instant::now()), Some(WgKind::Data(_))));
}

#[test]
fn a_replay_is_counted_and_goes_nowhere() {
    let (one, two, _) = pair(key(7), key(7));
    let sealed: Packet = one.lock().seal(payload(b"once"), Instant::now()).unwrap().into();
    let copy = bytes::BytesMut::from(&sealed[..]);
    assert!(give(&two, sealed.try_into_wg().unwrap(), 1).inner.is_some());
    let again = give(&two, Packet::from_bytes(copy).try_into_wg().unwrap(), 9);
    assert!(again.inner.is_none() && again.moved.is_none(), "a replay moves no endpoint");
    assert_eq!(two.lock().stats(Instant::now()).replayed, 1);
}

#[test]
fn a_new_key_waits_for_the_next_handshake_and_running_sessions_go_on() {
    let (one, two, _) = pair(key(7), key(7));
    admit(&one, 1, key(8));
    let sealed = one.lock().seal(payload(b"between"), Instant::now()).unwrap();
    assert!(give(&two, sealed, 1).inner.is_some());
    admit(&two, 2, key(8));
    std::thread::sleep(Duration::from_millis(20));
    let initiation = one.lock().initiate(Instant::now()).unwrap();
    let answer = give(&two, initiation, 1).replies.pop().unwrap();
    assert!(give(&one, answer, 2).established);
    assert_eq!(one.lock().stats(Instant::now()).wrong_key, 0);
}

#[test]
fn an_unanswered_first_handshake_is_repeated_at_once_and_then_less_and_less() {
    let one = link(2);
    admit(&one, 1, key(7));
    let mut now = Instant::now();
    assert!(one.lock().initiate(now).is_some());
    let mut waits = Vec::new();
    while let Some(next) = one.lock().tick(now, &TunnelLimits::DEFAULTS).next {
        waits.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1_600]);
}

#[test]
fn a_peer_whose_port_is_closed_is_lost_soon_and_comes_back_with_a_handshake() {
    let (one, two, _) = pair(key(7), key(7));
    let (began, limits) = (Instant::now(), TunnelLimits::DEFAULTS);
    one.lock().refused(began, &limits);
    let due = one.lock().tick(began, &limits);
    assert!(matches!(due.packets[..], [WgKind::HandshakeInit(_)]) && !due.lost);
    assert!(one.lock().tick(began + limits.refused_after, &limits).lost);
    // What is sent now waits for the handshake that it begins.
    let sealed = one.lock().seal(payload(b"again"), Instant::now()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let mut answer = give(&two, sealed, 1);
    let mut received = give(&one, answer.replies.remove(0), 2);
    assert_eq!(received.replies.len(), 2, "the keepalive and what waited");
    assert!(give(&two, received.replies.remove(1), 1).inner.is_some());
}

#[test]
fn nothing_secret_is_printed() {
    let one = link(2);
    admit(&one, 1, Some(PresharedKey::new(Zeroizing::new([0x77; 32]))));
    let printed = format!("{one:?} {:?}", one.lock());
    assert!(!printed.contains("119") && !printed.contains("77, "), "{printed}");
}
