//! Names of statements.

use std::fmt;

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

/// Longest name of a statement, in bytes.
const MAX_BYTES: usize = 32;

/// A statement's name and version, such as `notary.v1`: 1 to 32 bytes of `a-z 0-9 . _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(String);

impl StatementId {
    /// Takes a name that keeps the rule, or nothing.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let keeps = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'_';
        ((1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(keeps)).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for StatementId {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl Decode for StatementId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::new(input.text(MAX_BYTES)?)
            .ok_or(CodecError::Invalid { what: "statement id", why: "1 to 32 characters of a-z 0-9 . _" })
    }
}
