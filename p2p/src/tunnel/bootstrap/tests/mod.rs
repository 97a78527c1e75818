//! Nodes in memory, on a network that loses, doubles and reorders.

mod asking;
mod datagrams;
mod hostile;
mod net;

use std::net::SocketAddr;
use std::time::Duration;

use libp2p::PeerId;
use pyralog_crypto::kem::{STATIC_PUBLIC_KEY_BYTES, StaticPublicKey};
use pyralog_crypto::{Encode, Hash, SigningKey};

use super::*;
use crate::BootstrapError;
use crate::tunnel::{PeerRecord, RecordAddress, SignedPeerRecord, TunnelKey};

const NETWORK: &str = "test-net";

/// What node `n` is: its signer, and a static key that is none (the bootstrap does not look into it).
fn signer(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

fn static_key(n: u8) -> StaticPublicKey {
    let bytes = (0..STATIC_PUBLIC_KEY_BYTES).map(|at| (at * 31 + at / 257) as u8 ^ n).collect();
    StaticPublicKey::from_bytes(bytes).unwrap()
}

fn hash_of(key: &StaticPublicKey) -> Hash {
    Hash(*blake3::hash(key.as_bytes()).as_bytes())
}

fn address(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 51_820).into()
}

fn record(n: u8, sequence: u64) -> SignedPeerRecord {
    let record = PeerRecord {
        identity: signer(n).public_key(),
        tunnel: TunnelKey([n; 32]),
        rosenpass: Some(hash_of(&static_key(n))),
        sequence,
        port: 26_656,
        addresses: vec![RecordAddress::Ip(address(n))],
    };
    SignedPeerRecord::sign(record, NETWORK, &signer(n)).unwrap()
}

fn peer(n: u8) -> PeerId {
    record(n, 1).peer()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
