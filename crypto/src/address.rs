//! Account addresses.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use sha2::Digest;

use crate::error::ParseError;
use crate::fixed::{fixed_codec, fixed_serde};
use crate::keys::PublicKey;

const DOMAIN: &[u8] = b"pyralog/address/v1";
const HRP: Hrp = Hrp::parse_unchecked("pyra");

/// What an address stands for; one byte in its preimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AddressType {
    /// One Ed25519 key.
    Ed25519 = 1,
    /// Reserved for policies (several keys).
    Policy = 2,
}

/// An account address: `SHA-256("pyralog/address/v1" || type byte || key bytes)`, 32 bytes. Text form: bech32m (BIP-350) with
/// the prefix `pyra`, lower case only, 63 characters. Canonical form: the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 32]);

fixed_codec!(Address, 32);
fixed_serde!(Address, 32, "address");

impl Address {
    /// Address of a single Ed25519 key (type byte 1).
    #[must_use]
    pub fn from_key(key: &PublicKey) -> Self {
        let hash = sha2::Sha256::new()
            .chain_update(DOMAIN)
            .chain_update([AddressType::Ed25519 as u8])
            .chain_update(key.0)
            .finalize();
        Self(hash.into())
    }
}

impl From<&PublicKey> for Address {
    fn from(key: &PublicKey) -> Self {
        Self::from_key(key)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload is far below the length limit of the code, the only error the encoder knows besides the formatter's own.
        bech32::encode_lower_to_fmt::<Bech32m, _>(f, HRP, &self.0).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let refuse = |why: &str| ParseError::Address(why.to_owned());
        if text.len() > 90 {
            return Err(refuse("too long"));
        }
        let parsed = CheckedHrpstring::new::<Bech32m>(text).map_err(|e| refuse(&e.to_string()))?;
        if parsed.hrp() != HRP {
            return Err(refuse("the prefix is another one"));
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let address = Self(bytes.try_into().map_err(|_| refuse("the payload is not 32 bytes"))?);
        // bech32 also allows all upper case, and the decoder ignores padding bits: only the one form that we write is accepted.
        if address.to_string() == text { Ok(address) } else { Err(refuse("not in its one canonical form")) }
    }
}

#[cfg(test)]
mod tests;
