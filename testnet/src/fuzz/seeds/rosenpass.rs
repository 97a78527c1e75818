//! A Rosenpass handshake between two nodes with fixed keys.
#![allow(clippy::expect_used, reason = "constant inputs")]

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use pyralog_crypto::kem::{StaticKeyPair, StaticPublicKey, StaticSecretKey, fastest};
use pyralog_p2p::tunnel::rosenpass::{Effect, Input, Limits, PeerSettings, Rosenpass};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::Out;

/// Public and secret halves of two key pairs.
static KEYS: LazyLock<[(StaticPublicKey, Vec<u8>); 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| {
        let pair = StaticKeyPair::generate(&mut ChaCha20Rng::seed_from_u64(seed)).expect("a thread for the keys");
        (pair.public, pair.secret.as_bytes().to_vec())
    })
});

/// Node 1 or 2, without peers.
pub(in crate::fuzz) fn node(n: usize) -> Rosenpass {
    let (public, secret) = KEYS[n - 1].clone();
    let secret = StaticSecretKey::from_bytes(secret).expect("its length");
    Rosenpass::new(StaticKeyPair { public, secret }, fastest(), Limits::DEFAULTS)
}

/// Node `n` as a peer of the other, at a known address or at none.
pub(in crate::fuzz) fn peer(n: usize, known: bool) -> Input<'static> {
    let endpoints = if known { vec![address(n)] } else { Vec::new() };
    Input::AddPeer(PeerSettings { public_key: KEYS[n - 1].0.clone(), pre_shared_key: None, endpoints })
}

/// Where node `n` is.
pub(in crate::fuzz) fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n as u8], 51_820))
}

pub(super) fn put(out: &mut Out) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let now = Duration::from_secs(1);
    // The second node begins, so that the first one, which is the target, can answer.
    let (mut one, mut two) = (node(1), node(2));
    one.step(now, &mut rng, peer(2, false));
    let mut effects = two.step(now, &mut rng, peer(1, true));
    for (n, name) in [(2, "init-hello"), (1, "resp-hello"), (2, "init-conf"), (1, "empty-data")] {
        let sent = effects.into_iter().find_map(|effect| match effect {
            Effect::Send { bytes, .. } => Some(bytes),
            _ => None,
        });
        let bytes = sent.expect("a handshake goes on");
        out.put("rosenpass_datagram", name, bytes.clone());
        let (other, from) = if n == 2 { (&mut one, address(2)) } else { (&mut two, address(1)) };
        effects = other.step(now, &mut rng, Input::Datagram { from, bytes: &bytes });
        if name == "init-hello" {
            let mut loaded = node(1);
            loaded.step(now, &mut rng, Input::Loaded);
            for effect in loaded.step(now, &mut rng, Input::Datagram { from, bytes: &bytes }) {
                if let Effect::Send { bytes, .. } = effect {
                    out.put("rosenpass_datagram", "cookie-reply", bytes);
                }
            }
        }
    }
}
