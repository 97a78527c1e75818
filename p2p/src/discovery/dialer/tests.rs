#![allow(clippy::unwrap_used)]

use super::*;

const MIN: Duration = Duration::from_millis(500);
const MAX: Duration = Duration::from_secs(30);

fn address() -> Multiaddr {
    "/ip4/192.0.2.1/tcp/1".parse().unwrap()
}

fn due(dialer: &mut Dialer, now: Instant) -> Vec<PeerId> {
    dialer.due(now).into_iter().map(|(peer, _)| peer).collect()
}

#[test]
fn a_bootstrap_peer_is_dialled_at_once_and_once() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.add_bootstrap(peer, address(), now);
    dialer.add_bootstrap(peer, address(), now);
    assert_eq!(dialer.due(now), vec![(peer, vec![address()])]);
    assert!(dialer.due(now + MAX).is_empty());
    assert_eq!(dialer.dialing(), 1);
}

#[test]
fn failures_back_off_and_a_bootstrap_peer_is_never_given_up() {
    let (mut now, peer) = (Instant::now(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.add_bootstrap(peer, address(), now);
    let mut wait = MIN;
    for _ in 0..40 {
        assert_eq!(due(&mut dialer, now), vec![peer]);
        dialer.lost(&peer, now);
        assert!(due(&mut dialer, now + wait - Duration::from_millis(1)).is_empty());
        now += wait + wait / 4;
        wait = (wait * 2).min(MAX);
    }
    assert_eq!(due(&mut dialer, now), vec![peer]);
}

#[test]
fn a_connection_resets_the_backoff() {
    let (mut now, peer) = (Instant::now(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.add_bootstrap(peer, address(), now);
    for _ in 0..10 {
        dialer.due(now);
        dialer.lost(&peer, now);
        now += MAX * 2;
    }
    dialer.due(now);
    dialer.connected(&peer);
    assert!(due(&mut dialer, now + MAX * 100).is_empty());
    dialer.lost(&peer, now);
    assert_eq!(due(&mut dialer, now + MIN + MIN / 4), vec![peer]);
}

#[test]
fn a_known_peer_rests_after_some_failures() {
    let (mut now, peer) = (Instant::now(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.add_known(peer, now);
    for _ in 0..=PATIENCE {
        assert_eq!(due(&mut dialer, now), vec![peer]);
        dialer.lost(&peer, now);
        now += MAX * 2;
    }
    assert!(due(&mut dialer, now).is_empty());
    assert_eq!(due(&mut dialer, now + MAX * REST), vec![peer]);
    dialer.connected(&peer);
    dialer.lost(&peer, now);
    assert_eq!(due(&mut dialer, now + MIN * 2), vec![peer]);
}

#[test]
fn news_of_strangers_and_double_news_change_nothing() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.connected(&peer);
    dialer.lost(&peer, now);
    assert!(dialer.due(now).is_empty());
    dialer.add_bootstrap(peer, address(), now);
    dialer.due(now);
    dialer.lost(&peer, now);
    dialer.lost(&peer, now + MIN); // the second of two connections: no second penalty
    assert_eq!(due(&mut dialer, now + MIN + MIN / 4), vec![peer]);
}

#[test]
fn dropping_spares_bootstrap_peers() {
    let (now, bootstrap, known) = (Instant::now(), PeerId::random(), PeerId::random());
    let mut dialer = Dialer::new(MIN, MAX);
    dialer.add_bootstrap(bootstrap, address(), now);
    dialer.add_known(known, now);
    dialer.drop_known(&bootstrap);
    dialer.drop_known(&known);
    assert!(dialer.contains(&bootstrap) && !dialer.contains(&known));
}

#[test]
fn backoff_is_bounded_for_any_number_of_failures() {
    let peer = PeerId::random();
    for failures in [0, 1, 2, 31, 32, 33, u32::MAX] {
        let wait = backoff(MIN, MAX, failures, &peer);
        assert!(wait >= MIN && wait <= MAX + MAX / 4);
    }
}
