//! What both sides of an encapsulation know.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes of a shared secret.
pub const SHARED_SECRET_BYTES: usize = 32;

/// A shared secret, wiped when dropped. To be fed to a hash, not used as it is. It has no comparison: there is never a reason to compare
/// secrets, the handshake proves that they are equal.
pub struct SharedSecret(Zeroizing<[u8; SHARED_SECRET_BYTES]>);

impl SharedSecret {
    pub(super) fn new(bytes: [u8; SHARED_SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SHARED_SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}
