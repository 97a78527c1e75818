//! Scenarios and bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use pyralog_crypto::Address;

mod model;

use super::*;
use crate::{
    application::Application,
    ledger::{LedgerParams, testkit::*},
    tx::Message,
};

/// A mempool over a chain: `check` is the ledger's.
struct Rig {
    chain: TestChain,
    pool: Mempool,
}

impl Rig {
    fn new(limits: MempoolLimits) -> Self {
        Self { chain: TestChain::new(), pool: Mempool::new(limits) }
    }

    fn submit(&mut self, bundle: Vec<Bytes>) -> Result<(), TxError> {
        let ledger = &self.chain.ledger;
        let result = self.pool.submit(ledger.height(), bundle, &|txs| ledger.check_bundle(txs)).map(|_| ());
        self.pool.audit();
        result
    }

    fn candidates(&mut self) -> Vec<Bytes> {
        self.pool.candidates(1 << 20)
    }

    /// A block of what the pool offers and the ledger takes.
    fn block(&mut self) -> Vec<Bytes> {
        let ctx = self.chain.ctx();
        let candidates = self.candidates();
        let chosen = self.chain.ledger.prepare_proposal(&ctx, candidates, 1 << 20);
        self.commit(&chosen);
        chosen
    }

    fn commit(&mut self, txs: &[Bytes]) {
        self.chain.block(txs);
        let ledger = &self.chain.ledger;
        self.pool.committed(ledger.height(), txs, &|txs| ledger.check_bundle(txs));
        self.pool.audit();
    }

    /// A transfer with a nonce ahead of the committed one and a fee above the required one.
    fn transfer(&self, from: u8, ahead: u64, extra_fee: u64) -> Bytes {
        let mut draft = self.chain.draft(&[from], vec![Message::Transfer { signer: 0, to: address(50), amount: 1 }]);
        draft.body.signers[0].nonce += ahead;
        draft.fee = Some(LedgerParams::DEFAULTS.required_fee(200, 0) + 50 + extra_fee);
        draft.bytes()
    }
}

impl Mempool {
    /// All indices say the same as the bundles.
    fn audit(&self) {
        let mut by_hash = BTreeMap::new();
        let mut by_signer: BTreeMap<Address, BTreeMap<u64, u64>> = BTreeMap::new();
        let waiting: BTreeMap<_, _> =
            self.by_signer.iter().map(|(signer, queue)| (*signer, queue.waiting.clone())).collect();
        let mut by_log = BTreeMap::new();
        let (mut by_rate, mut by_expiry) = (BTreeSet::new(), BTreeSet::new());
        for (id, bundle) in &self.bundles {
            for (tx, checked) in bundle.txs.iter().zip(&bundle.checked) {
                assert_eq!(tx_hash(tx), checked.hash);
                by_hash.insert(checked.hash, *id);
            }
            for (signer, nonce) in bundle.signers() {
                assert_eq!(by_signer.entry(signer).or_default().insert(nonce, *id), None);
            }
            match bundle.anchor() {
                Some((log, _)) => assert_eq!(by_log.insert(log, *id), None),
                None => assert!(by_rate.insert((bundle.rate, Reverse(*id)))),
            }
            by_expiry.insert((bundle.expiry(), *id));
        }
        assert_eq!(self.bytes, self.bundles.values().map(|b| b.size).sum::<usize>());
        assert_eq!((&self.by_hash, &waiting, &self.by_log), (&by_hash, &by_signer, &by_log));
        assert!(self.by_signer.values().all(|queue| *queue.waiting.first_key_value().unwrap().0 >= queue.next));
        assert_eq!((&self.by_rate, &self.by_expiry), (&by_rate, &by_expiry));
        assert!(self.bytes <= self.limits.max_bytes && self.bundles.len() <= self.limits.max_count);
        assert!(self.by_signer.values().all(|queue| queue.waiting.len() <= self.limits.max_per_signer));
    }
}

