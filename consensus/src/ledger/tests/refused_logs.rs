//! Refusals of logs and anchors.

use pyralog_crypto::{Checkpoint, Hash, SignedCheckpoint};

use crate::{
    application::Application,
    ledger::testkit::*,
    tx::{AnchorTx, LogName, Message, Tree, TxError},
};

fn register(n: u8, name: &str) -> Message {
    Message::RegisterLog { owner: public(n), name: LogName::new(name).unwrap() }
}

#[test]
fn registration() {
    let mut chain = TestChain::new();
    let taken = chain.tx(&[0], vec![register(200, "notary")]);
    assert_eq!(chain.refusal(&[taken]), TxError::LogExists { log: log_id(200) });
    let twice = chain.tx(&[0], vec![register(210, "notary"), register(210, "notary")]);
    assert_eq!(chain.refusal(&[twice]), TxError::LogExists { log: log_id(210) });
    let mut cheap = chain.draft(&[0], vec![register(210, "notary")]);
    cheap.fee = Some(5000);
    assert_eq!(chain.refusal(&[cheap.bytes()]).code(), 24, "a registration costs more than bytes");
    assert_eq!(LogName::new(""), None);
    assert_eq!(LogName::new("a/b"), None);
    assert_eq!(LogName::new("a".repeat(65)), None);
}

#[test]
fn rotation() {
    let mut chain = TestChain::new();
    let rotate = |log| Message::RotateLogKey { signer: 0, log, new_owner: public(7) };
    let unknown = chain.tx(&[0], vec![rotate(log_id(222))]);
    assert_eq!(chain.refusal(&[unknown]), TxError::LogUnknown { log: log_id(222) });
    let stranger = chain.tx(&[0], vec![rotate(log_id(200))]);
    assert_eq!(chain.refusal(&[stranger]), TxError::NotLogOwner { log: log_id(200) });
    // Signing with the owner's key is not enough: the message must act for that signer.
    let beside = chain.tx(&[0, 200], vec![rotate(log_id(200))]);
    assert_eq!(chain.refusal(&[beside]), TxError::NotLogOwner { log: log_id(200) });
}

#[test]
fn anchors_of_no_log_or_by_another_key() {
    let mut chain = TestChain::new();
    let mut unregistered = TestLog::new(222);
    unregistered.grow(3);
    assert_eq!(chain.refusal(&unregistered.bundle(0, 3)), TxError::LogUnknown { log: log_id(222) });

    let mut log = TestLog::new(200);
    log.grow(3);
    let checkpoint = Checkpoint { log: log.id, size: 3, roots: log.roots(3) };
    let by_another = [log.signed(checkpoint, 201), log.companion(0, 3)];
    assert_eq!(chain.refusal(&by_another), TxError::NotLogKey { log: log.id });

    let elsewhere = SignedCheckpoint::sign(checkpoint, "pyralog-dev-other", &key(200)).unwrap();
    let of_another_chain = [AnchorTx { checkpoint: elsewhere }.to_bytes().into(), log.companion(0, 3)];
    assert_eq!(chain.refusal(&of_another_chain), TxError::NotLogKey { log: log.id });
}

#[test]
fn anchors_that_shrink_fork_or_repeat() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(20);
    chain.block(&log.bundle(0, 11));
    let id = log.id;
    assert_eq!(chain.refusal(&log.bundle(0, 10)), TxError::AnchorShrinks { log: id, anchored: 11, got: 10 });
    assert_eq!(chain.refusal(&log.bundle(0, 11)), TxError::AnchorNotNewer { log: id, size: 11 });
    let mut roots = log.roots(11);
    roots.blake3 = Hash([1; 32]);
    let fork = [log.signed(Checkpoint { log: id, size: 11, roots }, 200), log.companion(0, 11)];
    assert_eq!(chain.refusal(&fork), TxError::AnchorForks { log: id, size: 11 });
    chain.block(&log.bundle(11, 20));
    assert_eq!(chain.ledger.log(&id).unwrap().unwrap().size, 20);
}

