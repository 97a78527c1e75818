//! Ed25519 keys, signatures and signers.

mod batch;
mod public_key;
mod signature;
mod signer;
mod signing_key;
mod zip215;

pub use batch::verify_batch;
pub use public_key::PublicKey;
pub use signature::Signature;
pub use signer::Signer;
pub use signing_key::SigningKey;

#[cfg(test)]
mod tests;
