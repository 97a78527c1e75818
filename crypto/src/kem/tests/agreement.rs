//! The two implementations of the static scheme give the same, also where a ciphertext is none.

use proptest::prelude::*;

use super::*;

/// Encapsulates with one, decapsulates with the other.
fn agree(key: &StaticKeyPair, seed: u64) -> StaticCiphertext {
    let Some(fast) = FastMcEliece::detect() else {
        return PortableMcEliece.encapsulate(&key.public, &mut seeded(seed)).0;
    };
    let (ciphertext, secret) = PortableMcEliece.encapsulate(&key.public, &mut seeded(seed));
    let (same, same_secret) = fast.encapsulate(&key.public, &mut seeded(seed));
    assert_eq!(ciphertext, same);
    assert_eq!(secret.as_bytes(), same_secret.as_bytes());
    assert_eq!(fast.decapsulate(&key.secret, &ciphertext).as_bytes(), secret.as_bytes());
    assert_eq!(PortableMcEliece.decapsulate(&key.secret, &ciphertext).as_bytes(), secret.as_bytes());
    ciphertext
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_opens_what_the_other_made(seed in any::<u64>()) {
        agree(&pairs()[0], seed);
    }

    #[test]
    fn both_reject_alike(seed in any::<u64>(), at in 0..STATIC_CIPHERTEXT_BYTES, flip in 1u8..) {
        let key = &pairs()[0];
        let (good, secret) = fastest().encapsulate(&key.public, &mut seeded(seed));
        let mut bad = good;
        bad[at] ^= flip;
        let rejected = PortableMcEliece.decapsulate(&key.secret, &bad);
        prop_assert_ne!(rejected.as_bytes(), secret.as_bytes());
        let same = fastest().decapsulate(&key.secret, &bad);
        prop_assert_eq!(same.as_bytes(), rejected.as_bytes());
    }

    #[test]
    fn both_reject_noise_alike(noise in proptest::collection::vec(any::<u8>(), STATIC_CIPHERTEXT_BYTES)) {
        let noise: StaticCiphertext = noise.try_into().unwrap();
        let key = &pairs()[0];
        let rejected = PortableMcEliece.decapsulate(&key.secret, &noise);
        let same = fastest().decapsulate(&key.secret, &noise);
        prop_assert_eq!(same.as_bytes(), rejected.as_bytes());
    }
}

#[test]
fn both_agree_on_what_was_made_for_another_key() {
    let [one, other] = pairs();
    let ciphertext = agree(one, 7);
    let (of_one, of_other) =
        (fastest().decapsulate(&one.secret, &ciphertext), fastest().decapsulate(&other.secret, &ciphertext));
    assert_ne!(of_one.as_bytes(), of_other.as_bytes());
    assert_eq!(PortableMcEliece.decapsulate(&other.secret, &ciphertext).as_bytes(), of_other.as_bytes());
}

#[test]
fn a_syndrome_without_its_confirmation_is_rejected() {
    let key = &pairs()[0];
    let (good, secret) = PortableMcEliece.encapsulate(&key.public, &mut seeded(3));
    let mut bad = good;
    bad[156..].fill(0);
    for kem in [&PortableMcEliece as &dyn StaticKem, fastest()] {
        assert_ne!(kem.decapsulate(&key.secret, &bad).as_bytes(), secret.as_bytes(), "{}", kem.name());
    }
}

#[test]
fn the_fast_one_is_chosen_where_it_runs() {
    assert_eq!(fastest().name() == "avx2", FastMcEliece::detect().is_some());
}
