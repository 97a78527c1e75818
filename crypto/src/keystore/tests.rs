use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PASSPHRASE: &[u8] = "correct horse — battery".as_bytes();

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn sealed() -> Vec<u8> {
    seal(&key(), PASSPHRASE, KdfParams::CHEAPEST, [2; 16], [3; 24]).unwrap()
}

fn text() -> String {
    String::from_utf8(sealed()).unwrap()
}

/// The file with one value replaced.
fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(&sealed()).unwrap();
    *file.pointer_mut(pointer).unwrap() = value;
    serde_json::to_vec(&file).unwrap()
}

/// The file after `change`, with a checksum that fits again: an attacker, not an accident.
fn forged(change: impl FnOnce(&mut Sealed)) -> Vec<u8> {
    let mut parts = Sealed::from_json(&sealed()).unwrap();
    change(&mut parts);
    parts.to_json()
}

fn error(bytes: &[u8]) -> KeystoreError {
    open(bytes, PASSPHRASE).unwrap_err()
}

#[test]
fn what_is_sealed_opens() {
    let opened = open(&sealed(), PASSPHRASE).unwrap();
    assert_eq!(*opened.seed(), [1; 32]);
    let info = inspect(&sealed()).unwrap();
    assert_eq!(info.public_key, key().public_key());
    assert_eq!(info.address, Address::from_key(&key().public_key()));
    assert_eq!(info.params, KdfParams::CHEAPEST);
}

#[test]
fn vector() {
    // Ciphertext and checksum were found alike with libsodium.
    assert_eq!(text(), include_str!("../testdata/keystore-v1.json"));
}

#[test]
fn the_recommended_costs_open_too() {
    let sealed = seal(&key(), b"", KdfParams::default(), [2; 16], [3; 24]).unwrap();
    assert_eq!(open(&sealed, b"").unwrap().public_key(), key().public_key());
    let file: Value = serde_json::from_slice(&sealed).unwrap();
    assert_eq!(file["kdf"]["memory_kib"], 65536);
}

#[test]
fn the_secret_is_not_in_the_file() {
    assert!(!text().contains(&"01".repeat(16)));
}

#[test]
fn salt_and_nonce_change_everything_secret() {
    let a = seal(&key(), PASSPHRASE, KdfParams::CHEAPEST, [2; 16], [3; 24]).unwrap();
    let b = seal(&key(), PASSPHRASE, KdfParams::CHEAPEST, [9; 16], [3; 24]).unwrap();
    let c = seal(&key(), PASSPHRASE, KdfParams::CHEAPEST, [2; 16], [9; 24]).unwrap();
    let ciphertext = |bytes: &[u8]| Sealed::from_json(bytes).unwrap().ciphertext;
    assert_ne!(ciphertext(&a), ciphertext(&b));
    assert_ne!(ciphertext(&a), ciphertext(&c));
}

#[test]
fn a_wrong_passphrase_is_not_a_damaged_file() {
    for wrong in [&b""[..], b"correct horse", &[PASSPHRASE, b" "].concat()] {
        assert_eq!(open(&sealed(), wrong).unwrap_err(), KeystoreError::WrongPassphrase);
    }
}

#[test]
fn a_changed_value_is_damage_whatever_the_passphrase() {
    let other = SigningKey::from_seed([7; 32]).public_key();
    let changed = [
        with("/public_key", json!(other.to_string())),
        with("/address", json!(Address::from_key(&other).to_string())),
        with("/kdf/memory_kib", json!(16)),
        with("/kdf/iterations", json!(2)),
        with("/kdf/salt", json!("00".repeat(16))),
        with("/cipher/nonce", json!("00".repeat(24))),
        with("/cipher/ciphertext", json!("00".repeat(48))),
        with("/checksum", json!("00".repeat(32))),
    ];
    for bytes in changed {
        assert_eq!(error(&bytes), KeystoreError::Damaged);
        assert_eq!(open(&bytes, b"wrong").unwrap_err(), KeystoreError::Damaged);
        assert_eq!(inspect(&bytes).unwrap_err(), KeystoreError::Damaged);
    }
}

#[test]
fn a_forged_file_does_not_open() {
    let other = SigningKey::from_seed([7; 32]).public_key();
    assert_eq!(error(&forged(|parts| parts.public_key = other)), KeystoreError::WrongPassphrase);
    assert_eq!(error(&forged(|parts| parts.salt[0] ^= 1)), KeystoreError::WrongPassphrase);
    assert_eq!(error(&forged(|parts| parts.nonce[0] ^= 1)), KeystoreError::WrongPassphrase);
    assert_eq!(
        error(&forged(|parts| parts.params = KdfParams::new(16, 1, 1).unwrap())),
        KeystoreError::WrongPassphrase
    );
    for at in 0..48 {
        assert_eq!(error(&forged(|parts| parts.ciphertext[at] ^= 1)), KeystoreError::WrongPassphrase);
    }
    assert!(open(&forged(|_| {}), PASSPHRASE).is_ok());
}