#[test]
fn a_transaction_goes_in_waits_and_is_committed() {
    let mut rig = Rig::new(MempoolLimits::default());
    let tx = rig.transfer(0, 0, 0);
    let hash = tx_hash(&tx);
    assert_eq!(rig.pool.status(&hash), TxStatus::Unknown);
    rig.submit(vec![tx.clone()]).unwrap();
    assert_eq!(rig.pool.status(&hash), TxStatus::Pending);
    assert_eq!((rig.pool.len(), rig.pool.bytes()), (1, tx.len()));
    assert_eq!(rig.pool.unconfirmed(10), std::slice::from_ref(&tx));
    assert_eq!(rig.submit(vec![tx.clone()]), Err(TxError::Duplicate));
    assert_eq!(rig.block(), std::slice::from_ref(&tx));
    assert_eq!(rig.pool.status(&hash), TxStatus::Committed { height: 1, index: 0 });
    assert!(rig.pool.is_empty() && rig.pool.unconfirmed(10).is_empty());
    assert_eq!(rig.submit(vec![tx]), Err(TxError::Duplicate), "what is in a block is not checked again");
}

#[test]
fn a_known_transaction_is_not_checked_again() {
    let mut rig = Rig::new(MempoolLimits::default());
    let tx = rig.transfer(0, 0, 0);
    rig.submit(vec![tx.clone()]).unwrap();
    let checked_again = rig.pool.submit(0, vec![tx], &|_| panic!("must not be checked"));
    assert_eq!(checked_again, Err(TxError::Duplicate));
}

#[test]
fn what_the_check_refuses_leaves_no_trace() {
    let mut rig = Rig::new(MempoolLimits::default());
    let garbage = Bytes::from_static(b"garbage");
    assert_eq!(rig.submit(vec![garbage.clone()]).unwrap_err().code(), 3);
    assert_eq!(rig.submit(vec![]), Err(TxError::BundleShape { count: 0 }));
    assert_eq!(rig.submit(vec![garbage.clone(); 3]), Err(TxError::BundleShape { count: 3 }));
    assert_eq!(rig.pool.status(&tx_hash(&garbage)), TxStatus::Unknown);
    assert!(rig.pool.is_empty());
}

#[test]
fn who_pays_more_per_byte_comes_first_but_nonces_keep_their_order() {
    let mut rig = Rig::new(MempoolLimits::default());
    let [a0, a1, a2] = [(0, 10), (1, 900), (2, 20)].map(|(ahead, fee)| rig.transfer(0, ahead, fee));
    let b0 = rig.transfer(1, 0, 500);
    let [c0, d0] = [2, 3].map(|n| rig.transfer(n, 0, 100));
    for tx in [&a2, &a1, &a0, &d0, &c0, &b0] {
        rig.submit(vec![tx.clone()]).unwrap();
    }
    // d before c: equal pay, earlier arrival. a1 pays most but waits for a0.
    let order = [b0, d0, c0, a0, a1, a2];
    assert_eq!(rig.candidates(), order);
    assert_eq!(rig.block(), order);
}

#[test]
fn behind_a_gap_nothing_is_offered() {
    let mut rig = Rig::new(MempoolLimits::default());
    let [n0, n1, n3] = [0, 1, 3].map(|ahead| rig.transfer(0, ahead, 0));
    for tx in [&n0, &n1, &n3] {
        rig.submit(vec![tx.clone()]).unwrap();
    }
    assert_eq!(rig.block(), [n0, n1]);
    assert_eq!(rig.pool.unconfirmed(9), std::slice::from_ref(&n3));
    let n2 = rig.transfer(0, 0, 0);
    rig.submit(vec![n2.clone()]).unwrap();
    assert_eq!(rig.block(), [n2, n3]);
}

