//! Ed25519 public keys and verification.

use super::Signature;
use super::zip215::Equation;
use crate::error::SignatureError;
use crate::fixed::fixed_hex;

/// An Ed25519 public key as RFC 8032 encodes it: 32 bytes, 64 hexadecimal digits as text. Any 32 bytes can be held; bytes that
/// are no curve point verify nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

fixed_hex!(PublicKey, 32, "public key");

impl PublicKey {
    /// Verifies a signature under the rules of ZIP-215: `s` must be canonical, `A` and `R` may be any encoding of any curve
    /// point (also non-canonical and of small order), and the equation is checked with the cofactor,
    /// `[8]([s]B - [k]A - R) = 0`. These rules leave no room for two honest nodes to disagree, alone or in a batch; they are
    /// the rules of CometBFT.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let equation = Equation::new(self, message, signature).ok_or(SignatureError)?;
        if equation.holds() { Ok(()) } else { Err(SignatureError) }
    }
}