#[test]
fn a_secret_under_another_public_key_is_refused() {
    // Sealed with the right passphrase by somebody who lies about the key.
    let mut parts = Sealed::from_json(&sealed()).unwrap();
    parts.public_key = SigningKey::from_seed([7; 32]).public_key();
    let mut seed = [1u8; 32];
    let tag = cipher(&parts, PASSPHRASE)
        .unwrap()
        .encrypt_inout_detached(&parts.nonce.into(), &parts.header(), seed.as_mut_slice().into())
        .unwrap();
    parts.ciphertext = [&seed[..], &tag[..]].concat().try_into().unwrap();
    assert_eq!(error(&parts.to_json()), KeystoreError::KeyMismatch);
}

#[test]
fn hostile_costs_are_refused_before_they_are_paid() {
    let costs = |field: &str, value: u64| match error(&with(&format!("/kdf/{field}"), json!(value))) {
        KeystoreError::KdfBounds { field: named, found, .. } => (named, found),
        other => panic!("{other}"),
    };
    assert_eq!(costs("memory_kib", u32::MAX.into()), ("memory_kib", u32::MAX.into()));
    assert_eq!(costs("memory_kib", 1024 * 1024 + 1), ("memory_kib", 1024 * 1024 + 1));
    assert_eq!(costs("memory_kib", 7), ("memory_kib", 7));
    assert_eq!(costs("memory_kib", 0), ("memory_kib", 0));
    assert_eq!(costs("iterations", 0), ("iterations", 0));
    assert_eq!(costs("iterations", u32::MAX.into()), ("iterations", u32::MAX.into()));
    assert_eq!(costs("parallelism", 0), ("parallelism", 0));
    assert_eq!(costs("parallelism", 17), ("parallelism", 17));
    assert_eq!(costs("parallelism", 2), ("memory_kib", 8), "8 KiB for each lane");
    // 1 GiB is allowed and 16 passes are, both together are not.
    assert!(KdfParams::new(1024 * 1024, 4, 1).is_ok());
    assert!(KdfParams::new(256 * 1024, 16, 1).is_ok());
    assert!(matches!(KdfParams::new(1024 * 1024, 5, 1), Err(KeystoreError::KdfBounds { .. })));
    assert!(matches!(error(&with("/kdf/memory_kib", json!(1u64 << 40))), KeystoreError::Format(_)));
    assert!(matches!(error(&with("/kdf/memory_kib", json!(-1))), KeystoreError::Format(_)));
}

#[test]
fn later_versions_and_other_algorithms_are_named() {
    let unsupported = |pointer: &str, value: Value| match error(&with(pointer, value)) {
        KeystoreError::Unsupported { field, found, .. } => format!("{field} {found}"),
        other => panic!("{other}"),
    };
    assert_eq!(unsupported("/version", json!(2)), "version 2");
    assert_eq!(unsupported("/format", json!("ethereum")), "format ethereum");
    assert_eq!(unsupported("/kdf/name", json!("scrypt")), "kdf.name scrypt");
    assert_eq!(unsupported("/cipher/name", json!("aes-256-gcm")), "cipher.name aes-256-gcm");
}

#[test]
fn what_is_no_keystore_is_refused() {
    let long = [sealed(), vec![b' '; MAX_KEYSTORE_BYTES]].concat();
    let upper = text().replace("ciphertext\": \"", "ciphertext\": \"A");
    let unknown = text().replacen('{', "{ \"note\": 1,", 1);
    let duplicate = text().replacen('{', "{ \"version\": 1,", 1);
    let nested = text().replacen("\"kdf\": {", "\"kdf\": { \"note\": 1,", 1);
    let trailing = text() + "{}";
    let bad = ["", "{}", "[]", "null", "\u{feff}{}", &upper, &unknown, &duplicate, &nested, &trailing];
    for bytes in bad.iter().map(|text| text.as_bytes()).chain([&long[..], &[0xff; 9]]) {
        assert!(matches!(error(bytes), KeystoreError::Format(_)), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn white_space_and_key_order_are_free() {
    let file: Value = serde_json::from_slice(&sealed()).unwrap();
    // `Value` sorts its keys and `to_vec` writes no white space.
    assert!(open(&serde_json::to_vec(&file).unwrap(), PASSPHRASE).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No single changed byte gives another key: the file opens as it was or not at all.
    #[test]
    fn no_changed_byte_goes_unseen(at: prop::sample::Index, byte: u8) {
        let mut bytes = sealed_once().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match inspect(&bytes) {
            Ok(info) => prop_assert_eq!(info.public_key, key().public_key()),
            Err(error) => prop_assert!(error != KeystoreError::WrongPassphrase),
        }
    }

    #[test]
    fn hostile_bytes(bytes in crate::test_support::hostile(vec![sealed_once().to_vec()])) {
        if let Ok(info) = inspect(&bytes) {
            prop_assert_eq!(info.public_key, key().public_key());
        }
    }
}

fn sealed_once() -> &'static [u8] {
    static SEALED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SEALED.get_or_init(sealed)
}
