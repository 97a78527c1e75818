//! What comes to the tunnels' port, what is inside, and who the peers say that they are.
#![allow(clippy::expect_used, reason = "constant inputs")]

use pyralog_crypto::{Encode, Hash};
use pyralog_p2p::{
    Obfuscation, PeerRecord, PeerRecords, RecordAddress, SignedPeerRecord, TunnelKey, obfuscated_datagram,
};

use super::Out;
use crate::fuzz::{
    chain::key,
    targets::{NETWORK, OBFUSCATION},
};

pub(super) fn put(out: &mut Out) {
    // WireGuard: an initiation of a peer that was recorded once, an answer and a cookie reply of nobody, a keepalive.
    out.put("tunnel_datagram", "initiation", hex::decode(INITIATION).expect("hexadecimal digits"));
    out.put("tunnel_datagram", "cookie", filled(3, 64));
    out.put("tunnel_datagram", "keepalive", filled(4, 32));
    out.put("tunnel_datagram", "data", filled(4, 112));
    out.put("tunnel_datagram", "rosenpass", filled(0x81, 1_132));
    out.put("tunnel_datagram", "bootstrap", filled(0xb0, 64));
    out.put("inner_packet", "udp", packet(17, &[0x0f, 0xa1, 0x68, 0x20, 0, 11, 0, 0, b'a', b'b', b'c'], 6));
    out.put("inner_packet", "echo", packet(58, &[128, 0, 0, 0, 0, 7, 0, 1, b'd', b'a', b't', b'a'], 2));
    out.put("inner_packet", "tcp", packet(6, &[0; 20], 16));
    obfuscation(out);
    let mut book = PeerRecords::new(NETWORK, 8);
    for n in 1..=3 {
        let bytes = record(n).to_bytes();
        out.put("peer_record", format!("peer-{n}"), bytes.clone());
        book.insert(&bytes).expect("a valid record");
    }
    out.put("peer_records", "three", book.encode());
    out.put("peer_records", "empty", PeerRecords::new(NETWORK, 8).encode());
}

/// The same on the wire of a network with an obfuscation, and its parameters.
fn obfuscation(out: &mut Out) {
    let parameters = Obfuscation::parse(OBFUSCATION).expect("valid parameters");
    let initiation = hex::decode(INITIATION).expect("hexadecimal digits");
    for (name, plain) in [
        ("initiation", initiation),
        ("answer", filled(2, 92)),
        ("cookie", filled(3, 64)),
        ("data", filled(4, 112)),
        ("rosenpass", filled(0x83, 176)),
        ("bootstrap", filled(0xb0, 64)),
    ] {
        out.put("obfuscated_datagram", name, obfuscated_datagram(&parameters, &plain));
    }
    out.put("obfuscation_file", "amneziawg", OBFUSCATION);
    out.put(
        "obfuscation_file",
        "amneziawg-1",
        "[Interface]\nJc = 4\nJmin = 40\nJmax = 70\nS1 = 15\nS2 = 18\nH1 = 9\nH2 = 8\nH3 = 7\nH4 = 6\n",
    );
    out.put("obfuscation_file", "secret", "# of our network\nSecret = 0123456789abcdef\nJc = 2\n");
}

/// A handshake initiation of the key of 32 bytes of 2 for that of 32 bytes of 1.
const INITIATION: &str = concat!(
    "01000000298417bdf248a5c045ad1ecbba108ed84b9bd17a2322b45eec443a1dc9b02774e518c52d42899bb2e1e537a0f6af",
    "d1374920ae33368e2591b0c2f7c0ff3d2d4b3dcf1c3168af24073674ed5e9504a4eeaddff6d94c690e9f6906c099597e0167",
    "d96d73250a54a26cd55d0bfbc24c0ce11bad4a727ff085927aaf3ba23712666a00000000000000000000000000000000",
);

fn filled(kind: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[0] = kind;
    bytes
}

/// An IPv6 packet with the checksum of its body at `at`.
fn packet(next: u8, body: &[u8], at: usize) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, body.len() as u8, next, 64];
    for address in [1, 2] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, address]);
    }
    packet.extend(body);
    let words = packet[8..].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum = words.sum::<u32>() + u32::from(next) + body.len() as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[40 + at..42 + at].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet
}

/// Peer `n`, with `n` addresses, the first of them a name.
fn record(n: u8) -> SignedPeerRecord {
    let named = RecordAddress::Name("node.example.org".into(), 51_820);
    let plain = (1..n).map(|host| RecordAddress::Ip(([192, 0, 2, host], 51_820).into()));
    let record = PeerRecord {
        identity: key(n).public_key(),
        tunnel: TunnelKey([n; 32]),
        rosenpass: (n > 1).then_some(Hash([n; 32])),
        sequence: n.into(),
        port: 26_656,
        addresses: std::iter::once(named).chain(plain).collect(),
    };
    SignedPeerRecord::sign(record, NETWORK, &key(n)).expect("a valid record")
}
