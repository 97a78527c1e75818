use super::*;
use crate::error::KemError;

#[test]
fn bytes_of_another_length_are_no_keys() {
    for length in [0, 1, STATIC_PUBLIC_KEY_BYTES - 1, STATIC_PUBLIC_KEY_BYTES + 1] {
        let refused = StaticPublicKey::from_bytes(vec![0; length]).unwrap_err();
        assert!(matches!(refused, KemError::Length { found, .. } if found == length), "{refused}");
    }
    for length in [0, STATIC_SECRET_KEY_BYTES - 1, STATIC_SECRET_KEY_BYTES + 1] {
        let refused = StaticSecretKey::from_bytes(vec![0; length]).unwrap_err();
        assert_eq!(refused.to_string(), format!("a static secret key has 13608 bytes, not {length}"));
    }
}

#[test]
fn keys_survive_their_files() {
    let pair = &pairs()[0];
    let public = StaticPublicKey::from_bytes(pair.public.as_bytes().to_vec()).unwrap();
    let secret = StaticSecretKey::from_bytes(pair.secret.as_bytes().to_vec()).unwrap();
    assert_eq!(public, pair.public);
    let (ciphertext, sent) = fastest().encapsulate(&public, &mut seeded(9));
    assert_eq!(fastest().decapsulate(&secret, &ciphertext).as_bytes(), sent.as_bytes());
}

#[test]
fn equal_randomness_makes_equal_keys() {
    let again = StaticKeyPair::generate(&mut seeded(1)).unwrap();
    assert_eq!(again.public, pairs()[0].public);
    assert_eq!(again.secret.as_bytes(), pairs()[0].secret.as_bytes());
}

#[test]
fn nothing_secret_is_shown() {
    let pair = &pairs()[0];
    let (_, secret) = fastest().encapsulate(&pair.public, &mut seeded(1));
    let ephemeral = EphemeralKeyPair::generate(&mut seeded(1));
    assert_eq!(
        format!("{:?} {secret:?} {ephemeral:?}", pair.secret),
        "StaticSecretKey(…) SharedSecret(…) EphemeralKeyPair(…)"
    );
    assert!(format!("{pair:?}").len() < 120);
}
