use super::*;

#[test]
fn only_quic_on_an_overlay_address_is_ours() {
    let ours = |text: &str| parse(&text.parse().unwrap()).is_some_and(|(ip, _, _)| is_overlay(ip));
    assert!(ours("/ip6/fd00::1/udp/7/quic-v1"));
    assert!(ours("/ip6/fd00::1/udp/7/quic-v1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"));
    for other in [
        "/ip6/2001:db8::1/udp/7/quic-v1",
        "/ip4/127.0.0.1/udp/7/quic-v1",
        "/ip6/fd00::1/tcp/7",
        "/ip6/fd00::1/udp/7",
        "/ip6/fd00::1/udp/7/quic-v1/p2p-circuit",
        "/dns/example.org/udp/7/quic-v1",
    ] {
        assert!(!ours(other), "{other}");
    }
}

#[test]
fn a_peer_in_the_address_is_kept() {
    let peer = PeerId::random();
    let address = overlay_address(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 7).with(Protocol::P2p(peer));
    assert_eq!(parse(&address), Some((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 7, Some(peer))));
}