#[test]
fn a_transaction_of_several_signers_waits_for_all_of_them() {
    let mut rig = Rig::new(MempoolLimits::default());
    let mut both = rig.chain.draft(&[0, 1], vec![Message::Transfer { signer: 0, to: address(50), amount: 1 }]);
    both.body.signers[0].nonce = 1;
    both.body.signers[1].nonce = 1;
    both.fee = Some(9000);
    let both = both.bytes();
    let [a, b] = [0, 1].map(|n| rig.transfer(n, 0, 0));
    rig.submit(vec![both.clone()]).unwrap();
    rig.submit(vec![a.clone()]).unwrap();
    assert_eq!(rig.candidates(), std::slice::from_ref(&a), "signer 1 has nothing at nonce 0 yet");
    rig.submit(vec![b.clone()]).unwrap();
    assert_eq!(rig.candidates(), [a, b, both]);
}

#[test]
fn candidates_fit_the_room() {
    let mut rig = Rig::new(MempoolLimits::default());
    let txs: Vec<_> = (0..5).map(|n| rig.transfer(n, 0, u64::from(n))).collect();
    for tx in &txs {
        rig.submit(vec![tx.clone()]).unwrap();
    }
    let one = txs[0].len() as u64;
    for room in 0..6 * one {
        let chosen = rig.pool.candidates(room);
        assert_eq!(chosen.len() as u64, (room / one).min(5));
    }
}

#[test]
fn replacing_a_waiting_transaction_costs_a_tenth_more() {
    let mut rig = Rig::new(MempoolLimits::default());
    let old = rig.transfer(0, 0, 0);
    rig.submit(vec![old.clone()]).unwrap();
    let fee = LedgerParams::DEFAULTS.required_fee(200, 0) + 50;
    let required = fee + fee / 10 + 1;
    let expected = TxError::NonceTaken { signer: address(0), nonce: 0, required };
    let cheap = rig.transfer(0, 0, required - fee - 1);
    assert_eq!(rig.submit(vec![cheap]), Err(expected));
    let new = rig.transfer(0, 0, required - fee);
    rig.submit(vec![new.clone()]).unwrap();
    assert_eq!(rig.candidates(), [new]);
    assert!(matches!(rig.pool.status(&tx_hash(&old)), TxStatus::Dropped { reason: TxError::NonceTaken { .. } }));
    assert_eq!(rig.submit(vec![old]).unwrap_err().code(), 85, "it may try again, at the price");
}

#[test]
fn a_full_pool_keeps_those_who_pay_most() {
    let mut rig = Rig::new(MempoolLimits { max_count: 4, ..MempoolLimits::default() });
    let [a0, a1] = [(0, 100), (1, 400)].map(|(ahead, fee)| rig.transfer(0, ahead, fee));
    let [b, c] = [(1, 200), (2, 300)].map(|(n, fee)| rig.transfer(n, 0, fee));
    for tx in [&a0, &a1, &b, &c] {
        rig.submit(vec![tx.clone()]).unwrap();
    }
    let poor = rig.transfer(3, 0, 100);
    assert_eq!(rig.submit(vec![poor]), Err(TxError::MempoolFull), "equal pay does not push out");
    let own = rig.transfer(0, 2, 5000);
    assert_eq!(rig.submit(vec![own]), Err(TxError::MempoolFull), "it would push out what it waits for");
    let rich = rig.transfer(3, 0, 150);
    rig.submit(vec![rich.clone()]).unwrap();
    // a0 paid least and goes, and with it a1, which cannot be included without it.
    for gone in [&a0, &a1] {
        assert_eq!(rig.pool.status(&tx_hash(gone)), TxStatus::Dropped { reason: TxError::MempoolFull });
    }
    assert_eq!(rig.candidates(), [c, b, rich]);
}

#[test]
fn bytes_are_bounded_too() {
    let tx = Rig::new(MempoolLimits::default()).transfer(0, 0, 0);
    let mut rig = Rig::new(MempoolLimits { max_bytes: 3 * tx.len() + 10, ..MempoolLimits::default() });
    for n in 0..3 {
        let tx = rig.transfer(n, 0, 10);
        rig.submit(vec![tx]).unwrap();
    }
    let fourth = rig.transfer(3, 0, 10);
    assert_eq!(rig.submit(vec![fourth]), Err(TxError::MempoolFull));
    let mut log = TestLog::new(200);
    log.grow(3);
    rig.submit(log.bundle(0, 3)).unwrap();
    assert_eq!(rig.pool.by_log.len(), 1, "an anchor pushes out whoever pays least");
}

