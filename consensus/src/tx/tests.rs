//! Vectors in hex, strictness of the decoder, stability of the error numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use pyralog_crypto::{
    Address, Checkpoint, Decode, Encode, Hash, LogId, MerkleHash, PublicKey, Roots, Sha256, Signature,
    SignedCheckpoint, Signer, SigningKey,
};

use super::*;

const CHAIN: &str = "pyralog-dev-1";

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

fn body(messages: Vec<Message>, signers: &[u8]) -> TxBody {
    let signer = |n: &u8| TxSigner { authority: Authority::Key(key(*n).public_key()), nonce: u64::from(*n) };
    TxBody {
        chain_id: CHAIN.into(),
        messages,
        signers: signers.iter().map(signer).collect(),
        payment: Payment::Fee(0x0102),
        expiry_height: 0x0304,
        proofs: vec![],
    }
}

fn sign(body: TxBody, signers: &[u8]) -> SignedTx {
    let keys: Vec<_> = signers.iter().map(|n| key(*n)).collect();
    let keys: Vec<&dyn Signer> = keys.iter().map(|k| k as &dyn Signer).collect();
    body.sign(&keys).unwrap()
}

/// One of each message.
fn messages() -> Vec<Message> {
    vec![
        Message::Transfer { signer: 0, to: Address([0xaa; 32]), amount: 5 },
        Message::RegisterLog { owner: PublicKey([0xbb; 32]), name: LogName::new("notary").unwrap() },
        Message::RotateLogKey { signer: 1, log: LogId([0xcc; 32]), new_owner: PublicKey([0xdd; 32]) },
        Message::Bond { signer: 0, validator: PublicKey([0xee; 32]), amount: 6 },
        Message::Unbond { signer: 0, validator: PublicKey([0xff; 32]), amount: 7 },
    ]
}

fn hex_of(byte: &str, n: usize) -> String {
    byte.repeat(n)
}

/// The encoding written out by hand from docs/protocol.md: independent of the encoder.
#[test]
fn signed_transaction_vector() {
    let tx = sign(body(messages(), &[1, 2]), &[1, 2]);
    let (one, two) = (key(1).public_key().to_string(), key(2).public_key().to_string());
    let prefix = [
        "0101",
        "0000000d",
        &hex::encode(CHAIN),
        "00000005",
        "01",
        "00",
        &hex_of("aa", 32),
        "0000000000000005",
        "02",
        &hex_of("bb", 32),
        "00000006",
        &hex::encode("notary"),
        "03",
        "01",
        &hex_of("cc", 32),
        &hex_of("dd", 32),
        "04",
        "00",
        &hex_of("ee", 32),
        "0000000000000006",
        "05",
        "00",
        &hex_of("ff", 32),
        "0000000000000007",
        "00000002",
        "01",
        &one,
        "0000000000000001",
        "01",
        &two,
        "0000000000000002",
        "01",
        "0000000000000102",
        "0000000000000304",
        "00000000",
    ]
    .concat();
    let sign_bytes = ["0000000d", &hex::encode("pyralog/tx/v1"), "0000000d", &hex::encode(CHAIN), &prefix].concat();
    let sign_bytes = hex::decode(sign_bytes).unwrap();
    assert_eq!(tx.body.sign_bytes(), sign_bytes);
    let signatures = [key(1).sign(&sign_bytes), key(2).sign(&sign_bytes)];
    let whole =
        [prefix.as_str(), "00000002", "01", &signatures[0].to_string(), "01", &signatures[1].to_string()].concat();
    assert_eq!(hex::encode(tx.to_bytes()), whole);
    let (decoded, from_decoder) = Envelope::decode_with_sign_bytes(&tx.to_bytes()).unwrap();
    assert_eq!(decoded, Envelope::Signed(tx));
    assert_eq!(from_decoder, sign_bytes);
}

/// A transfer with its signature and hash, computed from the specification by another program (Python, RFC 8032).
#[test]
fn transfer_vector() {
    let transfer = Message::Transfer { signer: 0, to: Address::from_key(&key(2).public_key()), amount: 1_000_000 };
    let bytes = sign(body(vec![transfer], &[1]), &[1]).to_bytes();
    assert_eq!(hex::encode(&bytes), include_str!("tests/transfer.hex").trim());
    assert_eq!(tx_hash(&bytes).to_string(), include_str!("tests/transfer.sha256").trim());
    assert_eq!(tx_hash(&bytes), Sha256::digest(&bytes));
}

