//! Parameters, the form on the wire, and handshakes with who has it from upstream's rules instead of from this code.

mod handshake;
mod parameters;
mod wire;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::*;
use crate::tunnel::TunnelSecret;

const SECRET: &str = "a secret of sixteen bytes at least";
/// As AmneziaWG's programs write them.
const AMNEZIA: &str = "[Interface]\nJc = 3\nJmin = 40\nJmax = 70\nS1 = 15\nS2 = 18\nS3 = 21\nS4 = 9\n\
                       H1 = 305419896\nH2 = 1000-2000\nH3 = 2001\nH4 = 4000000000-4294967295\n";

fn secret(byte: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]))
}

fn parsed(text: &str) -> Obfuscation {
    Obfuscation::parse(text).unwrap()
}

/// The obfuscation at the node whose secret is 32 bytes of `node`.
fn disguise(text: &str, node: u8) -> Disguise {
    Disguise::new(&parsed(text), &secret(node).public(), &mut ChaCha12Rng::seed_from_u64(node.into()))
}

fn with_secret() -> String {
    format!("Secret = {SECRET}\n")
}
