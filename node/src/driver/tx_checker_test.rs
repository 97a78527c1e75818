use std::sync::Mutex;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use pyralog_consensus::application::Application;
use pyralog_consensus::ledger::LedgerOptions;
use pyralog_consensus::mempool::MempoolLimits;
use pyralog_consensus::tx::TxError;
use tokio::sync::oneshot;

use super::*;
use crate::driver::{GossipGroup, Judged, Responder, TxAnswer};
use crate::metrics::Metrics;
use crate::testkit::{Solo, transfer};

fn shared() -> Arc<Shared> {
    Shared::new(0, MempoolLimits::default(), 4, Metrics::register(&mut Registry::default()))
}

fn ledger() -> Ledger {
    let solo = Solo::new();
    Ledger::open(Box::new(solo.memory.clone()), solo.genesis.chain_id(), LedgerOptions::default()).unwrap()
}

fn given(txs: &[Vec<u8>]) -> (QueuedBundle, oneshot::Receiver<TxAnswer>) {
    let (sender, receiver) = oneshot::channel();
    let txs = txs.iter().cloned().map(Bytes::from).collect();
    (QueuedBundle { txs, responder: Responder::Local(sender), permit: None }, receiver)
}

/// With another signature; nothing else of it changes.
fn forged(nonce: u64) -> Vec<u8> {
    let mut tx = transfer(nonce, 1);
    *tx.last_mut().unwrap() ^= 1;
    tx
}

#[test]
fn what_nobody_accepts_is_answered_here_and_the_rest_passes_in_order() {
    let (shared, ledger) = (shared(), ledger());
    let txs = [transfer(0, 1), forged(1), transfer(1, 1), vec![9; 40], transfer(2, 1)];
    let (batch, mut answers): (Vec<_>, Vec<_>) = txs.iter().map(|tx| given(std::slice::from_ref(tx))).unzip();
    let passed = check(batch, Some(&ledger), &shared);
    let left: Vec<&[u8]> = passed.iter().map(|given| given.txs[0].as_ref()).collect();
    assert_eq!(left, [&txs[0][..], &txs[2], &txs[4]]);
    let mut answer = |n: usize| answers[n].try_recv().map(Result::unwrap_err);
    assert_eq!(answer(1), Ok(TxError::BadSignature { index: 0 }));
    assert!(matches!(answer(3), Ok(TxError::UnknownVersion { version: 9 })));
    assert!(answer(0).is_err(), "not answered yet");
    assert_eq!(shared.metrics.mempool_refused.get(), 2);
}

#[test]
fn the_answer_here_is_what_the_engine_would_have_said() {
    let (shared, ledger) = (shared(), ledger());
    for tx in [forged(0), vec![], vec![1, 1], transfer(0, 1), transfer(2_000, 1), transfer(0, u64::MAX / 2)] {
        let fresh = self::ledger().check_tx(&tx).map(|_| ());
        let (given, mut answer) = given(std::slice::from_ref(&tx));
        let passed = check(vec![given], Some(&ledger), &shared);
        let here = match answer.try_recv() {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => ledger.check_bundle(&passed[0].txs).map(|_| ()),
        };
        assert_eq!(here, fresh, "{}", hex::encode(&tx));
    }
}

#[test]
fn pairs_and_a_closed_ledger_are_left_to_the_engine() {
    let (shared, ledger) = (shared(), ledger());
    let (pair, _pair) = given(&[forged(0), forged(1)]);
    let (empty, _empty) = given(&[]);
    assert_eq!(check(vec![pair, empty], Some(&ledger), &shared).len(), 2);
    let (single, _single) = given(&[forged(0)]);
    assert_eq!(check(vec![single], None, &shared).len(), 1);
}

#[test]
fn what_waits_in_the_mempool_is_not_verified_again() {
    let (shared, ledger) = (shared(), ledger());
    let tx = transfer(0, 1);
    let mut pool = shared.pool.clone();
    let bundle = vec![Bytes::from(tx.clone())];
    pyralog_consensus::application::TxSource::submit(&mut pool, 0, bundle, &|txs| ledger.check_bundle(txs)).unwrap();
    let known = given(&[tx]).0;
    let new = given(&[transfer(1, 1)]).0;
    assert_eq!(worth_verifying(&[known, new], &shared.pool).into_values().collect::<Vec<_>>(), [[1]]);
}

#[test]
fn copies_in_one_batch_are_verified_once_and_answered_alike() {
    let (shared, ledger) = (shared(), ledger());
    let (good, bad) = (transfer(0, 1), forged(1));
    let txs = [&bad, &good, &bad, &good, &bad];
    let (batch, mut answers): (Vec<_>, Vec<_>) = txs.iter().map(|tx| given(&[tx.to_vec()])).unzip();
    let mut copies: Vec<_> = worth_verifying(&batch, &shared.pool).into_values().collect();
    copies.sort();
    assert_eq!(copies, [vec![0, 2, 4], vec![1, 3]]);
    let passed = check(batch, Some(&ledger), &shared);
    assert!(passed.iter().all(|given| given.txs[0] == good));
    assert_eq!(passed.len(), 2, "the mempool answers copies of what is good");
    for n in [0, 2, 4] {
        assert_eq!(answers[n].try_recv().map(Result::unwrap_err), Ok(TxError::BadSignature { index: 0 }));
    }
}

#[test]
fn a_gossip_message_is_blamed_only_when_nothing_in_it_can_ever_be_taken() {
    let (shared, ledger) = (shared(), ledger());
    // A nonce of the past or the future is a matter of the state; a signature is not.
    for (txs, expected) in [
        (vec![forged(0), vec![9; 40], forged(1)], Some(Judged::Never)),
        (vec![forged(0), transfer(2_000, 1)], Some(Judged::NotTaken)),
        (vec![transfer(2_000, 1)], Some(Judged::NotTaken)),
    ] {
        let heard: Arc<Mutex<Option<Judged>>> = Arc::default();
        let told = Arc::clone(&heard);
        let group = GossipGroup::new(txs.len(), move |judged| *told.lock().unwrap() = Some(judged));
        let batch = txs.into_iter().map(|tx| QueuedBundle {
            txs: vec![Bytes::from(tx)],
            responder: Responder::Gossip(Arc::clone(&group)),
            permit: None,
        });
        for given in check(batch.collect(), Some(&ledger), &shared) {
            let answer = ledger.check_bundle(&given.txs).map(|_| Vec::new());
            assert!(answer.is_err(), "the state refuses what is left");
            given.responder.answer(answer);
        }
        assert_eq!(*heard.lock().unwrap(), expected);
    }
}
