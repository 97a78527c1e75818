//! The outermost layer: version, kind, body.

use pyralog_crypto::{CodecError, Hash, MerkleHash, Sha256, codec::Reader};

use super::{AnchorTx, CompanionTx, MAX_TX_BYTES, SignedTx, TX_VERSION, TxError, signed};

pub(super) const KIND_SIGNED: u8 = 1;
pub(super) const KIND_ANCHOR: u8 = 2;
pub(super) const KIND_COMPANION: u8 = 3;

/// A decoded transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Envelope {
    /// Kind 1.
    Signed(SignedTx),
    /// Kind 2.
    Anchor(AnchorTx),
    /// Kind 3.
    Companion(CompanionTx),
}

impl Envelope {
    /// Decodes one transaction. Exactly one byte string decodes to each envelope, and trailing bytes are refused.
    ///
    /// # Errors
    /// [`TxError::TooLarge`], [`TxError::UnknownVersion`], [`TxError::UnknownKind`] or [`TxError::Malformed`]. Reserved
    /// parts decode: refusing them is the ledger's part.
    pub fn decode(bytes: &[u8]) -> Result<Self, TxError> {
        Ok(Self::decode_with_sign_bytes(bytes)?.0)
    }

    /// Decodes, and for a signed transaction also returns what its signers signed.
    pub(crate) fn decode_with_sign_bytes(bytes: &[u8]) -> Result<(Self, Vec<u8>), TxError> {
        if bytes.len() > MAX_TX_BYTES {
            return Err(TxError::TooLarge { size: bytes.len(), max: MAX_TX_BYTES });
        }
        let mut r = Reader::new(bytes);
        let version = r.u8().map_err(malformed)?;
        if version != TX_VERSION {
            return Err(TxError::UnknownVersion { version });
        }
        let mut sign_bytes = Vec::new();
        let envelope = match r.u8().map_err(malformed)? {
            KIND_SIGNED => {
                let (tx, tail) = SignedTx::decode(&mut r).map_err(malformed)?;
                sign_bytes = signed::sign_bytes(&tx.body.chain_id, &bytes[..bytes.len().saturating_sub(tail)]);
                Self::Signed(tx)
            }
            KIND_ANCHOR => Self::Anchor(AnchorTx::decode(&mut r).map_err(malformed)?),
            KIND_COMPANION => Self::Companion(CompanionTx::decode(&mut r).map_err(malformed)?),
            kind => return Err(TxError::UnknownKind { kind }),
        };
        r.finish().map_err(malformed)?;
        Ok((envelope, sign_bytes))
    }

    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Signed(tx) => tx.to_bytes(),
            Self::Anchor(tx) => tx.to_bytes(),
            Self::Companion(tx) => tx.to_bytes(),
        }
    }
}

/// The hash by which a transaction is known: SHA-256 of its bytes.
pub fn tx_hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes)
}

fn malformed(e: CodecError) -> TxError {
    TxError::Malformed { detail: e.to_string() }
}
