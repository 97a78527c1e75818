use super::*;

#[test]
fn both_sides_know_the_secret() {
    for seed in 0..20 {
        let mut rng = seeded(seed);
        let pair = EphemeralKeyPair::generate(&mut rng);
        let (ciphertext, sent) = encapsulate_ephemeral(pair.public(), &mut rng);
        assert_eq!(pair.decapsulate(&ciphertext).as_bytes(), sent.as_bytes());
    }
}

#[test]
fn a_changed_ciphertext_gives_another_secret_each_time_the_same() {
    let mut rng = seeded(5);
    let pair = EphemeralKeyPair::generate(&mut rng);
    let (mut ciphertext, sent) = encapsulate_ephemeral(pair.public(), &mut rng);
    for at in [0, 400, 767] {
        ciphertext[at] ^= 1;
        let rejected = pair.decapsulate(&ciphertext);
        assert_ne!(rejected.as_bytes(), sent.as_bytes());
        assert_eq!(rejected.as_bytes(), pair.decapsulate(&ciphertext).as_bytes());
        ciphertext[at] ^= 1;
    }
}