#[test]
fn companions_missing_or_out_of_place() {
    let mut chain = TestChain::new();
    let (mut a, mut b) = (TestLog::new(200), TestLog::new(201));
    a.grow(5);
    b.grow(5);
    let missing = TxError::CompanionMissing { log: a.id };
    let out_of_place = TxError::CompanionOutOfPlace { log: a.id };
    assert_eq!(chain.refusal(&[a.anchor(5)]), missing);
    assert_eq!(chain.refusal(&[a.companion(0, 5)]), out_of_place);
    assert_eq!(chain.refusal(&[a.anchor(5), b.companion(0, 5)]), missing, "the companion of another log");
    assert_eq!(chain.refusal(&[a.anchor(5), b.anchor(5)]), missing);
    assert_eq!(chain.block_refusal(&[a.companion(0, 5), a.anchor(5)]), out_of_place);
    let transfer = chain.transfer(0, 1, 5);
    assert_eq!(chain.block_refusal(&[a.anchor(5), transfer, a.companion(0, 5)]), missing);
    let second = [a.bundle(0, 5), vec![a.companion(0, 5)]].concat();
    assert_eq!(chain.block_refusal(&second), out_of_place, "one companion per anchor");
    let crossed = [a.anchor(5), b.anchor(5), a.companion(0, 5), b.companion(0, 5)];
    assert_eq!(chain.block_refusal(&crossed), missing);
}

#[test]
fn one_anchor_per_log_and_block() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(9);
    let two = [log.bundle(0, 5), log.bundle(5, 9)].concat();
    assert_eq!(chain.block_refusal(&two), TxError::AnchorTwice { log: log.id });
    let ctx = chain.ctx();
    assert_eq!(chain.ledger.prepare_proposal(&ctx, two, 1 << 20), log.bundle(0, 5), "the second one waits");
}

#[test]
fn companions_of_another_step() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(20);
    chain.block(&log.bundle(0, 6));
    let mismatch = |old, new| TxError::CompanionMismatch { log: log_id(200), old, new, anchored: 6, size: 13 };
    for (old, new) in [(5, 13), (7, 13), (6, 12), (6, 14), (0, 13)] {
        assert_eq!(chain.refusal(&[log.anchor(13), log.companion(old, new)]), mismatch(old, new));
    }
}

#[test]
fn consistency_proofs_that_fail() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(20);
    chain.block(&log.bundle(0, 6));
    let good = log.companion_tx(6, 13);
    assert!(good.blake3.len() > 1 && good.sha256.len() > 1);
    let fails = |tree| TxError::Inconsistent { log: log_id(200), tree };
    for i in 0..good.blake3.len() {
        let (mut blake3, mut sha256) = (good.clone(), good.clone());
        blake3.blake3[i].0[31] ^= 1;
        sha256.sha256[i].0[0] ^= 1;
        assert_eq!(chain.refusal(&[log.anchor(13), blake3.to_bytes().into()]), fails(Tree::Blake3));
        assert_eq!(chain.refusal(&[log.anchor(13), sha256.to_bytes().into()]), fails(Tree::Sha256));
    }
    for change in
        [|p: &mut Vec<Hash>| p.truncate(1), |p: &mut Vec<Hash>| p.push(Hash([0; 32])), |p: &mut Vec<Hash>| p.clear()]
    {
        let (mut blake3, mut sha256) = (good.clone(), good.clone());
        change(&mut blake3.blake3);
        change(&mut sha256.sha256);
        assert_eq!(chain.refusal(&[log.anchor(13), blake3.to_bytes().into()]), fails(Tree::Blake3));
        assert_eq!(chain.refusal(&[log.anchor(13), sha256.to_bytes().into()]), fails(Tree::Sha256));
    }
    // A rewritten log whose owner signs it properly: one leaf below the anchored size differs in one tree only.
    let mut forked = TestLog::new(200);
    forked.grow(20);
    forked.sha256 =
        pyralog_crypto::MemoryTree::from_leaves((0..20u64).map(|i| if i == 2 { [9; 8] } else { i.to_be_bytes() }));
    assert_eq!(chain.refusal(&forked.bundle(6, 13)), fails(Tree::Sha256));
    chain.block(&log.bundle(6, 13));
}
