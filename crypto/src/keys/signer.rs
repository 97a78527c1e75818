//! Whatever can sign: a key in memory today, an HSM or a remote signer later.

use super::{PublicKey, Signature};
use crate::error::SignerError;

/// Signs for one public key. Callers must be ready for refusal and absence, since the key may live in another process or device.
pub trait Signer: Send + Sync {
    /// The key that the signatures verify under.
    fn public_key(&self) -> PublicKey;

    /// Signs `message` (pure Ed25519, RFC 8032). May block.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError>;
}

impl<S: Signer + ?Sized> Signer for std::sync::Arc<S> {
    fn public_key(&self) -> PublicKey {
        (**self).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        (**self).sign(message)
    }
}

impl<S: Signer + ?Sized> Signer for Box<S> {
    fn public_key(&self) -> PublicKey {
        (**self).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        (**self).sign(message)
    }
}