#[test]
fn a_proposal_has_bounded_work_and_the_rest_waits_for_the_next() {
    let mut rig = Rig::new(MempoolLimits { max_proposal_work: 10, ..MempoolLimits::default() });
    let mut log = TestLog::new(200);
    log.grow(3);
    let anchor = log.bundle(0, 3);
    let anchor_work = anchor.iter().map(Bytes::len).sum::<usize>().div_ceil(256);
    assert!((1..=5).contains(&anchor_work), "half of the work is for anchors");
    rig.submit(anchor).unwrap();
    for ahead in 0..20 {
        let tx = rig.transfer(0, ahead, 0);
        rig.submit(vec![tx]).unwrap();
    }
    // Two signers are two verifications.
    let messages = vec![Message::Transfer { signer: 1, to: address(50), amount: 1 }];
    let mut pair = rig.chain.draft(&[1, 2], messages);
    pair.fee = Some(1_000_000);
    let pair = pair.bytes();
    assert!(pair.len() > 256 && pair.len() <= 512);
    rig.submit(vec![pair.clone()]).unwrap();
    let first = rig.block();
    assert_eq!(first[2], pair, "anchors, then whoever pays most");
    assert_eq!(first.len(), 2 + 1 + (10 - 2 - anchor_work), "an anchor and its companion are work too");
    assert_eq!(rig.block().len(), 10);
    assert_eq!(rig.block().len(), 20 - 10 - (8 - anchor_work));
    assert!(rig.block().is_empty() && rig.pool.is_empty());
}

#[test]
fn signers_have_a_bounded_number_of_places() {
    let mut rig = Rig::new(MempoolLimits { max_per_signer: 3, ..MempoolLimits::default() });
    for ahead in 0..3 {
        let tx = rig.transfer(0, ahead, 0);
        rig.submit(vec![tx]).unwrap();
    }
    let fourth = rig.transfer(0, 3, 9000);
    assert_eq!(rig.submit(vec![fourth]), Err(TxError::TooManyPending { signer: address(0), max: 3 }));
    let replacement = rig.transfer(0, 2, 9000);
    rig.submit(vec![replacement]).unwrap();
    let other = rig.transfer(1, 0, 0);
    rig.submit(vec![other]).unwrap();
}

#[test]
fn a_larger_anchor_replaces_the_waiting_one() {
    let mut rig = Rig::new(MempoolLimits::default());
    let mut log = TestLog::new(200);
    log.grow(9);
    assert_eq!(rig.submit(vec![log.anchor(5)]).unwrap_err().code(), 48);
    rig.submit(log.bundle(0, 5)).unwrap();
    assert_eq!(rig.pool.len(), 2);
    assert_eq!(rig.submit(log.bundle(0, 5)), Err(TxError::Duplicate));
    assert_eq!(rig.submit(log.bundle(0, 4)), Err(TxError::AnchorSuperseded { log: log.id, size: 5 }));
    rig.submit(log.bundle(0, 8)).unwrap();
    let dropped = TxStatus::Dropped { reason: TxError::AnchorSuperseded { log: log.id, size: 8 } };
    assert_eq!(rig.pool.status(&tx_hash(&log.anchor(5))), dropped);
    let tx = rig.transfer(0, 0, 9000);
    rig.submit(vec![tx.clone()]).unwrap();
    let mut expected = log.bundle(0, 8);
    expected.push(tx);
    assert_eq!(rig.block(), expected, "anchors come first");
}

#[test]
fn anchors_take_at_most_half_of_the_room() {
    let mut rig = Rig::new(MempoolLimits::default());
    let mut size = 0;
    for n in [200, 201] {
        let mut log = TestLog::new(n);
        log.grow(3);
        size = log.bundle(0, 3).iter().map(Bytes::len).sum::<usize>() as u64;
        rig.submit(log.bundle(0, 3)).unwrap();
    }
    for (room, count) in [(2 * size - 1, 0), (2 * size, 2), (4 * size - 1, 2), (4 * size, 4)] {
        assert_eq!(rig.pool.candidates(room).len(), count, "{room} of {size}");
    }
}

