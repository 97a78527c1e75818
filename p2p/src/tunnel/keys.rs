//! The keys of a tunnel: X25519 pairs and preshared keys.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2s256, Digest};
use gotatun::x25519::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

#[cfg(test)]
#[path = "keys_test.rs"]
mod tests;

/// Domain of an overlay address.
const OVERLAY_LABEL: &[u8] = b"pyralog overlay v1";

/// A WireGuard static public key (X25519, RFC 7748): 32 bytes, in text base64 as `wg` prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelKey(pub [u8; 32]);

impl TunnelKey {
    /// The address that belongs to the key inside the tunnels: `fd`, then the first 120 bits of
    /// BLAKE2s-256("pyralog overlay v1" ‖ key). A unique local address (RFC 4193) that nobody has to hand out.
    #[must_use]
    pub fn overlay(&self) -> Ipv6Addr {
        let digest: [u8; 32] = Blake2s256::new().chain_update(OVERLAY_LABEL).chain_update(self.0).finalize().into();
        let mut address = [0; 16];
        address[0] = 0xfd;
        address[1..].copy_from_slice(&digest[..15]);
        address.into()
    }

    pub(crate) fn x25519(&self) -> PublicKey {
        PublicKey::from(self.0)
    }
}

impl fmt::Display for TunnelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TunnelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TunnelKey({self})")
    }
}

impl FromStr for TunnelKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = STANDARD.decode(text).map_err(|error| format!("`{text}` is no base64: {error}"))?;
        bytes.try_into().map(Self).map_err(|_| format!("`{text}` is no key of 32 bytes"))
    }
}

/// A WireGuard static secret key. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct TunnelSecret(StaticSecret);

impl TunnelSecret {
    /// A key from 32 uniformly random bytes; clamping is X25519's own.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(StaticSecret::from(**bytes))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> TunnelKey {
        TunnelKey(PublicKey::from(&self.0).to_bytes())
    }

    pub(crate) fn x25519(&self) -> &StaticSecret {
        &self.0
    }

    /// A key for another purpose, bound to this secret.
    pub(crate) fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, self.0.as_bytes()))
    }
}

impl fmt::Debug for TunnelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TunnelSecret(of {})", self.public())
    }
}

/// A preshared key of one pair of peers (WireGuard whitepaper, section 5.2), as Rosenpass makes them. It is wiped when
/// dropped and never printed.
#[derive(Clone)]
pub struct PresharedKey(Zeroizing<[u8; 32]>);

impl PresharedKey {
    /// A key from 32 bytes that both peers know and nobody else.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        *self.0
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}
