use proptest::prelude::*;

use super::*;
use crate::Error;

fn envelope(system: ProofSystem, bytes: usize) -> Result<Envelope, CodecError> {
    Envelope::new(StatementId::new("notary.v1").expect("a valid name"), system, Hash([7; 32]), vec![9; bytes])
}

#[test]
fn the_encoding_is_fixed() {
    let bytes = envelope(ProofSystem::Plonky3Goldilocks, 2).expect("fits").to_bytes();
    let expected = format!("01{}{}02{}{}", "00000009", hex(b"notary.v1"), "07".repeat(32), "000000020909");
    assert_eq!(hex(&bytes), expected);
}

#[test]
fn a_proof_has_the_length_of_its_system() {
    for (system, bytes, fits) in [
        (ProofSystem::Groth16Bn254, 127, false),
        (ProofSystem::Groth16Bn254, 128, true),
        (ProofSystem::Groth16Bn254, 129, false),
        (ProofSystem::Plonky3Goldilocks, 0, false),
        (ProofSystem::Plonky3Goldilocks, 1, true),
        (ProofSystem::Plonky3Goldilocks, MAX_PROOF_BYTES, true),
        (ProofSystem::Plonky3Goldilocks, MAX_PROOF_BYTES + 1, false),
    ] {
        assert_eq!(envelope(system, bytes).is_ok(), fits, "{system:?} {bytes}");
    }
}

#[test]
fn names_outside_the_alphabet_are_refused() {
    for name in ["", "Notary", "a b", "é", &"a".repeat(33)] {
        assert_eq!(StatementId::new(name), None, "{name}");
    }
    assert!(StatementId::new(&"a".repeat(32)).is_some());
}

#[test]
fn no_statement_is_verified_yet_and_the_answer_says_so() {
    let envelope = envelope(ProofSystem::Groth16Bn254, 128).expect("fits");
    assert_eq!(crate::verify(&envelope.to_bytes(), b""), Err(Error::UnknownStatement(envelope.statement)));
    assert!(matches!(crate::verify(b"\x02", b""), Err(Error::Malformed(CodecError::Version { .. }))));
}

#[test]
fn a_huge_length_prefix_is_refused_before_it_is_allocated() {
    let mut bytes = envelope(ProofSystem::Groth16Bn254, 128).expect("fits").to_bytes();
    let prefix = bytes.len() - 132;
    bytes[prefix..prefix + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(Envelope::from_bytes(&bytes), Err(CodecError::TooLong { .. })));
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(envelope) = Envelope::from_bytes(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_mutated_envelope_is_another_or_none(at in 0usize..180, flip in 1u8..) {
        let original = envelope(ProofSystem::Groth16Bn254, 128).expect("fits");
        let mut bytes = original.to_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(other) = Envelope::from_bytes(&bytes) {
            prop_assert_ne!(&other, &original);
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
