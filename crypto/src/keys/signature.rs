//! Ed25519 signatures.

use crate::fixed::fixed_hex;

/// An Ed25519 signature as RFC 8032 encodes it, `R || s`: 64 bytes, 128 hexadecimal digits as text. Not checked until it is
/// verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

fixed_hex!(Signature, 64, "signature");
