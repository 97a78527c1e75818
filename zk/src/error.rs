//! Every error of this crate.

use pyralog_crypto::CodecError;
use thiserror::Error;

use crate::StatementId;

/// Why a proof was not accepted. Blame: whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not the canonical encoding of a proof envelope.
    #[error("not a proof envelope: {0}")]
    Malformed(#[source] CodecError),
    /// This release has no verifier for the statement.
    #[error("this release verifies no statement `{0}`; a newer one may")]
    UnknownStatement(StatementId),
}
