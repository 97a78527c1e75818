//! Peers that come and go, and what the caller gets wrong.

use super::*;

fn settings(n: usize, endpoints: Vec<SocketAddr>) -> PeerSettings {
    PeerSettings { public_key: keys(n).public, pre_shared_key: None, endpoints }
}

#[test]
fn a_removed_peer_has_no_key_and_no_handshake() {
    let mut net = Net::pair(1).started();
    net.run_for(secs(1));
    let peer = net.id(1);
    net.input(0, Input::RemovePeer(peer));
    assert_eq!((net.key(0, 1), net.nodes[0].expired), (None, 1));
    net.run_for(secs(200));
    assert!(net.key(0, 1).is_none());
    assert!(net.errors(0).contains(&RosenpassError::UnknownPeer { peer }), "it still asks");
    // It comes back, without an address.
    net.input(0, Input::AddPeer(settings(1, Vec::new())));
    net.run_for(secs(130));
    assert!(net.agree(0, 1));
}

#[test]
fn a_peer_with_a_handshake_on_its_way_can_be_removed() {
    for kind in [0x81, 0x82, 0x83, 0x84] {
        let mut net = Net::one_way(2);
        net.hold = Box::new(move |packet| packet.kind() == kind);
        let mut net = net.started();
        net.run_for(millis(50));
        let peers = [net.id(1), net.id(0)];
        for (n, peer) in peers.into_iter().enumerate() {
            net.input(n, Input::RemovePeer(peer));
        }
        let held = net.held.clone();
        held.iter().for_each(|packet| net.deliver(packet));
        assert_eq!((net.key(0, 1), net.key(1, 0)), (None, None), "{kind:#x}");
        let before = net.sent.len();
        net.run_for(secs(300));
        assert_eq!(net.sent.len(), before, "{kind:#x}");
    }
}

#[test]
fn mistakes_of_the_caller_are_named() {
    let mut net = Net::one_way(3).started();
    net.run_for(secs(1));
    net.errors(0);
    let (own, peer) = (net.id(0), net.id(1));
    net.input(0, Input::AddPeer(settings(1, Vec::new())));
    net.input(0, Input::AddPeer(settings(0, Vec::new())));
    net.input(0, Input::Renew(own));
    net.input(0, Input::SetEndpoints(own, vec![address(5)]));
    net.input(0, Input::RemovePeer(own));
    let nobody = RosenpassError::NoSuchPeer { peer: own };
    let expected = [RosenpassError::KnownPeer { peer }, RosenpassError::OwnKey, nobody.clone(), nobody.clone(), nobody];
    assert_eq!(net.errors(0), expected);
    assert!(net.agree(0, 1));

    let limits = Limits { peers: 1, ..Limits::DEFAULTS };
    let mut machine = Rosenpass::new(keys(0), fastest(), limits);
    machine.step(secs(1), &mut rng(1), Input::AddPeer(settings(1, Vec::new())));
    let effects = machine.step(secs(1), &mut rng(1), Input::AddPeer(settings(2, Vec::new())));
    let full = RosenpassError::TooManyPeers { max: 1 };
    assert!(matches!(&effects[..], [Effect::Refused { from: None, error }] if *error == full), "{effects:?}");
}

#[test]
fn new_addresses_are_tried_at_once() {
    let mut net = Net::one_way(4);
    net.nodes[0].begins.clear();
    net.nodes[0].answers.push(1);
    let mut net = net.started();
    net.run_for(secs(100));
    assert!(net.sent.is_empty(), "nobody knows an address");
    let peer = net.id(1);
    net.input(0, Input::SetEndpoints(peer, vec![address(7), address(1)]));
    net.run_for(millis(20));
    assert_eq!(net.sent.last().map(|packet| packet.to), Some(address(7)));
    net.run_for(secs(2));
    assert!(net.agree(0, 1), "the second one answers");
}

#[test]
fn nothing_secret_is_shown() {
    let net = Net::one_way(5).started();
    let text = format!("{:?}", net.nodes[0].machine);
    assert!(text.starts_with("Some(Rosenpass { id: KeyId(") && text.len() < 160, "{text}");
    let mut settings = settings(1, vec![address(1)]);
    settings.pre_shared_key = Some([0xAB; 32].into());
    let text = format!("{:?}", Input::AddPeer(settings));
    assert!(!text.contains("171") && !text.contains("ab, ab") && text.contains("192.0.2.2"), "{text}");
}
