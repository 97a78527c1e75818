//! Another implementation of WireGuard as the peer: boringtun, in this process, without any of our code.

use std::net::{Ipv6Addr, SocketAddr};

use boringtun::{
    noise::{Tunn, TunnResult},
    x25519::{PublicKey, StaticSecret},
};
use pyralog_p2p::{TunnelKey, TunnelPeer};
use tokio::net::UdpSocket;

use crate::{
    net::soon,
    tunnel_keys::{is_cut_off, preshared, start},
};

/// boringtun on a socket.
struct Foreign {
    tunn: Tunn,
    key: TunnelKey,
    socket: UdpSocket,
    peer: SocketAddr,
}

impl Foreign {
    async fn new(peer: TunnelKey, at: SocketAddr, preshared: [u8; 32]) -> Self {
        let secret = StaticSecret::from([0x55; 32]);
        let key = TunnelKey(PublicKey::from(&secret).to_bytes());
        let tunn = Tunn::new(secret, PublicKey::from(peer.0), Some(preshared), None, 1, None);
        Self { tunn, key, socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), peer: at }
    }

    fn as_peer(&self) -> TunnelPeer {
        TunnelPeer { key: self.key, endpoint: Some(self.socket.local_addr().unwrap()), keepalive: None }
    }

    /// Encrypts and sends a packet, or the handshake before it.
    async fn send(&mut self, packet: &[u8]) {
        let mut out = vec![0; 2_048];
        if let TunnResult::WriteToNetwork(datagram) = self.tunn.encapsulate(packet, &mut out) {
            self.socket.send_to(datagram, self.peer).await.unwrap();
        }
    }

    /// Answers what comes until there is a packet.
    async fn packet(&mut self) -> Vec<u8> {
        let (mut datagram, mut out) = (vec![0; 2_048], vec![0; 2_048]);
        loop {
            let (length, _) = soon("a datagram", self.socket.recv_from(&mut datagram)).await.unwrap();
            let mut result = self.tunn.decapsulate(None, &datagram[..length], &mut out);
            while let TunnResult::WriteToNetwork(reply) = result {
                self.socket.send_to(reply, self.peer).await.unwrap();
                result = self.tunn.decapsulate(None, &[], &mut out);
            }
            if let TunnResult::WriteToTunnelV6(packet, _) = result {
                return packet.to_vec();
            }
        }
    }
}

/// An ICMPv6 echo message from one address to another, written apart from the crate's own code.
fn echo(kind: u8, from: Ipv6Addr, to: Ipv6Addr, rest: &[u8]) -> Vec<u8> {
    let length = (4 + rest.len()) as u16;
    let mut sum: u32 = u32::from(length) + 58 + (u32::from(kind) << 8);
    let octets = [from.octets(), to.octets()].concat();
    for pair in octets.chunks(2).chain(rest.chunks(2)) {
        sum += (u32::from(pair[0]) << 8) + u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([58, 64]);
    packet.extend(octets);
    packet.extend([kind, 0]);
    packet.extend((!(sum as u16)).to_be_bytes());
    packet.extend(rest);
    packet
}

#[tokio::test]
async fn boringtun_begins_and_its_packets_pass_both_ways() {
    let (one, _queues) = start(1).await;
    let mut foreign = Foreign::new(one.key(), one.local_addr(), [7; 32]).await;
    one.set_peer(&TunnelPeer { endpoint: None, ..foreign.as_peer() }).unwrap();
    one.set_preshared_key(&foreign.key, preshared(7)).unwrap();
    let (mine, theirs) = (foreign.key.overlay(), one.overlay());
    foreign.send(&echo(128, mine, theirs, b"\0\x01\0\x02hello!")).await;
    assert_eq!(foreign.packet().await[..54], echo(129, theirs, mine, b"\0\x01\0\x02hello!")[..54]);
    assert_eq!(one.link_stats(&foreign.key).unwrap().endpoint, foreign.as_peer().endpoint);
    // A packet in another peer's name is dropped.
    foreign.send(&echo(128, Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9), theirs, b"\0\x01\0\x03")).await;
    crate::net::until("a refused packet", || async { one.counters().bad_inner == 1 }).await;
}

#[tokio::test]
async fn boringtun_answers() {
    let (one, _queues) = start(1).await;
    let mut foreign = Foreign::new(one.key(), one.local_addr(), [7; 32]).await;
    one.set_peer(&foreign.as_peer()).unwrap();
    one.set_preshared_key(&foreign.key, preshared(7)).unwrap();
    let (key, theirs) = (foreign.key, one.overlay());
    let answering = tokio::spawn(async move {
        let packet = foreign.packet().await;
        assert_eq!((packet[6], packet[40]), (58, 128));
        let end = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        foreign.send(&echo(129, foreign.key.overlay(), theirs, &packet[44..end])).await;
    });
    assert!(crate::tunnel_keys::reaches(&one, key).await);
    answering.await.unwrap();
}

#[tokio::test]
async fn boringtun_with_another_key_gets_nothing_through() {
    let (one, _queues) = start(1).await;
    let mut foreign = Foreign::new(one.key(), one.local_addr(), [8; 32]).await;
    one.set_peer(&foreign.as_peer()).unwrap();
    one.set_preshared_key(&foreign.key, preshared(7)).unwrap();
    let key = foreign.key;
    let deaf = tokio::spawn(async move { foreign.packet().await });
    assert!(is_cut_off(&one, key).await && !deaf.is_finished());
    assert!(one.link_stats(&key).unwrap().wrong_key > 0);
    deaf.abort();
}
