//! Statements about Pyralog's logs, the envelopes that carry their proofs, and the verifiers.
//!
//! This release fixes the envelope, so that transactions and files that carry proofs need no new format later. It verifies no
//! statement yet: [`verify()`] answers [`Error::UnknownStatement`] for each. Circuits and provers will stand in `zk/prover/`,
//! which the node never links.

#![doc(test(attr(deny(warnings))))]

mod envelope;
mod error;
mod statement;

pub use envelope::{Envelope, MAX_PROOF_BYTES, ProofSystem};
pub use error::Error;
pub use statement::StatementId;

/// Checks the proof inside `envelope` (its canonical bytes) against `public`, the canonical bytes of the statement's public
/// inputs.
///
/// # Errors
/// [`Error::Malformed`] where the bytes are no envelope, [`Error::UnknownStatement`] where this release has no verifier for the
/// statement.
pub fn verify(envelope: &[u8], public: &[u8]) -> Result<(), Error> {
    use pyralog_crypto::Decode as _;
    let envelope = Envelope::from_bytes(envelope).map_err(Error::Malformed)?;
    let _ = public;
    Err(Error::UnknownStatement(envelope.statement))
}