#[test]
fn reserved_forms_have_their_place() {
    let mut tx = sign(body(messages(), &[1]), &[1]);
    tx.body.signers[0].authority = Authority::Policy(vec![0x51; 3]);
    tx.body.payment = Payment::Stamp(vec![0x52; 2]);
    tx.body.proofs = vec![ProofAttachment { system: 0x0708, proof: vec![0x53] }];
    tx.authorizations = vec![Authorization::Policy(vec![0x54; 4])];
    let bytes = tx.to_bytes();
    let text = hex::encode(&bytes);
    let tail = [
        "00000001",
        "02",
        "00000003",
        "515151",
        "0000000000000001",
        "02",
        "00000002",
        "5252",
        "0000000000000304",
        "00000001",
        "0708",
        "00000001",
        "53",
        "00000001",
        "02",
        "00000004",
        "54545454",
    ]
    .concat();
    assert!(text.ends_with(&tail), "{text}");
    assert_eq!(Envelope::decode(&bytes).unwrap(), Envelope::Signed(tx));
}

fn anchor() -> AnchorTx {
    let roots = Roots { blake3: Hash([0xb3; 32]), sha256: Hash([0x5a; 32]) };
    let checkpoint = Checkpoint { log: LogId([0x10; 32]), size: 0x1122, roots };
    AnchorTx { checkpoint: SignedCheckpoint { checkpoint, signature: Signature([0x99; 64]) } }
}

fn companion() -> CompanionTx {
    CompanionTx {
        log: LogId([0x10; 32]),
        old_size: 7,
        new_size: 0x1122,
        blake3: vec![Hash([1; 32]), Hash([2; 32])],
        sha256: vec![Hash([3; 32])],
    }
}

#[test]
fn anchor_and_companion_vectors() {
    let expected =
        ["0102", "01", &hex_of("10", 32), "0000000000001122", &hex_of("b3", 32), &hex_of("5a", 32), &hex_of("99", 64)]
            .concat();
    assert_eq!(hex::encode(anchor().to_bytes()), expected);
    assert_eq!(expected.len() / 2, 171);
    assert_eq!(Envelope::decode(&anchor().to_bytes()), Ok(Envelope::Anchor(anchor())));
    let expected = [
        "0103",
        &hex_of("10", 32),
        "0000000000000007",
        "0000000000001122",
        "00000002",
        &hex_of("01", 32),
        &hex_of("02", 32),
        "00000001",
        &hex_of("03", 32),
    ]
    .concat();
    assert_eq!(hex::encode(companion().to_bytes()), expected);
    assert_eq!(Envelope::decode(&companion().to_bytes()), Ok(Envelope::Companion(companion())));
}

fn samples() -> Vec<Vec<u8>> {
    let mut reserved = sign(body(messages(), &[1, 2]), &[1, 2]);
    reserved.body.payment = Payment::Stamp(vec![1; 9]);
    reserved.body.proofs = vec![ProofAttachment { system: 1, proof: vec![2; 30] }];
    vec![
        sign(body(messages(), &[1, 2]), &[1, 2]).to_bytes(),
        sign(body(vec![messages()[0].clone()], &[1]), &[1]).to_bytes(),
        reserved.to_bytes(),
        anchor().to_bytes(),
        companion().to_bytes(),
    ]
}

#[test]
fn every_prefix_and_every_extension_is_refused() {
    for bytes in samples() {
        for cut in 0..bytes.len() {
            assert!(matches!(Envelope::decode(&bytes[..cut]), Err(TxError::Malformed { .. })), "cut at {cut}");
        }
        assert!(matches!(Envelope::decode(&[&bytes[..], &[0]].concat()), Err(TxError::Malformed { .. })));
    }
}

