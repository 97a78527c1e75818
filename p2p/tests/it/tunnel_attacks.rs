//! What comes to the socket and should not have.

use pyralog_p2p::{Tunnel, TunnelPeer, TunnelQueues};
use tokio::net::UdpSocket;

use crate::{
    mesh::{join, join_by},
    net::until,
    relay::Relay,
    tunnel_keys::{is_cut_off, reaches, start},
};

/// Two tunnels with a relay on the way from the first to the second.
async fn watched() -> ((Tunnel, TunnelQueues), (Tunnel, TunnelQueues), Relay) {
    let (one, other) = (start(1).await, start(2).await);
    let relay = Relay::to(other.0.local_addr()).await;
    join_by(&relay, &one.0, &other.0);
    assert!(reaches(&one.0, other.0.key()).await);
    (one, other, relay)
}

#[tokio::test]
async fn what_is_repeated_goes_nowhere_and_moves_nothing() {
    let ((one, _one), (other, _other), relay) = watched().await;
    let before = other.link_stats(&one.key()).unwrap();
    let attacker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in relay.seen() {
        attacker.send_to(&datagram, other.local_addr()).await.unwrap();
    }
    until("counted replays", || async { other.link_stats(&one.key()).unwrap().replayed > before.replayed }).await;
    assert_eq!(other.link_stats(&one.key()).unwrap().endpoint, before.endpoint);
    assert!(reaches(&one, other.key()).await);
}

#[tokio::test]
async fn what_is_cut_changed_or_too_long_is_dropped_and_the_link_goes_on() {
    let ((one, _one), (other, _other), relay) = watched().await;
    let attacker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in relay.seen() {
        for length in 0..datagram.len() {
            attacker.send_to(&datagram[..length], other.local_addr()).await.unwrap();
            if length % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut changed = datagram.clone();
        for at in (0..changed.len()).step_by(7) {
            changed[at] ^= 0x40;
            attacker.send_to(&changed, other.local_addr()).await.unwrap();
        }
        let mut long = datagram;
        long.resize(60_000, 0);
        attacker.send_to(&long, other.local_addr()).await.unwrap();
    }
    for first in 0..=255 {
        attacker.send_to(&[first; 33], other.local_addr()).await.unwrap();
    }
    until("counted refusals", || async { other.counters().malformed > 100 }).await;
    assert!(reaches(&one, other.key()).await && reaches(&other, one.key()).await);
}

#[tokio::test]
async fn a_peer_speaks_for_its_own_address_only() {
    // The third tunnel's key is the second's peer; the first cannot reach its address through the second.
    let ((one, _one), (other, _other), (third, _third)) = (start(1).await, start(2).await, start(3).await);
    join(&one, &other);
    join(&other, &third);
    assert!(reaches(&one, other.key()).await && reaches(&third, other.key()).await);
    // A wrong endpoint: what is sealed for the third reaches the second, which cannot open it.
    join(&one, &third);
    one.set_peer(&TunnelPeer { key: third.key(), endpoint: Some(other.local_addr()), keepalive: None }).unwrap();
    third.remove_peer(&one.key());
    one.forget_preshared_key(&third.key()).unwrap();
    one.set_preshared_key(&third.key(), crate::tunnel_keys::preshared(1)).unwrap();
    assert!(is_cut_off(&one, third.key()).await);
    assert!(other.counters().malformed > 0, "a handshake for another key has a wrong MAC");
}
