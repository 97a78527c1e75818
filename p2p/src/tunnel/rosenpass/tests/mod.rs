//! The machine in a network made of memory, step by step and under faults.

mod canaries;
mod contest;
mod decoder;
mod exchange;
mod hostile;
mod load;
mod net;
mod peers;
mod primitives;
mod replay;
mod sim;
mod timers;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use pyralog_crypto::kem::{StaticKeyPair, StaticPublicKey, StaticSecretKey, fastest};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::rule::{Rule, switches};
use super::*;
use crate::error::RosenpassError;
use net::{Net, Packet};

/// A test's answer: what went wrong, where something did. The canaries need the words, not a panic.
type Checked = Result<(), String>;

/// Fails with words where it does not hold.
fn check(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Key pair `n` of three, made once.
fn keys(n: usize) -> StaticKeyPair {
    static MADE: OnceLock<[(Vec<u8>, Vec<u8>); 3]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        [1, 2, 3].map(|seed| {
            let pair = StaticKeyPair::generate(&mut rng(seed)).unwrap();
            (pair.public.as_bytes().to_vec(), pair.secret.as_bytes().to_vec())
        })
    });
    let (public, secret) = made[n].clone();
    StaticKeyPair {
        public: StaticPublicKey::from_bytes(public).unwrap(),
        secret: StaticSecretKey::from_bytes(secret).unwrap(),
    }
}

/// The two nodes of most tests, the one with the lower key id first.
fn pair_by_id() -> (usize, usize) {
    if KeyId::of(&keys(0).public) < KeyId::of(&keys(1).public) { (0, 1) } else { (1, 0) }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n as u8 + 1], 51_820))
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
