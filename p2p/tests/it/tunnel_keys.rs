//! Who may speak in a tunnel, and with which key.

use std::time::Duration;

use pyralog_p2p::{
    PostQuantum, PresharedKey, SideDatagram, Tunnel, TunnelConfig, TunnelError, TunnelEvent, TunnelKey, TunnelPeer,
    TunnelQueues,
};
use tokio::net::UdpSocket;
use zeroize::Zeroizing;

use crate::{
    mesh::{join, secret},
    net::{soon, until},
};

/// Long enough for what must not happen.
pub const A_WHILE: Duration = Duration::from_millis(500);

pub fn config(seed: u8) -> TunnelConfig {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    TunnelConfig::new(secret(seed), "127.0.0.1:0".parse().unwrap())
}

pub async fn start(seed: u8) -> (Tunnel, TunnelQueues) {
    Tunnel::start(config(seed)).await.unwrap()
}

pub fn preshared(byte: u8) -> PresharedKey {
    PresharedKey::new(Zeroizing::new([byte; 32]))
}

pub fn peer_of(tunnel: &Tunnel) -> TunnelPeer {
    TunnelPeer { key: tunnel.key(), endpoint: Some(tunnel.local_addr()), keepalive: None }
}

/// Whether a packet comes there and back. What goes out while keys change can be lost, so it is sent again.
pub async fn reaches(from: &Tunnel, to: TunnelKey) -> bool {
    for _ in 0..40 {
        if from.ping(&to, A_WHILE).await.unwrap().is_some() {
            return true;
        }
    }
    false
}

pub async fn is_cut_off(from: &Tunnel, to: TunnelKey) -> bool {
    from.ping(&to, A_WHILE).await.unwrap().is_none()
}

#[tokio::test]
async fn two_peers_with_one_key_reach_each_other() {
    let ((one, _one), (other, _other)) = (start(1).await, start(2).await);
    join(&one, &other);
    assert!(reaches(&one, other.key()).await && reaches(&other, one.key()).await);
    let link = one.link_stats(&other.key()).unwrap();
    assert!(link.admitted && link.last_handshake.is_some() && link.sent_bytes > 0 && link.received_bytes > 0);
    assert_eq!((link.endpoint, link.loss), (Some(other.local_addr()), 0.0));
    assert_eq!(link.overlay, other.overlay());
}

#[tokio::test]
async fn no_packet_passes_before_the_first_post_quantum_key() {
    let ((one, _one), (other, _other)) = (start(1).await, start(2).await);
    one.set_peer(&peer_of(&other)).unwrap();
    other.set_peer(&peer_of(&one)).unwrap();
    assert!(is_cut_off(&one, other.key()).await);
    assert_eq!(one.link_stats(&other.key()).map(|link| (link.admitted, link.sent_bytes)), Some((false, 0)));
    // One side alone has a key: its handshakes are refused.
    one.set_preshared_key(&other.key(), preshared(7)).unwrap();
    until("a refused handshake", || async { other.counters().unkeyed > 0 }).await;
    assert!(is_cut_off(&one, other.key()).await);
    other.set_preshared_key(&one.key(), preshared(7)).unwrap();
    assert!(reaches(&one, other.key()).await);
    // And nothing again once it is forgotten.
    other.forget_preshared_key(&one.key()).unwrap();
    assert!(is_cut_off(&other, one.key()).await);
}

#[tokio::test]
async fn peers_speak_at_once_where_no_post_quantum_key_is_asked_for() {
    let mut tunnels = Vec::new();
    for seed in [1, 2] {
        tunnels.push(Tunnel::start(TunnelConfig { post_quantum: PostQuantum::Off, ..config(seed) }).await.unwrap());
    }
    let ((one, _), (other, _)) = (&tunnels[0], &tunnels[1]);
    one.set_peer(&peer_of(other)).unwrap();
    other.set_peer(&TunnelPeer { endpoint: None, ..peer_of(one) }).unwrap();
    assert!(reaches(one, other.key()).await && reaches(other, one.key()).await);
}

#[tokio::test]
async fn a_keepalive_opens_a_link_and_keeps_it_heard() {
    let ((one, _one), (other, _other)) = (start(1).await, start(2).await);
    other.set_peer(&TunnelPeer { endpoint: None, ..peer_of(&one) }).unwrap();
    other.set_preshared_key(&one.key(), preshared(7)).unwrap();
    one.set_peer(&TunnelPeer { keepalive: Some(1), ..peer_of(&other) }).unwrap();
    one.set_preshared_key(&other.key(), preshared(7)).unwrap();
    let heard = || other.link_stats(&one.key()).unwrap().received_bytes;
    until("a session", || async { other.link_stats(&one.key()).unwrap().last_handshake.is_some() }).await;
    tokio::time::sleep(A_WHILE).await;
    let link = other.link_stats(&one.key()).unwrap();
    assert!(link.last_heard.is_some() && heard() > 0);
    // Nobody sends data; the keepalives arrive all the same.
    until("a later keepalive", || async {
        let now = other.link_stats(&one.key()).unwrap();
        now.last_heard < link.last_heard || now.last_heard.is_some_and(|ago| ago < A_WHILE)
    })
    .await;
}

