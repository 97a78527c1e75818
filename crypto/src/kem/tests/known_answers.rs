//! Answers of others: record 0 of the known answers in the submissions to NIST, whose digests liboqs publishes, and a ciphertext that liboqs made.
//!
//! The randomness of such a record comes from a generator (AES-256-CTR) under the seed that stands in it; what it gives here is written out below. A
//! public key is too long for a source, so that the digest of the whole record is compared: its text is `count`, `seed`, `pk`, `sk`, `ct` and
//! `ss`, each on a line of its own in upper-case hexadecimal.

use sha2::{Digest, Sha256};

use super::*;

const SEED: &str = "061550234D158C5EC95595FE04EF7A25767F2E24CC2BC479D09D86DC9ABCFDE7056A8C266F9EF97ED08541DBD2E1FFA1";
/// First call of the generator: 32 bytes.
const FIRST: &str = "7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d";
/// Second call: 384 bytes. Kyber takes 32 of them.
const SECOND: &str = "8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8fab0a7289852106e40538d3575c50028da0e37a216dd514ed\
d89012cfcc19d20651e0253466bc99245685025bf91ecbd72b3ab2779f87d64e65576930e222f949f7268c8d6ecc552c8fec69e22a5fc0b63c5c51ba9c0ed0be2e8431\
2d568c368d9a182218de7d308424f5e6854a8241482b85bd787c98e142fd1b748cdda017020968dca71f9e43cbdbc720001f517be6c03ceb49e927a9d4c61f76c111dd\
06a3c05feaca22711a349143fca2059f0709f0e16c99ebac97a093aa91045024e642e696e7b52d20fe3f0a31ce5b18ea6e04a5d30fd8026be795796bd336871444a309\
10d776fed786d09de127cd2c3511f06ab0939fb4930f0e7ff8cb0eaf9d7afe687e5624b6b844ba62895d78d0d9173d643c1ab4800f0cf51c3d1f60437960f43c1ae61c\
11a5c3ec71a6d49ea506ba174f55102e7884f8ec6eef31968d940539bb5a8172f01d2713e216db45f82d3f96d3262958badb23695477f5e45c713b4c";
/// Third call of Kyber: 32 bytes.
const THIRD_OF_KYBER: &str = "147c03f7a5bebba406c8fae1874d7f13c80efe79a3a9a874cc09fe76f6997615";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// SHA-256 of the record's text.
fn record(pk: &[u8], sk: &[u8], ct: &[u8], ss: &[u8]) -> String {
    let line = |name: &str, value: &[u8]| format!("{name} = {}\n", hex::encode_upper(value));
    let text = [
        "count = 0\n".to_owned(),
        format!("seed = {SEED}\n"),
        line("pk", pk),
        line("sk", sk),
        line("ct", ct),
        line("ss", ss),
    ];
    hex::encode(Sha256::digest(text.concat()))
}

#[test]
fn kyber512_of_round_3() {
    let script = [FIRST, &SECOND[..64], THIRD_OF_KYBER].concat();
    let script = bytes(&script);
    let mut rng = Script(&script);
    let pair = EphemeralKeyPair::generate(&mut rng);
    let (ciphertext, secret) = encapsulate_ephemeral(pair.public(), &mut rng);
    assert_eq!(pair.decapsulate(&ciphertext).as_bytes(), secret.as_bytes());
    assert_eq!(
        record(pair.public(), pair.secret_bytes(), &ciphertext, secret.as_bytes()),
        // "single" of Kyber512 in tests/KATs/kem/kats.json of liboqs 0.8.
        "bb0481d3325d828817900b709d23917cefbc10026fc857f098979451f67bb0ca"
    );
}

/// The key pair of the record.
fn static_pair() -> StaticKeyPair {
    let first = bytes(FIRST);
    let mut rng = Script(&first);
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(KEYGEN_STACK_BYTES);
        builder.spawn_scoped(scope, || StaticKeyPair::generate_here(&mut rng).unwrap()).unwrap().join().unwrap()
    })
}

/// Round 4 has the same keys and the same syndrome C₀, and hashes less. Its record is published as well, and tells of everything but the two hashes
/// of round 3.
#[test]
fn classic_mceliece_460896_keys_and_syndrome() {
    let (pair, second) = (static_pair(), bytes(SECOND));
    let error = super::super::fast::draw_error(&mut Script(&second));
    for kem in [&PortableMcEliece as &dyn StaticKem, fastest()] {
        let (ciphertext, _) = kem.encapsulate(&pair.public, &mut Script(&second));
        let secret = super::super::fast::hash(&[&[1], error.as_slice(), &ciphertext[..156]]);
        assert_eq!(
            record(pair.public.as_bytes(), pair.secret.as_bytes(), &ciphertext[..156], secret.as_slice()),
            // "single" of Classic-McEliece-460896 in tests/KATs/kem/kats.json of liboqs 0.14.
            "03124a66e44aea18a3c1fcd63be22f2217ec5514b7d84166b1da71094c251769",
            "{}",
            kem.name()
        );
    }
}

/// What liboqs 0.8, whose Classic McEliece is that of `rosenpass` 0.2.3, made for the same public key, and the secret it found in it.
const CIPHERTEXT_OF_LIBOQS: &str = "422edef8b5305aaaaba240163c5f13bb6d656cd7237b0c4580645b24b4aa6a66c04d90f94144a5dd2bc2f7fea37474a49b18ced6dd\
0538545772e4115ac9b08538468e78879b0e3855d904eff7f58ee01e148d670f1164a2cd8e83d415f3c5b401a2b572a3b53744b68dda475df7705f9f252101ea4035ce99f0\
d01585347512e97aa20dd8a7a44d56a0693f91cac349d5ed1b5e3fd08f139b91e3971da82473197911a0cd138ad0cb9c5b41b153125165805c5e6d55611248f6b0b1";
const SECRET_OF_LIBOQS: &str = "8ee1a0dcb3f0679ec1a8e423f571d39ec85465abca99095341783643cc47fc5d";
/// What liboqs answers when bit 0 of byte 100 is turned over.
const REJECTION_OF_LIBOQS: &str = "785e1628bb698eae2b2cffd9b67e14dec11ab560190bde7ef1fae2ec8d1fca94";

#[test]
fn classic_mceliece_460896_secrets_of_liboqs() {
    let pair = static_pair();
    let good: StaticCiphertext = bytes(CIPHERTEXT_OF_LIBOQS).try_into().unwrap();
    let mut bad = good;
    bad[100] ^= 1;
    for kem in [&PortableMcEliece as &dyn StaticKem, fastest()] {
        for (ciphertext, secret) in [(&good, SECRET_OF_LIBOQS), (&bad, REJECTION_OF_LIBOQS)] {
            assert_eq!(hex::encode(kem.decapsulate(&pair.secret, ciphertext).as_bytes()), secret, "{}", kem.name());
        }
    }
}
