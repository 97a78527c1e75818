//! Blocks that are accepted: transfers, logs, anchors, choosing, caching, restarting.

use bytes::Bytes;
use pyralog_crypto::{MerkleHash, Sha256};

use crate::{
    application::{AppError, Application, StateStore, StoreError},
    ledger::{Ledger, LedgerOptions, LedgerParams, testkit::*},
    tx::{LogName, Message, TxError},
};

#[test]
fn a_transfer_moves_the_amount_and_pays_the_fee() {
    let mut chain = TestChain::new();
    let tx = chain.tx(
        &[0, 1],
        vec![
            Message::Transfer { signer: 0, to: address(60), amount: 1000 },
            Message::Transfer { signer: 1, to: address(61), amount: 500 },
        ],
    );
    let fee = LedgerParams::DEFAULTS.required_fee(tx.len(), 0);
    let finalized = chain.block(&[tx]);
    assert_eq!(finalized.tx_results.len(), 1);
    let kinds: Vec<_> = finalized.tx_results[0].events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["transfer", "transfer"]);
    assert_eq!((chain.balance(0), chain.nonce(0)), (RICH - 1000 - fee, 1));
    assert_eq!((chain.balance(1), chain.nonce(1)), (RICH - 500, 1));
    assert_eq!((chain.balance(60), chain.nonce(60)), (1000, 0));
    assert_eq!((chain.balance(61), chain.nonce(61)), (500, 0));
    assert_eq!(chain.ledger.totals().unwrap().pool, fee);
    assert_eq!(chain.ledger.height(), 1);
}

#[test]
fn money_received_in_a_block_can_be_spent_in_it() {
    let mut chain = TestChain::new();
    let give = chain.transfer(0, 60, 10_000);
    let pass = chain.transfer(60, 61, 500);
    assert_eq!(chain.check(&pass).map_err(|e| e.code()), Err(27), "not before the block");
    chain.block(&[give.clone(), pass.clone()]);
    assert_eq!(chain.balance(61), 500);
    let mut other = TestChain::new();
    assert_eq!(other.block_refusal(&[pass, give]).code(), 27, "the order counts");
}

#[test]
fn a_transfer_to_oneself_changes_nothing_but_the_fee() {
    let mut chain = TestChain::new();
    let tx = chain.transfer(0, 0, 77);
    let fee = LedgerParams::DEFAULTS.required_fee(tx.len(), 0);
    chain.block(&[tx]);
    assert_eq!(chain.balance(0), RICH - fee);
}

#[test]
fn logs_are_registered_rotated_and_anchored() {
    let mut chain = TestChain::new();
    let name = LogName::new("notary").unwrap();
    let register = chain.tx(&[4], vec![Message::RegisterLog { owner: public(210), name }]);
    chain.block(&[register]);
    let mut log = TestLog::new(210);
    log.grow(9);
    // Registered in the block before, anchored and rotated in this one, in this order.
    let rotate = chain.tx(&[4, 210], vec![Message::RotateLogKey { signer: 1, log: log.id, new_owner: public(211) }]);
    let txs = [log.bundle(0, 4), vec![rotate]].concat();
    let finalized = chain.block(&txs);
    assert_eq!(finalized.tx_results.len(), 3);
    assert_eq!(chain.refusal(&log.bundle(4, 9)), TxError::NotLogKey { log: log.id }, "the old key is out");
    log.owner = 211;
    chain.block(&log.bundle(4, 9));
    let record = chain.ledger.log(&log.id).unwrap().unwrap();
    assert_eq!((record.owner, record.owner_since, record.registered_at), (public(211), 2, 1));
    assert_eq!((record.size, record.roots, record.anchored_at), (9, log.roots(9), 3));
    let (logs, total) = chain.ledger.logs(0, 10).unwrap();
    assert_eq!((logs.len(), total), (3, 3));
    assert_eq!(logs[2].0, log.id);
    assert_eq!(chain.ledger.logs(1, 1).unwrap().0[0].0, logs[1].0);
}

#[test]
fn a_key_rotated_in_the_same_block_anchors_behind_the_rotation() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(4);
    let rotate = chain.tx(&[4, 200], vec![Message::RotateLogKey { signer: 1, log: log.id, new_owner: public(7) }]);
    let old_key = log.bundle(0, 4);
    log.owner = 7;
    let new_key = log.bundle(0, 4);
    let behind = [vec![rotate.clone()], old_key].concat();
    assert_eq!(chain.block_refusal(&behind), TxError::NotLogKey { log: log.id });
    chain.block(&[vec![rotate], new_key].concat());
}

