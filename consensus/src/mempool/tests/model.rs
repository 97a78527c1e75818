//! A random history against a model that only knows the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pyralog_crypto::{Address, LogId};

use super::super::*;

/// A ledger that knows nonces only: signer (or 0 and a log), nonce (or size), fee and expiry are the bytes.
#[derive(Default)]
struct Nonces {
    height: u64,
    next: BTreeMap<u8, u64>,
}

impl Nonces {
    fn check(&self, txs: &[Bytes]) -> Result<Vec<CheckedTx>, TxError> {
        let tx = &txs[0];
        let [who, nonce, fee, expiry] = [0, 1, 2, 3].map(|i| u64::from(tx[i]));
        let checked = CheckedTx {
            hash: tx_hash(tx),
            size: tx.len(),
            fee: 0,
            signers: vec![],
            next_nonces: vec![],
            expiry_height: u64::MAX,
            anchor: None,
        };
        if who == 0 {
            return Ok(vec![CheckedTx { anchor: Some((LogId([tx[1]; 32]), fee)), ..checked }]);
        }
        let (signer, expected) = (Address([tx[0]; 32]), self.next.get(&tx[0]).copied().unwrap_or(0));
        if nonce < expected {
            return Err(TxError::NonceReplayed { signer, expected, got: nonce });
        }
        if expiry <= self.height {
            return Err(TxError::Expired { expiry, height: self.height + 1 });
        }
        Ok(vec![CheckedTx {
            fee,
            signers: vec![(signer, nonce)],
            next_nonces: vec![expected],
            expiry_height: expiry,
            ..checked
        }])
    }

    fn commit(&mut self, txs: &[Bytes]) {
        self.height += 1;
        for tx in txs.iter().filter(|tx| tx[0] != 0) {
            self.next.insert(tx[0], u64::from(tx[1]) + 1);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit([u8; 4]),
    /// Commit the first so many candidates.
    Commit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0u8..5, 0u8..6, 1u8..200, 3u8..30).prop_map(|(a, b, c, d)| Step::Submit([a, b, c, d])),
        1 => (0usize..6).prop_map(Step::Commit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Against a model that only knows the rules: whatever is offered respects nonces, fits, and is unexpired; nothing
    /// vanishes without a reason; the indices always agree.
    #[test]
    fn random_histories(steps in prop::collection::vec(step(), 1..120)) {
        let limits = MempoolLimits { max_count: 12, max_per_signer: 4, ..MempoolLimits::default() };
        let mut pool = Mempool::new(limits);
        let (mut ledger, mut seen) = (Nonces::default(), Vec::new());
        for step in steps {
            match step {
                Step::Submit(bytes) => {
                    let tx = Bytes::copy_from_slice(&bytes);
                    let hash = tx_hash(&tx);
                    let before = pool.status(&hash);
                    match pool.submit(ledger.height, vec![tx], &|txs| ledger.check(txs)) {
                        Ok(_) => {
                            seen.push(hash);
                            prop_assert_eq!(pool.status(&hash), TxStatus::Pending);
                        }
                        Err(_) => prop_assert_eq!(pool.status(&hash), before),
                    }
                }
                Step::Commit(n) => {
                    let block: Vec<_> = pool.candidates(1 << 20).into_iter().take(n).collect();
                    ledger.commit(&block);
                    pool.committed(ledger.height, &block, &|txs| ledger.check(txs));
                    for (i, tx) in block.iter().enumerate() {
                        let committed = TxStatus::Committed { height: ledger.height, index: i as u32 };
                        prop_assert_eq!(pool.status(&tx_hash(tx)), committed);
                    }
                }
            }
            pool.audit();
            prop_assert!(seen.iter().all(|hash| pool.status(hash) != TxStatus::Unknown));
            prop_assert!(pool.bundles.values().all(|b| b.expiry() > ledger.height));
            let offered = pool.candidates(40);
            prop_assert!(offered.iter().map(Bytes::len).sum::<usize>() <= 40);
            // Per signer: from the next nonce on, without a gap.
            let mut next = ledger.next.clone();
            for tx in offered.iter().filter(|tx| tx[0] != 0) {
                let expected = next.entry(tx[0]).or_insert(0);
                prop_assert_eq!(u64::from(tx[1]), *expected);
                *expected += 1;
            }
            // With room for all, exactly those are offered.
            let reachable: usize = pool.by_signer.iter().map(|(signer, queue)| {
                let next = ledger.next.get(&signer.0[0]).copied().unwrap_or(0);
                (next..).zip(queue.waiting.keys()).take_while(|(a, b)| a == *b).count()
            }).sum();
            prop_assert_eq!(pool.candidates(1 << 20).len(), reachable + pool.by_log.len());
        }
    }
}
