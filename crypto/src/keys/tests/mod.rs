mod batch;
mod signing;
mod zip215;

use super::{PublicKey, Signature, SigningKey};

/// The answer of the reference implementation.
fn reference(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    ed25519_consensus::VerificationKey::try_from(key.0)
        .and_then(|key| key.verify(&ed25519_consensus::Signature::from(signature.0), message))
        .is_ok()
}

/// The answer of every path of ours, which must be one: alone, and in a batch among valid signatures.
fn ours(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let other = SigningKey::from_seed([99; 32]);
    let valid = (other.public_key(), &b"valid"[..], other.sign(b"valid"));
    let alone = key.verify(message, signature).is_ok();
    let batches = [
        super::verify_batch(&[(*key, message, *signature)]),
        super::verify_batch(&[(*key, message, *signature), valid]),
        super::verify_batch(&[valid, (*key, message, *signature)]),
    ];
    assert_eq!(batches, [vec![alone], vec![alone, true], vec![true, alone]]);
    alone
}
