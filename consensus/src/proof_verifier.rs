//! The seam to zero-knowledge proofs: this crate says what must be proved, another crate knows how to verify it.
//!
//! Envelope v1 has room for proof attachments and refuses them for now ([`crate::tx::TxError::ProofReserved`]). When a
//! chain turns a proof system on, its ledger takes a [`ProofVerifier`] from whoever builds it.

/// Verifies zero-knowledge proofs. Must be deterministic: all nodes give the same answer for the same bytes, for ever.
pub trait ProofVerifier: Send + Sync {
    /// Checks that `proof` proves `statement` (canonical bytes, all public inputs included) in the proof system `system`.
    ///
    /// # Errors
    /// [`ProofError`] says whether the system is unknown, the bytes are damaged or the proof is wrong.
    fn verify(&self, system: u16, statement: &[u8], proof: &[u8]) -> Result<(), ProofError>;

    /// The largest proof of a system in bytes, `None` if the system is unknown. Checked before [`ProofVerifier::verify`].
    fn max_proof_bytes(&self, system: u16) -> Option<usize>;
}

/// Why a proof is refused. Blame: whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// No such proof system on this chain.
    #[error("proof system {system} is not active on this chain; send the transaction without this proof")]
    UnknownSystem {
        /// The id in the attachment.
        system: u16,
    },
    /// The proof is larger than its system allows, or does not decode.
    #[error("the proof does not decode: {detail}; build it again")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// The proof does not prove the statement.
    #[error("the proof does not prove its statement; build it again from the current state")]
    Invalid,
}

/// No proof system at all: every proof is refused. What a chain of this version runs with.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProofs;

impl ProofVerifier for NoProofs {
    fn verify(&self, system: u16, _statement: &[u8], _proof: &[u8]) -> Result<(), ProofError> {
        Err(ProofError::UnknownSystem { system })
    }

    fn max_proof_bytes(&self, _system: u16) -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_proof_systems_every_proof_is_refused() {
        let verifier: &dyn ProofVerifier = &NoProofs;
        for system in [0, 1, u16::MAX] {
            assert_eq!(verifier.verify(system, b"statement", b"proof"), Err(ProofError::UnknownSystem { system }));
            assert_eq!(verifier.max_proof_bytes(system), None);
        }
    }
}