#[test]
fn counts_are_bounded() {
    let refused = |body: TxBody, signers: &[u8]| {
        let error = Envelope::decode(&sign(body, signers).to_bytes()).unwrap_err();
        assert_eq!(error.code(), 1, "{error}");
    };
    let transfer = messages()[0].clone();
    refused(body(vec![transfer.clone(); MAX_MESSAGES + 1], &[1]), &[1]);
    refused(body(vec![], &[1]), &[1]);
    refused(body(vec![transfer.clone()], &[]), &[]);
    let many: Vec<u8> = (0..=MAX_SIGNERS as u8).collect();
    refused(body(vec![transfer.clone()], &many), &many);
    refused(body(vec![transfer.clone()], &[1, 2]), &[1]);
    refused(body(vec![transfer.clone()], &[1]), &[1, 2]);
    let mut long = body(vec![transfer.clone()], &[1]);
    long.chain_id = "a".repeat(51);
    refused(long, &[1]);
    let mut odd = body(vec![transfer.clone()], &[1]);
    odd.chain_id = "a b".into();
    refused(odd, &[1]);
    let full = body(vec![transfer; MAX_MESSAGES], &many[..MAX_SIGNERS]);
    assert!(Envelope::decode(&sign(full, &many[..MAX_SIGNERS]).to_bytes()).is_ok());
    let mut path = companion();
    path.blake3 = vec![Hash([0; 32]); pyralog_crypto::merkle::MAX_PATH + 1];
    assert_eq!(Envelope::decode(&path.to_bytes()).unwrap_err().code(), 1);
}

#[test]
fn an_authorization_must_fit_its_signer() {
    let mut tx = sign(body(messages(), &[1]), &[1]);
    tx.authorizations[0] = Authorization::Policy(vec![1]);
    assert_eq!(Envelope::decode(&tx.to_bytes()).unwrap_err().code(), 1);
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    for place in [2, 2 + 4 + CHAIN.len()] {
        let mut bytes = samples().swap_remove(1);
        bytes[place..place + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Envelope::decode(&bytes).unwrap_err().code(), 1);
    }
}

#[test]
fn messages_decode_alone() {
    for message in messages() {
        assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
    }
    assert!(Message::from_bytes(&[0]).is_err());
    assert!(Message::from_bytes(&[6]).is_err());
}

