use super::*;

fn secret(byte: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]))
}

/// Made with another X25519 and another BLAKE2s.
#[test]
fn the_public_key_and_its_address_are_fixed() {
    let key = secret(7).public();
    assert_eq!(key.to_string(), "E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=");
    assert_eq!(key.overlay().to_string(), "fd81:73cf:38b2:757e:74ea:8974:4bc7:774f");
}

#[test]
fn text_is_read_back_and_other_text_is_refused() {
    let key = secret(7).public();
    assert_eq!(key.to_string().parse(), Ok(key));
    for text in ["", "AAAA", "no base64", &format!("{key}A")] {
        assert!(text.parse::<TunnelKey>().is_err(), "{text}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let secret = secret(7);
    let printed = format!("{secret:?} {:?}", PresharedKey::new(Zeroizing::new([9; 32])));
    assert_eq!(printed, format!("TunnelSecret(of {}) PresharedKey(..)", secret.public()));
    assert_ne!(secret.derive("one")[..], secret.derive("other")[..]);
}
