//! Transactions that the network of the targets commits, and the double vote of one of its validators.
#![allow(clippy::expect_used, reason = "keys in memory sign always; the trees hold what is asked of them")]

use bytes::Bytes;
use pyralog_consensus::block::{Step, ValidatorAddress, vote_sign_bytes};
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::tx::{AnchorTx, Authority, CompanionTx, LogName, Message, Payment, SignedTx, TxBody, TxSigner};
use pyralog_crypto::{
    Blake3, Checkpoint, LogId, MemoryTree, Roots, Sha256, SignedCheckpoint, Signer, SigningKey, Writer,
};

use crate::fuzz::chain::{CHAIN, address, key};

/// The stake of a validator that never votes: little, because the double signer falls silent too, and the other three must be enough.
const ABSENT_STAKE: u64 = pyralog_consensus::ledger::POWER_UNIT;

/// The notary log of genesis.
pub fn log() -> LogId {
    LogId::derive(CHAIN, &key(200).public_key(), "notary")
}

/// Bundles in the order in which they are valid.
pub fn transactions() -> Vec<Vec<Bytes>> {
    let (blake3, sha256) = trees();
    let anchor = |size: u64| {
        let roots = Roots { blake3: blake3.root_at(size).expect("root"), sha256: sha256.root_at(size).expect("root") };
        let checkpoint = Checkpoint { log: log(), size, roots };
        let checkpoint = SignedCheckpoint::sign(checkpoint, CHAIN, &key(200)).expect("signs");
        Bytes::from(AnchorTx { checkpoint }.to_bytes())
    };
    let companion = |old: u64, new: u64| {
        let blake3 = blake3.consistency_at(old, new).expect("proof");
        let sha256 = sha256.consistency_at(old, new).expect("proof");
        Bytes::from(CompanionTx::new(log(), blake3, sha256).to_bytes())
    };
    let transfer = |amount| Message::Transfer { signer: 0, to: address(2), amount };
    let name = LogName::new("minutes").expect("a log name");
    let signed = [
        signed(&[(0, 0)], vec![transfer(1_000_000)]),
        signed(&[(0, 1)], vec![transfer(1), transfer(u64::from(u32::MAX))]),
        signed(&[(1, 0)], vec![Message::RegisterLog { owner: key(201).public_key(), name }]),
        signed(&[(4, 0), (104, 0)], vec![bond(104, ABSENT_STAKE)]),
        signed(&[(2, 0)], vec![Message::Unbond { signer: 0, validator: key(102).public_key(), amount: 1_000_000 }]),
        signed(
            &[(5, 0), (200, 0)],
            vec![Message::RotateLogKey { signer: 1, log: log(), new_owner: key(200).public_key() }],
        ),
    ];
    let mut bundles = vec![vec![anchor(7), companion(0, 7)]];
    bundles.extend(signed.into_iter().map(|tx| vec![tx.to_bytes().into()]));
    bundles
}

/// Transactions that are valid after the base of the run: a transfer, and the next anchor with its companion.
pub fn later_transactions() -> Vec<Vec<Bytes>> {
    let mut later = vec![vec![
        signed(&[(6, 0)], vec![Message::Transfer { signer: 0, to: address(7), amount: 5 }]).to_bytes().into(),
    ]];
    let (blake3, sha256) = trees();
    let roots = Roots { blake3: blake3.root(), sha256: sha256.root() };
    let checkpoint = Checkpoint { log: log(), size: blake3.size(), roots };
    let checkpoint = SignedCheckpoint::sign(checkpoint, CHAIN, &key(200)).expect("signs");
    let (blake3, sha256) = (blake3.consistency(7).expect("proof"), sha256.consistency(7).expect("proof"));
    later.push(vec![
        AnchorTx { checkpoint }.to_bytes().into(),
        CompanionTx::new(log(), blake3, sha256).to_bytes().into(),
    ]);
    later
}

fn trees() -> (MemoryTree<Blake3>, MemoryTree<Sha256>) {
    let leaves: Vec<[u8; 4]> = (0..11u32).map(u32::to_be_bytes).collect();
    (MemoryTree::from_leaves(&leaves), MemoryTree::from_leaves(&leaves))
}

fn bond(validator: u8, amount: u64) -> Message {
    Message::Bond { signer: 0, validator: key(validator).public_key(), amount }
}

fn signed(signers: &[(u8, u64)], messages: Vec<Message>) -> SignedTx {
    let logs = messages.iter().filter(|m| matches!(m, Message::RegisterLog { .. })).count();
    let signer = |(n, nonce): &(u8, u64)| TxSigner { authority: Authority::Key(key(*n).public_key()), nonce: *nonce };
    let mut body = TxBody {
        chain_id: CHAIN.into(),
        messages,
        signers: signers.iter().map(signer).collect(),
        payment: Payment::Fee(0),
        expiry_height: 1_000,
        proofs: Vec::new(),
    };
    let keys: Vec<SigningKey> = signers.iter().map(|(n, _)| key(*n)).collect();
    let keys: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    // The fee has eight bytes whatever it is.
    let size = body.clone().sign(&keys).expect("signs").to_bytes().len();
    body.payment = Payment::Fee(LedgerParams::DEFAULTS.required_fee(size, logs));
    body.sign(&keys).expect("signs")
}

/// The nil vote that goes with a vote of `key` for a block: together they are a double sign. Layout as in `docs/protocol.md`.
pub fn conflicting_vote(message: &Bytes, key: &SigningKey) -> Option<Bytes> {
    const VALUE: usize = 32 + 4 + 32 + 8;
    let address = ValidatorAddress::of(&key.public_key());
    let (head, rest) = message.split_at_checked(19)?;
    let (flag, rest) = rest.split_first()?;
    if head.get(1) != Some(&1) || *flag != 1 || rest.get(VALUE..VALUE + 20)? != address.0 {
        return None;
    }
    let step = Step::from_u8(*head.get(6)?)?;
    let height = u64::from_be_bytes(head.get(7..15)?.try_into().ok()?);
    let round = u32::from_be_bytes(head.get(15..19)?.try_into().ok()?);
    let signature = key.sign(&vote_sign_bytes(CHAIN, step, height, round, None));
    let mut w = Writer::new();
    w.raw(head).u8(0).raw(&address.0).raw(&signature.0);
    Some(w.into_bytes().into())
}