#[tokio::test]
async fn with_different_keys_no_packet_passes_and_the_statistics_say_so() {
    let ((one, _one), (other, _other)) = (start(1).await, start(2).await);
    for (own, peer, byte) in [(&one, &other, 7), (&other, &one, 8)] {
        own.set_peer(&peer_of(peer)).unwrap();
        own.set_preshared_key(&peer.key(), preshared(byte)).unwrap();
    }
    let wrong = |own: &Tunnel, peer: &Tunnel| own.link_stats(&peer.key()).unwrap();
    until("refused answers", || async { wrong(&one, &other).wrong_key + wrong(&other, &one).wrong_key > 0 }).await;
    assert!(is_cut_off(&one, other.key()).await && is_cut_off(&other, one.key()).await);
    assert!(wrong(&one, &other).unused_answers + wrong(&other, &one).unused_answers > 0);
    other.set_preshared_key(&one.key(), preshared(7)).unwrap();
    other.rekey(&one.key()).unwrap();
    assert!(reaches(&one, other.key()).await);
}

#[tokio::test]
async fn a_stranger_is_refused_and_counted() {
    let ((one, mut queues), (stranger, _stranger)) = (start(1).await, start(3).await);
    stranger.set_peer(&peer_of(&one)).unwrap();
    stranger.set_preshared_key(&one.key(), preshared(7)).unwrap();
    let event = soon("news of the stranger", queues.events.recv()).await.unwrap();
    assert_eq!(event, TunnelEvent::Stranger { key: stranger.key(), from: stranger.local_addr() });
    assert!(is_cut_off(&stranger, one.key()).await);
    assert!(one.counters().unknown_keys > 0 && one.links().is_empty());
    // Removed peers are strangers again.
    join(&one, &stranger);
    assert!(reaches(&one, stranger.key()).await);
    assert!(one.remove_peer(&stranger.key()) && !one.remove_peer(&stranger.key()));
    assert!(is_cut_off(&stranger, one.key()).await);
}

#[tokio::test]
async fn peers_are_limited_and_nobody_is_its_own_peer() {
    let mut config = config(1);
    config.limits.peers = 2;
    let (one, _queues) = Tunnel::start(config).await.unwrap();
    let peer = |byte| TunnelPeer { key: TunnelKey([byte; 32]), endpoint: None, keepalive: None };
    one.set_peer(&peer(1)).unwrap();
    one.set_peer(&peer(2)).unwrap();
    one.set_peer(&peer(2)).unwrap();
    assert_eq!(one.set_peer(&peer(3)), Err(TunnelError::TooManyPeers { most: 2 }));
    assert_eq!(one.set_peer(&TunnelPeer { key: one.key(), ..peer(4) }), Err(TunnelError::OwnKey));
    let key = TunnelKey([9; 32]);
    assert_eq!(one.set_preshared_key(&key, preshared(1)), Err(TunnelError::UnknownPeer { key }));
}

#[tokio::test]
async fn datagrams_of_other_protocols_go_to_their_queues_and_out_again() {
    let ((one, mut queues), (other, _other)) = (start(1).await, start(2).await);
    for first in [0x81, 0x86, 0xb0] {
        let queue = if first == 0xb0 { &mut queues.bootstrap } else { &mut queues.rosenpass };
        other.send_side(one.local_addr(), &[first, 1, 2]).unwrap();
        let expected = SideDatagram { from: other.local_addr(), data: vec![first, 1, 2].into() };
        assert_eq!(soon("the datagram", queue.recv()).await, Some(expected));
    }
    for wrong in [&[][..], &[4, 0], &[0x87], &[0x81; 1_233]] {
        assert!(matches!(other.send_side(one.local_addr(), wrong), Err(TunnelError::Side { .. })));
    }
}

#[tokio::test]
async fn a_side_queue_that_nobody_reads_is_bounded() {
    let mut config = config(1);
    config.limits.side_queue = 2;
    let (one, mut queues) = Tunnel::start(config).await.unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..5 {
        sender.send_to(&[0x81, 1], one.local_addr()).await.unwrap();
    }
    sender.send_to(&[0x81; 2_000], one.local_addr()).await.unwrap();
    until("dropped datagrams", || async { one.counters().side == 4 }).await;
    assert!(queues.rosenpass.try_recv().is_ok() && queues.rosenpass.try_recv().is_ok());
    assert!(queues.rosenpass.try_recv().is_err());
}

#[tokio::test]
async fn a_busy_port_is_named_and_a_port_is_free_after_the_stop() {
    let (one, _queues) = start(1).await;
    let mut second = config(2);
    second.listen = one.local_addr();
    second.limits.bind_patience = Duration::from_millis(200);
    let error = Tunnel::start(second.clone()).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&one.local_addr().to_string()) && error.contains("--p2p-listen"), "{error}");
    one.stop().await;
    for _ in 0..20 {
        let (again, _queues) = Tunnel::start(second.clone()).await.unwrap();
        again.stop().await;
    }
}

#[tokio::test]
async fn a_port_that_is_given_up_late_is_waited_for() {
    let (one, _queues) = start(1).await;
    let second = TunnelConfig { listen: one.local_addr(), ..config(2) };
    let waiting = tokio::spawn(Tunnel::start(second));
    tokio::time::sleep(Duration::from_millis(200)).await;
    one.stop().await;
    assert!(soon("the port", waiting).await.unwrap().is_ok());
}
