//! Entries for fuzzers, which call what the engine calls.

use std::{net::SocketAddr, time::Instant};

use gotatun::{
    noise::{Tunn, handshake::parse_handshake_anon, index_table::IndexTable},
    packet::WgKind,
};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::{
    Obfuscation, PresharedKey, SideProtocol, TunnelKey, TunnelLimits, TunnelPeer, TunnelSecret,
    admission::Admission,
    datagram::is_wireguard,
    ip,
    link::Link,
    obfuscation::{Disguise, PeerMacs, WireMacs},
};

/// Reads a decrypted packet; whether it is one.
#[must_use]
pub fn check_inner_packet(packet: &[u8]) -> bool {
    ip::parse(packet).is_some()
}

/// Does with a datagram what a tunnel does whose secret key is 32 bytes of 1 and whose one peer has 32 bytes of 2; whether it
/// has the form of something that the tunnel knows.
#[must_use]
pub fn check_tunnel_datagram(datagram: &[u8]) -> bool {
    work_on(datagram, None)
}

/// Does the same with a datagram as it is on the wire of a network with an obfuscation; whether there is something under it that the tunnel knows.
#[must_use]
pub fn check_obfuscated_datagram(parameters: &Obfuscation, datagram: &[u8]) -> bool {
    let mut wire = datagram.to_vec();
    disguise(parameters).unwrap(&mut wire).is_some_and(|plain| work_on(plain.datagram, plain.macs.as_ref()))
}

/// A datagram for that tunnel as it is on the wire; always the same. Empty for what no tunnel sends.
#[must_use]
pub fn obfuscated_datagram(parameters: &Obfuscation, datagram: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    disguise(parameters).wrap(datagram, Some(&PeerMacs::new(&first())), &mut wire);
    wire
}

fn first() -> TunnelKey {
    TunnelSecret::from_bytes(&Zeroizing::new([1; 32])).public()
}

fn disguise(parameters: &Obfuscation) -> Disguise {
    Disguise::new(parameters, &first(), &mut ChaCha12Rng::seed_from_u64(1))
}

fn work_on(datagram: &[u8], wire: Option<&WireMacs<'_>>) -> bool {
    match datagram.first() {
        Some(&first) if is_wireguard(first) => {}
        Some(&first) => return SideProtocol::of(first).is_some(),
        None => return false,
    }
    let secret = |byte: u8| TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]));
    let (now, from) = (Instant::now(), SocketAddr::from(([192, 0, 2, 1], 51_820)));
    let (own, key) = (secret(1), secret(1).public());
    let admission = Admission::new(&key, &TunnelLimits::DEFAULTS, now);
    let Ok(kind) = admission.check_as(from, datagram, wire, now) else { return false };
    if let WgKind::HandshakeInit(init) = &kind
        && parse_handshake_anon(own.x25519(), &key.x25519(), init).is_err()
    {
        return false;
    }
    let link = Link::new(&TunnelPeer { key: secret(2).public(), endpoint: Some(from), keepalive: None });
    let mut state = link.lock();
    state.admit(Some(PresharedKey::new(Zeroizing::new([3; 32]))), now, |preshared, keepalive| {
        let limiter = admission.limiter();
        let private = own.x25519().clone();
        Tunn::new(private, link.key.x25519(), preshared, keepalive, IndexTable::from_os_rng(), limiter)
    });
    // Nothing from outside can have a session here.
    drop(state.receive(kind, from, now));
    true
}