/// One error of each kind: numbers and names are part of the interface and must never change.
#[test]
fn error_numbers_are_stable() {
    let (signer, log, v) = (Address([0; 32]), LogId([0; 32]), String::new);
    let all = [
        (1, "malformed", TxError::Malformed { detail: v() }),
        (2, "too_large", TxError::TooLarge { size: 0, max: 0 }),
        (3, "unknown_version", TxError::UnknownVersion { version: 0 }),
        (4, "unknown_kind", TxError::UnknownKind { kind: 0 }),
        (5, "policy_reserved", TxError::PolicyReserved),
        (6, "stamp_reserved", TxError::StampReserved),
        (7, "proof_reserved", TxError::ProofReserved),
        (8, "duplicate_signer", TxError::DuplicateSigner { index: 0 }),
        (9, "signer_index", TxError::SignerIndex { message: 0, index: 0, signers: 0 }),
        (10, "zero_amount", TxError::ZeroAmount { message: 0 }),
        (11, "overflow", TxError::Overflow { signer }),
        (20, "wrong_chain", TxError::WrongChain { expected: v(), got: v() }),
        (21, "bad_signature", TxError::BadSignature { index: 0 }),
        (22, "expired", TxError::Expired { expiry: 0, height: 0 }),
        (23, "expiry_too_far", TxError::ExpiryTooFar { expiry: 0, height: 0, latest: 0 }),
        (24, "fee_too_low", TxError::FeeTooLow { required: 0, got: 0 }),
        (25, "nonce_replayed", TxError::NonceReplayed { signer, expected: 0, got: 0 }),
        (26, "nonce_gap", TxError::NonceGap { signer, expected: 0, got: 0 }),
        (27, "insufficient_funds", TxError::InsufficientFunds { account: signer, required: 0, available: 0 }),
        (28, "balance_overflow", TxError::BalanceOverflow { account: signer }),
        (40, "log_unknown", TxError::LogUnknown { log }),
        (41, "log_exists", TxError::LogExists { log }),
        (42, "not_log_owner", TxError::NotLogOwner { log }),
        (43, "anchor_shrinks", TxError::AnchorShrinks { log, anchored: 0, got: 0 }),
        (44, "anchor_forks", TxError::AnchorForks { log, size: 0 }),
        (45, "anchor_not_newer", TxError::AnchorNotNewer { log, size: 0 }),
        (46, "anchor_twice", TxError::AnchorTwice { log }),
        (47, "not_log_key", TxError::NotLogKey { log }),
        (48, "companion_missing", TxError::CompanionMissing { log }),
        (49, "companion_out_of_place", TxError::CompanionOutOfPlace { log }),
        (50, "companion_mismatch", TxError::CompanionMismatch { log, old: 0, new: 0, anchored: 0, size: 0 }),
        (51, "inconsistent", TxError::Inconsistent { log, tree: Tree::Blake3 }),
        (60, "validator_unknown", TxError::ValidatorUnknown { validator: v() }),
        (61, "not_stake_owner", TxError::NotStakeOwner { validator: v() }),
        (62, "validator_key_must_sign", TxError::ValidatorKeyMustSign { validator: v() }),
        (63, "tombstoned", TxError::Tombstoned { validator: v() }),
        (64, "insufficient_stake", TxError::InsufficientStake { validator: v(), bonded: 0, got: 0 }),
        (65, "stake_too_small", TxError::StakeTooSmall { minimum: 0, got: 0 }),
        (66, "validator_set_full", TxError::ValidatorSetFull { seats: 0, required: 0 }),
        (67, "last_validator", TxError::LastValidator { validator: v() }),
        (68, "too_many_unbondings", TxError::TooManyUnbondings { validator: v(), max: 0 }),
        (80, "duplicate", TxError::Duplicate),
        (81, "mempool_full", TxError::MempoolFull),
        (82, "too_many_pending", TxError::TooManyPending { signer, max: 0 }),
        (83, "anchor_superseded", TxError::AnchorSuperseded { log, size: 0 }),
        (84, "bundle_shape", TxError::BundleShape { count: 0 }),
        (85, "nonce_taken", TxError::NonceTaken { signer, nonce: 0, required: 0 }),
        (100, "unavailable", TxError::Unavailable { detail: v() }),
    ];
    let mut names = BTreeSet::new();
    for (code, name, error) in &all {
        assert_eq!((error.code(), error.name()), (*code, *name));
        assert!(names.insert(*name));
        // A sentence that says what is wrong, and after the last semicolon what to do.
        let text = error.to_string();
        assert!(text.rsplit_once("; ").is_some_and(|(_, remedy)| remedy.len() >= 9), "{text}");
    }
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(envelope) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }

    #[test]
    fn decoding_behind_a_right_beginning_never_panics(kind in 1u8..4, tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&[1, kind][..], &tail].concat();
        if let Ok(envelope) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }

    /// Whatever decodes has exactly one encoding, also after bits flip, bytes vanish or are doubled.
    #[test]
    fn mutated_transactions_decode_canonically(
        sample in 0usize..5, at in any::<prop::sample::Index>(), bit in 0u8..8, how in 0u8..4
    ) {
        let mut bytes = samples().swap_remove(sample);
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] ^= 1 << bit,
            1 => { bytes.remove(at); }
            2 => { let b = bytes[at]; bytes.insert(at, b); }
            _ => bytes[at..].rotate_left(1),
        }
        if let Ok(envelope) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }

    #[test]
    fn what_is_encoded_decodes(
        amounts in prop::collection::vec(1u64.., 1..=MAX_MESSAGES), fee in any::<u64>(), expiry in any::<u64>(), nonce in any::<u64>()
    ) {
        let transfers = amounts.iter().map(|a| Message::Transfer { signer: 0, to: Address([7; 32]), amount: *a }).collect();
        let mut body = body(transfers, &[1]);
        (body.payment, body.expiry_height, body.signers[0].nonce) = (Payment::Fee(fee), expiry, nonce);
        let tx = sign(body, &[1]);
        prop_assert_eq!(Envelope::decode(&tx.to_bytes()), Ok(Envelope::Signed(tx)));
    }
}
