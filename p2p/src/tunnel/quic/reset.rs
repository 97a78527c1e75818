//! The key of stateless resets (RFC 9000, section 10.3): the same after a restart, so that a peer whose connections ended
//! with the old process hears so with its next packet and not by its timers.

use quinn::crypto::{CryptoError, HmacKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::tunnel::TunnelSecret;

/// Context of the key's derivation.
const CONTEXT: &str = "pyralog 2026 tunnel stateless reset v1";

/// BLAKE3 in its keyed mode.
pub(super) struct ResetKey(Zeroizing<[u8; 32]>);

impl ResetKey {
    pub(super) fn new(secret: &TunnelSecret) -> Self {
        Self(secret.derive(CONTEXT))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; 32];
        self.sign(data, &mut expected);
        if bool::from(expected[..].ct_eq(signature)) { Ok(()) } else { Err(CryptoError) }
    }
}