#[test]
fn proposals_keep_order_and_pairs_and_drop_the_rest() {
    let mut chain = TestChain::new();
    let mut log = TestLog::new(200);
    log.grow(5);
    let [a, b] = [chain.transfer(0, 1, 5), chain.transfer(2, 1, 5)];
    let anchored = log.bundle(0, 5);
    let stale = chain.tx(&[0], vec![Message::Transfer { signer: 0, to: address(1), amount: 6 }]);
    let candidates = [
        vec![Bytes::from_static(b"garbage"), log.companion(0, 5), a.clone()],
        vec![log.anchor(5)],
        anchored.clone(),
        vec![stale, log.anchor(4), b.clone()],
    ]
    .concat();
    let ctx = chain.ctx();
    let chosen = chain.ledger.prepare_proposal(&ctx, candidates, 1 << 20);
    assert_eq!(chosen, [vec![a], anchored, vec![b]].concat());
    chain.block(&chosen);
}

#[test]
fn proposals_fit_the_room_they_get() {
    let mut chain = TestChain::new();
    let txs: Vec<_> = (0..10).map(|n| chain.transfer(n, 50, 5)).collect();
    let ctx = chain.ctx();
    let one = txs[0].len() as u64 + 3;
    for (room, count) in [(0, 0), (one - 1, 0), (one, 1), (4 * one + one - 1, 4), (10 * one, 10), (1 << 20, 10)] {
        let chosen = chain.ledger.prepare_proposal(&ctx, txs.clone(), room);
        assert_eq!(chosen.len(), count, "room {room}");
        assert_eq!(chosen, txs[..count]);
    }
    // A pair that does not fit is left out whole, and a smaller one behind it gets in.
    let mut log = TestLog::new(200);
    log.grow(5);
    let candidates = [log.bundle(0, 5), vec![txs[0].clone()]].concat();
    assert_eq!(chain.ledger.prepare_proposal(&ctx, candidates, one), [txs[0].clone()]);
}

#[test]
fn a_dropped_transaction_leaves_no_trace() {
    let mut chain = TestChain::new();
    // Its first message succeeds, its second fails: nothing of it may stay, not even nonce and fee.
    let spend = |amount| Message::Transfer { signer: 0, to: address(60), amount };
    let half =
        chain.tx(&[0], vec![spend(10), Message::RotateLogKey { signer: 0, log: log_id(200), new_owner: public(1) }]);
    let good = chain.tx(&[0], vec![spend(20)]);
    let ctx = chain.ctx();
    let chosen = chain.ledger.prepare_proposal(&ctx, vec![half, good.clone()], 1 << 20);
    assert_eq!(chosen, [good], "the second has the same nonce, so the first left none");
    chain.block(&chosen);
    assert_eq!(chain.balance(60), 20);
}

#[test]
fn finalize_gives_the_same_with_and_without_the_proposal_before() {
    let (mut seen, mut unseen) = (TestChain::new(), TestChain::new());
    let mut log = TestLog::new(200);
    log.grow(7);
    let txs = [log.bundle(0, 7), vec![seen.transfer(0, 1, 5), seen.bond(4, 110, 3_000_000)]].concat();
    let ctx = seen.ctx();
    seen.ledger.process_proposal(&ctx, &[], &[]).unwrap();
    let mut other = ctx.clone();
    other.block_hash = Sha256::digest(b"another proposal of the same height");
    seen.ledger.process_proposal(&other, &txs, &[]).unwrap();
    let a = seen.ledger.finalize_block(&other, &txs, &[]).unwrap();
    let b = unseen.ledger.finalize_block(&other, &txs, &[]).unwrap();
    assert_eq!(a, b);
    assert!(a.writes.is_sorted_by(|x, y| x.0 < y.0));
}

#[test]
fn many_proposals_of_one_height_are_forgotten_not_confused() {
    let mut chain = TestChain::new();
    let mut contexts = Vec::new();
    for n in 0..20u8 {
        let mut ctx = chain.ctx();
        ctx.block_hash = Sha256::digest(&[n]);
        let txs = vec![chain.transfer(n % 10, 60, u64::from(n) + 1)];
        chain.ledger.process_proposal(&ctx, &txs, &[]).unwrap();
        contexts.push((ctx, txs));
    }
    let (ctx, txs) = &contexts[3];
    let finalized = chain.ledger.finalize_block(ctx, txs, &[]).unwrap();
    chain.adopt(ctx, &finalized);
    assert_eq!(chain.balance(60), 4);
}