#[test]
fn an_anchor_whose_log_moved_on_is_dropped() {
    let mut rig = Rig::new(MempoolLimits::default());
    let mut log = TestLog::new(200);
    log.grow(9);
    rig.submit(log.bundle(0, 8)).unwrap();
    // Another node's block anchored size 5: the companion from 0 is of no use any more.
    rig.commit(&log.bundle(0, 5));
    assert_eq!(rig.pool.len(), 0);
    let status = rig.pool.status(&tx_hash(&log.anchor(8)));
    assert!(matches!(status, TxStatus::Dropped { reason: TxError::CompanionMismatch { .. } }), "{status:?}");
    rig.submit(log.bundle(5, 8)).unwrap();
}

#[test]
fn what_expires_is_dropped() {
    let mut rig = Rig::new(MempoolLimits::default());
    let mut draft = rig.chain.draft(&[0], vec![Message::Transfer { signer: 0, to: address(50), amount: 1 }]);
    draft.body.expiry_height = 2;
    let tx = draft.bytes();
    rig.submit(vec![tx.clone()]).unwrap();
    rig.commit(&[]);
    assert_eq!(rig.pool.status(&tx_hash(&tx)), TxStatus::Pending, "block 2 may still hold it");
    rig.commit(&[]);
    let reason = TxError::Expired { expiry: 2, height: 3 };
    assert_eq!(rig.pool.status(&tx_hash(&tx)), TxStatus::Dropped { reason });
}

#[test]
fn another_transaction_with_the_nonce_in_a_block_drops_the_waiting_one() {
    let mut rig = Rig::new(MempoolLimits::default());
    let [n0, n1] = [0, 1].map(|ahead| rig.transfer(0, ahead, 0));
    rig.submit(vec![n0.clone()]).unwrap();
    rig.submit(vec![n1.clone()]).unwrap();
    let other = rig.transfer(0, 0, 7);
    rig.commit(&[other]);
    let status = rig.pool.status(&tx_hash(&n0));
    assert!(matches!(status, TxStatus::Dropped { reason: TxError::NonceReplayed { .. } }), "{status:?}");
    assert_eq!(rig.candidates(), [n1]);
}

#[test]
fn who_can_no_longer_pay_is_dropped_after_the_block() {
    let mut rig = Rig::new(MempoolLimits::default());
    let poor = rig.transfer(0, 1, 0);
    rig.submit(vec![poor.clone()]).unwrap();
    let mut draft = rig.chain.draft(&[0], vec![Message::Transfer { signer: 0, to: address(1), amount: RICH - 10_000 }]);
    draft.fee = Some(9_990);
    rig.commit(&[draft.bytes()]);
    let status = rig.pool.status(&tx_hash(&poor));
    assert!(matches!(status, TxStatus::Dropped { reason: TxError::InsufficientFunds { .. } }), "{status:?}");
}

#[test]
fn a_node_that_cannot_check_keeps_what_it_has() {
    let mut rig = Rig::new(MempoolLimits::default());
    let [n0, n1] = [0, 1].map(|ahead| rig.transfer(0, ahead, 0));
    let mut log = TestLog::new(200);
    log.grow(2);
    rig.submit(log.bundle(0, 2)).unwrap();
    rig.submit(vec![n1]).unwrap();
    rig.pool.committed(1, &[n0], &|_| Err(TxError::Unavailable { detail: "x".into() }));
    assert_eq!(rig.pool.len(), 3);
}

#[test]
fn the_memory_of_fates_is_bounded() {
    let mut recent = Recent::new(3);
    for n in 0..10u8 {
        for _ in 0..2 {
            recent.note(Hash([n; 32]), TxStatus::Committed { height: 1, index: n.into() });
        }
    }
    assert_eq!(recent.status(&Hash([6; 32])), TxStatus::Unknown);
    assert_eq!(recent.status(&Hash([7; 32])), TxStatus::Committed { height: 1, index: 7 });
}
