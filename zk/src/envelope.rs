//! The envelope around a proof.

#[cfg(test)]
mod tests;

use pyralog_crypto::{CodecError, Decode, Encode, Hash, Reader, Writer};

use crate::StatementId;

/// Largest STARK proof accepted, in bytes. A hiding sum over 65,528 values measured 318 KB.
pub const MAX_PROOF_BYTES: usize = 1 << 20;

/// Exact size of a compressed Groth16 proof over BN254, in bytes.
const GROTH16_BYTES: usize = 128;

const VERSION: u8 = 1;

/// Which proof system made a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ProofSystem {
    /// Groth16 over BN254: hides the witness, needs a ceremony, not post-quantum. Proofs are exactly 128 bytes.
    Groth16Bn254 = 1,
    /// Plonky3 over Goldilocks with BLAKE3: transparent, post-quantum. Proofs are 1 byte to [`MAX_PROOF_BYTES`].
    Plonky3Goldilocks = 2,
}

/// A proof with everything that says how to check it, except the public inputs.
///
/// Canonical bytes: version `u8` = 1, statement id (text), system `u8`, verification key hash (32 bytes), proof (byte string).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is proven.
    pub statement: StatementId,
    /// How it is proven.
    pub system: ProofSystem,
    /// SHA-256 of the verification key's canonical bytes.
    pub key_hash: Hash,
    /// The proof; its length is right for `system`.
    proof: Vec<u8>,
}

impl Envelope {
    /// Puts a proof into its envelope.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] where the length of `proof` is wrong for `system`.
    pub fn new(
        statement: StatementId,
        system: ProofSystem,
        key_hash: Hash,
        proof: Vec<u8>,
    ) -> Result<Self, CodecError> {
        let fits = match system {
            ProofSystem::Groth16Bn254 => proof.len() == GROTH16_BYTES,
            ProofSystem::Plonky3Goldilocks => (1..=MAX_PROOF_BYTES).contains(&proof.len()),
        };
        if !fits {
            return Err(CodecError::Invalid { what: "proof", why: "its length is wrong for its proof system" });
        }
        Ok(Self { statement, system, key_hash, proof })
    }

    /// The proof's bytes.
    #[must_use]
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }
}

impl Encode for Envelope {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION).put(&self.statement).u8(self.system as u8).put(&self.key_hash).bytes(&self.proof);
    }
}

impl Decode for Envelope {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("proof envelope", VERSION)?;
        let statement = input.get()?;
        let system = match input.u8()? {
            1 => ProofSystem::Groth16Bn254,
            2 => ProofSystem::Plonky3Goldilocks,
            found => return Err(CodecError::Tag { what: "proof system", found: found.into() }),
        };
        let key_hash = input.get()?;
        let proof = input.bytes(MAX_PROOF_BYTES)?.to_vec();
        Self::new(statement, system, key_hash, proof)
    }
}