#[test]
fn heights_must_follow_each_other() {
    let mut chain = TestChain::new();
    let mut ctx = chain.ctx();
    ctx.height = 2;
    assert!(matches!(chain.ledger.process_proposal(&ctx, &[], &[]), Err(AppError::Block(_))));
    chain.block(&[]);
    let ctx = chain.ctx();
    chain.ledger.commit(9);
    assert_eq!(chain.ledger.height(), 1, "a commit without its finalize changes nothing");
    assert!(chain.ledger.process_proposal(&ctx, &[], &[]).is_ok());
}

#[test]
fn a_reopened_ledger_goes_on_where_the_old_one_stopped() {
    let (mut one, mut two) = (TestChain::new(), TestChain::new());
    let mut log = TestLog::new(200);
    log.grow(40);
    for height in 0..40u64 {
        let txs = [log.bundle(height, height + 1), vec![one.transfer((height % 10) as u8, 60, height + 1)]].concat();
        one.block(&txs);
        // The second one is opened anew from its store before every block.
        two.ledger = Ledger::open(Box::new(two.store.clone()), CHAIN, LedgerOptions::default()).unwrap();
        assert_eq!((two.ledger.height(), two.ledger.app_hash()), (height, *two.app_hashes.last().unwrap()));
        two.block(&txs);
    }
    assert_eq!(one.app_hashes, two.app_hashes);
    assert_eq!(one.writes, two.writes);
    assert_eq!(one.store.snapshot(), two.store.snapshot());
}

#[test]
fn a_block_that_was_executed_but_not_stored_leaves_nothing() {
    let mut chain = TestChain::new();
    chain.blocks(2);
    let before = chain.store.snapshot();
    let ctx = chain.ctx();
    let txs = vec![chain.transfer(0, 1, 5)];
    chain.ledger.process_proposal(&ctx, &txs, &[]).unwrap();
    let first = chain.ledger.finalize_block(&ctx, &txs, &[]).unwrap();
    assert_eq!(chain.store.snapshot(), before);
    let mut again = Ledger::open(Box::new(chain.store.clone()), CHAIN, LedgerOptions::default()).unwrap();
    assert_eq!(again.finalize_block(&ctx, &txs, &[]).unwrap(), first);
}

#[test]
fn a_store_of_nothing_or_of_another_chain_is_refused() {
    let open =
        |store: MemStore, chain: &str| Ledger::open(Box::new(store), chain, LedgerOptions::default()).err().unwrap();
    let error = open(MemStore::default(), CHAIN);
    assert!(error.to_string().contains("genesis.json"), "{error}");
    let error = open(TestChain::new().store, "pyralog-dev-other");
    assert!(error.to_string().contains("pyralog-dev-other"), "{error}");
    let store = TestChain::new().store;
    store.apply(&[(vec![0], Some(b"damaged".to_vec()))]);
    assert!(open(store, CHAIN).to_string().contains("damaged"));
}

struct Failing;

impl StateStore for Failing {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Err(StoreError("disk on fire".into()))
    }
}

#[test]
fn a_failing_store_is_an_error_not_a_refusal() {
    let mut chain = TestChain::new();
    let tx = chain.transfer(0, 1, 5);
    chain.ledger.store = Box::new(Failing);
    let ctx = chain.ctx();
    assert_eq!(chain.check(&tx).unwrap_err().code(), 100);
    let store = AppError::Store(StoreError("disk on fire".into()));
    assert_eq!(chain.ledger.process_proposal(&ctx, std::slice::from_ref(&tx), &[]), Err(store.clone()));
    assert_eq!(chain.ledger.finalize_block(&ctx, std::slice::from_ref(&tx), &[]), Err(store));
    assert!(chain.ledger.prepare_proposal(&ctx, vec![tx], 1 << 20).is_empty());
}

#[test]
fn a_store_that_fails_or_lost_a_node_while_the_tree_is_updated() {
    let mut chain = TestChain::new();
    let ctx = chain.ctx();
    chain.ledger.process_proposal(&ctx, &[], &[]).unwrap();
    let good = std::mem::replace(&mut chain.ledger.store, Box::new(Failing));
    let store = AppError::Store(StoreError("disk on fire".into()));
    assert_eq!(chain.ledger.finalize_block(&ctx, &[], &[]), Err(store));
    chain.ledger.store = good;
    let nodes: Vec<_> = chain.store.snapshot().into_keys().filter(|key| key[0] == 2).map(|key| (key, None)).collect();
    assert!(nodes.len() > 10);
    chain.store.apply(&nodes);
    let error = chain.ledger.finalize_block(&ctx, &[], &[]).unwrap_err();
    assert!(matches!(&error, AppError::Invariant(what) if what.contains("state tree is damaged")), "{error}");
}
