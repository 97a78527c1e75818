//! Why a receipt does not verify.

use crate::light::Fault;

/// Whose fault it is that a receipt does not verify. The wallet turns the class into its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The document or the receipt is not what it claims to be. Exit code 3.
    Invalid,
    /// The receipt is not complete yet. Exit code 4.
    Pending,
    /// The receipt may be sound, but not under the root the caller trusts. Exit code 5.
    Untrusted,
}

impl ErrorClass {
    /// The exit code of `pyralog verify`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 3,
            Self::Pending => 4,
            Self::Untrusted => 5,
        }
    }
}

/// A receipt that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// A value is wrong: the document's, or the receipt's. Names it.
    #[error("the receipt is not valid: {0}")]
    Invalid(Fault),
    /// No block is known to anchor the leaf.
    #[error("the receipt is pending: {0}")]
    Pending(String),
    /// The root the caller trusts does not lead to this receipt, or is too old.
    #[error("the receipt is not trusted: {0}")]
    Untrusted(String),
}

impl ReceiptError {
    /// The class.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Invalid(_) => ErrorClass::Invalid,
            Self::Pending(_) => ErrorClass::Pending,
            Self::Untrusted(_) => ErrorClass::Untrusted,
        }
    }

    /// The field at fault, for [`ReceiptError::Invalid`].
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid(fault) => Some(&fault.field),
            _ => None,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid(Fault::new(field, reason))
    }

    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Invalid(Fault::new("", format!("the file {}", reason.into())))
    }
}

impl From<Fault> for ReceiptError {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}
