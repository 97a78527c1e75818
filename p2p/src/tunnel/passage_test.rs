use std::net::Ipv6Addr;

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::*;
use crate::tunnel::outgoing::own;
use crate::tunnel::{PresharedKey, TunnelConfig, TunnelPeer, TunnelSecret, core::Outlets};

fn secret(byte: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]))
}

async fn core() -> Core {
    let config = TunnelConfig::new(secret(1), "127.0.0.1:0".parse().unwrap());
    let socket = Arc::new(OuterSocket::bind(&config).await.unwrap());
    let outlets = Outlets { rosenpass: mpsc::channel(1).0, bootstrap: mpsc::channel(1).0, events: mpsc::channel(1).0 };
    Core::new(config, socket, None, outlets)
}

/// TCP, as far as anybody looks.
fn packet(from: Ipv6Addr, to: Ipv6Addr, length: usize) -> Vec<u8> {
    let mut packet = vec![0; length];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(length as u16 - 40).to_be_bytes());
    (packet[6], packet[7]) = (6, 64);
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet
}

#[test]
fn our_own_ports_keep_their_datagrams_and_the_system_gets_the_rest() {
    let is_bound = |port| port == 26_656;
    let udp = |destination| Inner::Udp { source: 7, destination, payload: b"x" };
    assert!(!is_for_system(&udp(26_656), is_bound) && is_for_system(&udp(53), is_bound));
    for inner in [Inner::EchoRequest { message: b"" }, Inner::EchoReply { message: b"" }, Inner::Other] {
        assert!(is_for_system(&inner, is_bound), "{inner:?}");
    }
}

#[tokio::test]
async fn what_the_system_sends_from_other_addresses_or_in_other_forms_is_counted_and_dropped() {
    let core = core().await;
    let (own, other) = (core.overlay, secret(2).public().overlay());
    let mut outgoing = Outgoing::new(&core);
    let mut four = packet(own, other, 60);
    four[0] = 0x45;
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let wrong = [vec![], vec![0x60; 39], four, packet(link_local, other, 60), packet(own, other, INNER_MTU + 1)];
    for (count, packet) in (1..).zip(&wrong) {
        core.take_from_system(packet, &mut outgoing);
        assert_eq!(core.counters.read().foreign, count, "{packet:?}");
    }
    assert!(outgoing.batches.is_empty());
}

#[tokio::test]
async fn a_packet_goes_to_the_peer_whose_address_it_has_and_not_before_its_key() {
    let core = core().await;
    let key = secret(2).public();
    let endpoint = "127.0.0.1:9".parse().unwrap();
    let mut outgoing = Outgoing::new(&core);
    let sent = packet(core.overlay, key.overlay(), 60);
    core.take_from_system(&sent, &mut outgoing);
    let (link, _) = core.table.insert(&TunnelPeer { key, endpoint: Some(endpoint), keepalive: None }).unwrap();
    core.take_from_system(&sent, &mut outgoing);
    assert_eq!(core.counters.read().no_route, 2, "no such peer, and one without a key");
    assert!(outgoing.batches.is_empty());
    core.admit(&link, Some(PresharedKey::new(Zeroizing::new([7; 32]))));
    core.take_from_system(&sent, &mut outgoing);
    // Without a session it waits, and a handshake goes out.
    let [(to, batch)] = outgoing.batches.as_slice() else { panic!("one batch") };
    assert!(*to == endpoint && batch.handshakes.len() == 1);
}

#[tokio::test]
async fn packets_to_one_endpoint_share_a_batch_until_one_is_shorter() {
    let core = core().await;
    let (here, there) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    let mut outgoing = Outgoing::new(&core);
    for (endpoint, length) in [(here, 100), (here, 100), (here, 50), (here, 50), (there, 50), (there, 60)] {
        outgoing.to(endpoint, length).unwrap().push(&own(&vec![0; length]));
    }
    let batches: Vec<_> = outgoing.batches.iter().map(|(to, _)| *to).collect();
    assert_eq!(batches, [here, here, there, there]);
}
