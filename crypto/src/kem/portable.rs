//! Classic McEliece in pure Rust.

use classic_mceliece_rust::{Ciphertext, PublicKey, decapsulate, encapsulate};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::old_rng::OldRng;
use super::{SharedSecret, StaticCiphertext, StaticKem, StaticPublicKey, StaticSecretKey};

/// The implementation of `classic-mceliece-rust`, for every processor: about 1 ms to encapsulate, 30 ms to decapsulate.
#[derive(Debug, Clone, Copy, Default)]
pub struct PortableMcEliece;

impl StaticKem for PortableMcEliece {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn encapsulate(&self, key: &StaticPublicKey, rng: &mut dyn CryptoRng) -> (StaticCiphertext, SharedSecret) {
        let mut secret = Zeroizing::new([0; 32]);
        let (ciphertext, secret) = encapsulate(&PublicKey::from(key.as_bytes()), &mut secret, &mut OldRng(rng));
        (*ciphertext.as_array(), SharedSecret::new(*secret.as_array()))
    }

    fn decapsulate(&self, key: &StaticSecretKey, ciphertext: &StaticCiphertext) -> SharedSecret {
        let mut secret = Zeroizing::new([0; 32]);
        let secret = decapsulate(&Ciphertext::from(*ciphertext), key.inner(), &mut secret);
        SharedSecret::new(*secret.as_array())
    }
}
