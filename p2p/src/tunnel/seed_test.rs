use super::*;

fn seed(byte: u8) -> TunnelSeed {
    TunnelSeed::new(Zeroizing::new([byte; 32]))
}

#[test]
fn all_keys_follow_from_the_seed_and_differ() {
    let (one, same, other) = (seed(1), seed(1), seed(2));
    assert_eq!(one.wireguard().public(), same.wireguard().public());
    assert_ne!(one.wireguard().public(), other.wireguard().public());
    let (pair, again) = (one.rosenpass().unwrap(), same.rosenpass().unwrap());
    assert_eq!(pair.public.as_bytes(), again.public.as_bytes());
    assert_eq!(format!("{one:?}"), "TunnelSeed(..)");
}

#[test]
fn a_kept_pair_is_read_with_its_seed_and_refused_with_another_or_with_any_byte_changed() {
    let (one, other) = (seed(1), seed(2));
    let pair = one.rosenpass().unwrap();
    let kept = one.keep(&pair);
    assert_eq!(kept.len(), MAX_KEPT_PAIR_BYTES);
    let read = one.kept(&kept).unwrap();
    assert_eq!(read.public.as_bytes(), pair.public.as_bytes());
    assert_eq!(read.secret.as_bytes(), pair.secret.as_bytes());
    let secret = pair.secret.as_bytes();
    assert!(!kept.windows(32).any(|window| window == &secret[..32]), "the secret key stands in the clear");
    assert!(other.kept(&kept).is_none());
    for at in [0, 7, 8, 500_000, kept.len() - 17, kept.len() - 1] {
        let mut changed = kept.clone();
        changed[at] ^= 1;
        assert!(one.kept(&changed).is_none(), "byte {at}");
    }
    for length in [0, 8, kept.len() - 1] {
        assert!(one.kept(&kept[..length]).is_none(), "{length} bytes");
    }
    assert!(one.kept(&[&kept[..], b"x"].concat()).is_none());
}
