#![allow(clippy::unwrap_used)]

use libp2p::core::{Endpoint, transport::PortUse};
use proptest::prelude::*;

use super::*;

fn dialled(address: &str) -> ConnectedPoint {
    ConnectedPoint::Dialer {
        address: address.parse().unwrap(),
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    }
}

fn accepted(address: &str) -> ConnectedPoint {
    ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: address.parse().unwrap() }
}

fn id(n: usize) -> ConnectionId {
    ConnectionId::new_unchecked(n)
}

#[test]
fn a_peer_counts_once_it_is_identified() {
    let (mut peers, peer, now) = (Peers::default(), PeerId::random(), Instant::now());
    peers.opened(peer, id(1), &dialled("/memory/1"), now);
    assert!(peers.contains(&peer) && !peers.is_identified(&peer));
    assert!(peers.members().is_empty() && peers.info(&peer, 0.0).is_none());
    assert!(peers.identified(&peer, "test/1"));
    assert!(!peers.identified(&peer, "test/2"));
    let info = peers.info(&peer, -3.0).unwrap();
    assert_eq!((info.agent.as_str(), info.direction, info.score), ("test/2", Direction::Outbound, -3.0));
    assert_eq!(peers.count(), (0, 1));
}

#[test]
fn addresses_are_without_the_peer_id() {
    let (mut peers, peer) = (Peers::default(), PeerId::random());
    peers.opened(peer, id(1), &dialled(&format!("/ip4/192.0.2.1/tcp/7/p2p/{peer}")), Instant::now());
    peers.identified(&peer, "test");
    assert_eq!(peers.info(&peer, 0.0).unwrap().address.to_string(), "/ip4/192.0.2.1/tcp/7");
}

#[test]
fn the_last_connection_ends_the_peer() {
    let (mut peers, peer, now) = (Peers::default(), PeerId::random(), Instant::now());
    peers.opened(peer, id(1), &dialled("/memory/1"), now);
    peers.opened(peer, id(2), &accepted("/memory/2"), now);
    peers.identified(&peer, "test");
    assert_eq!(peers.closed(&peer, id(1)), None);
    let info = peers.info(&peer, 0.0).unwrap();
    assert_eq!((info.address.to_string().as_str(), info.direction), ("/memory/2", Direction::Inbound));
    assert_eq!(peers.closed(&peer, id(2)), Some(true));
    assert!(!peers.contains(&peer));
    assert_eq!(peers.closed(&peer, id(2)), None);
}

#[test]
fn an_unidentified_peer_leaves_without_news() {
    let (mut peers, peer) = (Peers::default(), PeerId::random());
    peers.opened(peer, id(1), &accepted("/memory/1"), Instant::now());
    assert_eq!(peers.closed(&peer, id(1)), Some(false));
}

#[test]
fn silence_is_noticed_until_broken() {
    let (mut peers, peer, now) = (Peers::default(), PeerId::random(), Instant::now());
    peers.opened(peer, id(1), &accepted("/memory/1"), now);
    assert!(peers.silent_since(now - Duration::from_secs(1)).is_empty());
    // A second connection does not restart the clock.
    peers.opened(peer, id(2), &accepted("/memory/1"), now + Duration::from_secs(5));
    assert_eq!(peers.silent_since(now), vec![peer]);
    peers.identified(&peer, "test");
    assert!(peers.silent_since(now + Duration::from_secs(60)).is_empty());
}

#[test]
fn strangers_change_nothing() {
    let (mut peers, peer) = (Peers::default(), PeerId::random());
    assert!(!peers.identified(&peer, "test"));
    peers.set_round_trip(&peer, Duration::from_secs(1));
    assert!(peers.all().is_empty());
}

proptest! {
    #[test]
    fn any_agent_text_becomes_printable_and_short(text in any::<String>()) {
        let clean = clean(&text);
        prop_assert!(clean.len() <= 128);
        prop_assert!(!clean.chars().any(char::is_control));
    }
}
