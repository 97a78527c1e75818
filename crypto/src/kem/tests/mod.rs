//! Known answers, and the two static implementations against each other.

mod agreement;
mod ephemeral;
mod keys;
mod known_answers;

use std::convert::Infallible;
use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_core::{TryCryptoRng, TryRng};

use super::*;

/// Two key pairs, made once: each costs half a second.
fn pairs() -> &'static [StaticKeyPair; 2] {
    static PAIRS: OnceLock<[StaticKeyPair; 2]> = OnceLock::new();
    PAIRS.get_or_init(|| [1, 2].map(|seed| StaticKeyPair::generate(&mut seeded(seed)).unwrap()))
}

fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Hands out bytes written down in a test, and nothing more.
struct Script<'a>(&'a [u8]);

impl TryRng for Script<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("nobody asks for numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("nobody asks for numbers")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let (head, rest) = self.0.split_at(to.len());
        to.copy_from_slice(head);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Script<'_> {}
