//! Receipts as JSON and as deterministic CBOR (RFC 8949 section 4.2.1).

use super::error::ReceiptError;
use super::notary_receipt::{NotaryReceipt, PENDING_TYPE, PROOF_TYPE, PendingReceipt, RECEIPT_TYPE, ServedProof};
use crate::light::cbor;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Largest JSON form that is read, bytes.
pub const MAX_JSON_BYTES: usize = 8 << 20;
/// Largest CBOR form that is read, bytes.
pub const MAX_CBOR_BYTES: usize = 4 << 20;

/// Media type of the JSON form of a receipt.
pub const JSON_MEDIA_TYPE: &str = "application/vnd.pyralog.notary-receipt+json; version=1";
/// Media type of the CBOR form of a receipt.
pub const CBOR_MEDIA_TYPE: &str = "application/vnd.pyralog.notary-receipt+cbor; version=1";

/// A format that has both forms.
pub trait ReceiptFormat: Serialize + DeserializeOwned {
    /// The value of its `type`.
    const TYPE: &'static str;

    /// The JSON form, indented, with a final newline.
    ///
    /// # Errors
    /// None in practice; serialisation into memory cannot fail for these types.
    fn to_json(&self) -> Result<String, ReceiptError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| ReceiptError::malformed(e.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// The deterministic CBOR form: definite lengths, shortest integers, map keys in bytewise order of their encodings.
    ///
    /// # Errors
    /// As [`ReceiptFormat::to_json`].
    fn to_cbor(&self) -> Result<Vec<u8>, ReceiptError> {
        cbor::to_vec(self).map_err(ReceiptError::malformed)
    }

    /// Reads the JSON form. Whitespace and the order of keys are free; nothing else is.
    ///
    /// # Errors
    /// [`ReceiptError::Invalid`]: over-size, not JSON, an unknown, missing or duplicate key, a value in another spelling.
    fn from_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_JSON_BYTES {
            return Err(ReceiptError::malformed(format!("is {} bytes long; at most {MAX_JSON_BYTES}", bytes.len())));
        }
        serde_json::from_slice(bytes).map_err(|e| ReceiptError::malformed(format!("is not a receipt in JSON: {e}")))
    }

    /// Reads the CBOR form. Bytes that are not the deterministic encoding of what they say are refused.
    ///
    /// # Errors
    /// As [`ReceiptFormat::from_json`].
    fn from_cbor(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_CBOR_BYTES {
            return Err(ReceiptError::malformed(format!("is {} bytes long; at most {MAX_CBOR_BYTES}", bytes.len())));
        }
        cbor::from_slice(bytes)
            .map_err(|e| ReceiptError::malformed(format!("is not a receipt in deterministic CBOR: {e}")))
    }

    /// Reads either form: JSON where the first byte that is not JSON whitespace is `{`, else CBOR.
    ///
    /// # Errors
    /// As [`ReceiptFormat::from_json`].
    fn from_slice(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if is_json(bytes) { Self::from_json(bytes) } else { Self::from_cbor(bytes) }
    }
}

impl ReceiptFormat for NotaryReceipt {
    const TYPE: &'static str = RECEIPT_TYPE;
}

impl ReceiptFormat for ServedProof {
    const TYPE: &'static str = PROOF_TYPE;
}

impl ReceiptFormat for PendingReceipt {
    const TYPE: &'static str = PENDING_TYPE;
}

/// What a receipt file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptFile {
    /// A complete receipt.
    Complete(Box<NotaryReceipt>),
    /// A pending one.
    Pending(Box<PendingReceipt>),
}

impl ReceiptFile {
    /// Reads a file in either form; its `type` decides what it is.
    ///
    /// # Errors
    /// [`ReceiptError::Invalid`] for everything that is neither.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "type")]
            kind: String,
        }
        let json = is_json(bytes);
        if bytes.len() > if json { MAX_JSON_BYTES } else { MAX_CBOR_BYTES } {
            return Err(ReceiptError::malformed(format!("is {} bytes long, too long for a receipt", bytes.len())));
        }
        let head: Result<Head, String> =
            if json { serde_json::from_slice(bytes).map_err(|e| e.to_string()) } else { cbor::peek(bytes) };
        let head = head.map_err(|e| ReceiptError::malformed(format!("is not a receipt in JSON or CBOR: {e}")))?;
        match head.kind.as_str() {
            RECEIPT_TYPE => NotaryReceipt::from_slice(bytes).map(|r| Self::Complete(Box::new(r))),
            PENDING_TYPE => PendingReceipt::from_slice(bytes).map(|r| Self::Pending(Box::new(r))),
            PROOF_TYPE => Err(ReceiptError::invalid("type", "is a node's proof without a subject, not a receipt")),
            _ => Err(ReceiptError::invalid("type", format!("is not `{RECEIPT_TYPE}` or `{PENDING_TYPE}`"))),
        }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) == Some(&b'{')
}

#[cfg(test)]
#[path = "notary_codec_test.rs"]
mod tests;
