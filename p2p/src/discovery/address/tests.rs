#![allow(clippy::unwrap_used)]

use libp2p::PeerId;

use super::*;

fn dialable(text: &str, loopback: bool) -> bool {
    is_dialable(&text.parse().unwrap(), loopback)
}

#[test]
fn hosts_with_ports_are_kept() {
    for good in [
        "/ip4/192.0.2.1/tcp/26656",
        "/ip6/2001:db8::1/tcp/26656",
        "/ip4/192.0.2.1/udp/26656/quic-v1",
        "/dns/node.example.org/tcp/26656",
        "/ip4/10.0.0.1/tcp/1",
        "/ip6/fd00::1/udp/1/quic-v1",
    ] {
        assert!(dialable(good, false), "{good}");
    }
    assert!(dialable(&format!("/ip4/192.0.2.1/tcp/1/p2p/{}", PeerId::random()), false));
}

#[test]
fn what_cannot_be_dialled_is_dropped() {
    let relay = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
    for bad in [
        "/ip4/0.0.0.0/tcp/1",
        "/ip6/::/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip4/192.0.2.1/tcp/0",
        "/ip4/192.0.2.1/udp/1",
        "/ip4/192.0.2.1",
        "/unix/tmp",
        "/memory/0",
        relay.as_str(),
    ] {
        assert!(!dialable(bad, true), "{bad}");
    }
    assert!(!is_dialable(&Multiaddr::empty(), true));
    assert!(!dialable(&format!("/dns/{}/tcp/1", "a".repeat(300)), true));
}

#[test]
fn loopback_only_among_locals() {
    for local in ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/memory/7"] {
        assert!(dialable(local, true), "{local}");
        assert!(!dialable(local, false), "{local}");
        assert!(is_local(&local.parse().unwrap()));
    }
    assert!(!is_local(&"/ip4/192.0.2.1/tcp/1".parse().unwrap()));
}
