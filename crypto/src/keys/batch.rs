//! Verification of many signatures at once.

use super::{PublicKey, Signature};

/// Verifies many signatures and answers, for each, what [`PublicKey::verify`] would.
#[must_use]
pub fn verify_batch(items: &[(PublicKey, &[u8], Signature)]) -> Vec<bool> {
    items.iter().map(|(key, message, signature)| key.verify(message, signature).is_ok()).collect()
}
