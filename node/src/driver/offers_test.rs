use pyralog_consensus::application::{CheckedTx, TxSource};
use pyralog_consensus::block::tx_hash;
use pyralog_consensus::mempool::MempoolLimits;
use pyralog_crypto::{Address, LogId};

use super::*;

fn bytes(name: &str, size: usize) -> Bytes {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(size, 0);
    bytes.into()
}

fn names(offered: &[Vec<Bytes>]) -> Vec<String> {
    let name = |tx: &Bytes| String::from_utf8_lossy(tx).trim_end_matches('\0').to_owned();
    offered.iter().map(|bundle| name(&bundle[0])).collect()
}

/// Something of a signer of its own, or an anchor of a log of its own.
fn put(pool: &mut Mempool, name: &str, size: usize, is_anchor: bool) {
    let tx = bytes(name, size);
    let checked = CheckedTx {
        hash: tx_hash(&tx),
        size,
        fee: 0,
        signers: if is_anchor { vec![] } else { vec![(Address(tx_hash(&tx).0), 0)] },
        next_nonces: if is_anchor { vec![] } else { vec![0] },
        expiry_height: u64::MAX,
        anchor: is_anchor.then(|| (LogId(tx_hash(&tx).0), 1)),
    };
    pool.submit(0, vec![tx], &|_| Ok(vec![checked.clone()])).unwrap();
}

fn committed(pool: &mut Mempool, height: u64, name: &str, size: usize) {
    pool.committed(height, &[bytes(name, size)], &|_| Ok(vec![]));
}

fn pool() -> (Mempool, Offers) {
    (Mempool::new(MempoolLimits::default()), Offers::default())
}

#[test]
fn what_two_blocks_go_without_is_offered_again_until_it_is_in_one() {
    let (mut pool, mut offers) = pool();
    put(&mut pool, "early", 100, false);
    let mut at_block = |pool: &Mempool| {
        offers.block(pool);
        names(&offers.choose(pool))
    };
    assert!(at_block(&pool).is_empty(), "it has only just come");
    put(&mut pool, "late", 100, false);
    assert!(at_block(&pool).is_empty());
    assert_eq!(at_block(&pool), ["early"]);
    assert_eq!(at_block(&pool), ["late", "early"]);
    committed(&mut pool, 1, "early", 100);
    assert_eq!(at_block(&pool), ["late"]);
    committed(&mut pool, 2, "late", 100);
    assert!(at_block(&pool).is_empty());
}

#[test]
fn anchors_go_first_and_all_others_have_their_turn() {
    let (mut pool, mut offers) = pool();
    for n in 0..1_000 {
        put(&mut pool, &format!("transfer{n}"), 300, false);
    }
    put(&mut pool, "anchor", 300, true);
    (0..=BLOCKS).for_each(|_| offers.block(&pool));
    let mut seen = BTreeSet::new();
    for _ in 0..24 {
        let chosen = offers.choose(&pool);
        let total: usize = chosen.iter().flatten().map(Bytes::len).sum();
        assert!(total <= MAX_BYTES && chosen.len() <= MAX_BUNDLES, "{total} bytes of {}", chosen.len());
        assert_eq!(names(&chosen)[0], "anchor");
        assert_eq!(names(&chosen).iter().filter(|name| *name == "anchor").count(), 1);
        seen.extend(names(&chosen));
    }
    assert_eq!(seen.len(), 1_001);
}

#[test]
fn one_that_is_larger_than_a_message_of_many_goes_alone() {
    let (mut pool, mut offers) = pool();
    for name in ["first", "second"] {
        put(&mut pool, name, MAX_BYTES + 1, false);
    }
    (0..=BLOCKS).for_each(|_| offers.block(&pool));
    let three: Vec<_> = (0..3).map(|_| names(&offers.choose(&pool))).collect();
    assert_eq!(three, [["first"], ["second"], ["first"]]);
}
