use super::*;

const PEER: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

fn place(address: &str) -> Option<Place> {
    let (place, peer) = parse(&address.replace("PEER", PEER).parse().unwrap())?;
    assert_eq!(peer.to_string(), PEER);
    Some(place)
}

#[test]
fn addresses_outside_and_inside_are_told_apart() {
    let outside = |text: &str| Some(Place::Outside(text.parse().unwrap()));
    assert_eq!(place("/ip4/192.0.2.1/udp/51820/p2p/PEER"), outside("192.0.2.1:51820"));
    assert_eq!(place("/ip6/2001:db8::1/udp/51820/p2p/PEER"), outside("[2001:db8::1]:51820"));
    assert_eq!(place("/dns4/node.example/udp/51820/p2p/PEER"), Some(Place::Named("node.example".into(), 51_820)));
    assert_eq!(place("/ip6/fd00::1/udp/26656/quic-v1/p2p/PEER"), Some(Place::Inside));
}

#[test]
fn what_leads_around_the_tunnels_is_no_address() {
    for address in [
        "/ip4/192.0.2.1/tcp/26656/p2p/PEER",
        "/ip4/192.0.2.1/udp/26656/quic-v1/p2p/PEER",
        "/ip6/2001:db8::1/udp/26656/quic-v1/p2p/PEER",
        "/ip6/fd00::1/udp/26656/p2p/PEER",
        "/ip4/192.0.2.1/udp/0/p2p/PEER",
        "/ip4/192.0.2.1/udp/51820/p2p/PEER/p2p-circuit",
    ] {
        assert_eq!(place(address), None, "{address}");
    }
    // Nobody knows who is there.
    for address in ["/ip4/192.0.2.1/udp/51820", "/ip6/fd00::1/udp/26656/quic-v1"] {
        assert_eq!(parse(&address.parse().unwrap()), None, "{address}");
    }
}
