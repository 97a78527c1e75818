//! The chain over memory tables, driven by hand.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::chain::{MemoryTables, block};
use crate::disk::FaultyDisk;
use crate::{Backend, Core, Options};

struct Bench {
    disk: FaultyDisk,
    tables: MemoryTables,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        Self { tables: MemoryTables::new(disk.clone()), disk }
    }

    fn open(&self) -> Core {
        let backend = Backend { disk: Arc::new(self.disk.clone()), tables: Some(Arc::new(self.tables.clone())) };
        Core::open_with(Path::new("/member"), Options { manual: true, ..Options::default() }, backend).unwrap().0
    }

    fn crash(&self) {
        self.disk.crash();
        self.tables.crash();
    }
}

fn block(height: u64) -> PutBlock {
    let text = |what: &str| Bytes::from(format!("{what} {height}"));
    PutBlock {
        height,
        hash: [height as u8; 32],
        block: text("block"),
        commit: text("commit"),
        meta: text("meta"),
        results: text("results"),
        chain_state: text("state after"),
        writes: vec![
            (b"height".to_vec(), Some(height.to_be_bytes().to_vec())),
            (format!("at/{height}").into_bytes(), Some(vec![1])),
            (format!("at/{}", height - 1).into_bytes(), None),
        ],
        txs: vec![[height as u8 + 100; 32], [height as u8 + 150; 32]],
    }
}

fn check(chain: &Chain, height: u64) {
    let text = |what: &str| Some(Bytes::from(format!("{what} {height}")));
    assert_eq!(chain.block(height).unwrap(), text("block"));
    assert_eq!(chain.commit(height).unwrap(), text("commit"));
    assert_eq!(chain.meta(height).unwrap(), text("meta"));
    assert_eq!(chain.results(height).unwrap(), text("results"));
    assert_eq!(chain.height_of(&[height as u8; 32]).unwrap(), Some(height));
    assert_eq!(chain.tx(&[height as u8 + 150; 32]).unwrap(), Some(TxPlace { height, index: 1 }));
}

fn check_tip(chain: &Chain, height: u64) {
    assert_eq!(chain.latest_height(), Some(height));
    assert_eq!(chain.chain_state().unwrap(), Some(Bytes::from(format!("state after {height}"))));
    assert_eq!(chain.state(b"height").unwrap(), Some(height.to_be_bytes().to_vec()));
    assert_eq!(chain.block(height + 1).unwrap(), None);
    assert_eq!(chain.tx(&[height as u8 + 101; 32]).unwrap(), None);
    let mut at = Vec::new();
    chain
        .scan_state(b"at/", &mut |key, _| {
            let inside = key.starts_with(b"at/");
            if inside {
                at.push(key.to_vec());
            }
            inside
        })
        .unwrap();
    assert_eq!(at, [format!("at/{height}").into_bytes()], "deletions are part of the block");
}

#[test]
fn blocks_appear_whole_when_durable_and_come_back() {
    let bench = Bench::new(1);
    let core = bench.open();
    let chain = core.chain();
    assert_eq!((chain.latest_height(), chain.initial_height()), (None, None));
    for height in 1..=3 {
        chain.put_block(block(height)).unwrap();
    }
    assert_eq!(chain.latest_height(), None, "nothing is visible before it is durable");
    while core.drive() {}
    for height in 1..=3 {
        check(chain, height);
    }
    check_tip(chain, 3);
    drop(core);
    bench.crash();
    check_tip(bench.open().chain(), 3);
}

#[test]
fn heights_follow_each_other() {
    let bench = Bench::new(1);
    let core = bench.open();
    let chain = core.chain();
    assert!(matches!(chain.put_block(PutBlock::default()), Err(Error::NotNext { height: 0, .. })));
    let genesis = |initial_height| Genesis {
        initial_height,
        chain_state: Bytes::from_static(b"genesis"),
        writes: vec![(b"a".to_vec(), Some(b"b".to_vec()))],
        notes: vec![("genesis-hash".into(), Bytes::from_static(b"h"))],
    };
    assert!(matches!(chain.put_genesis(genesis(0), None), Err(Error::Size { .. })));
    chain.put_genesis(genesis(10), None).unwrap();
    assert!(matches!(chain.put_block(block(1)), Err(Error::NotNext { height: 1, expected: 10 })));
    chain.put_block(block(10)).unwrap();
    assert!(matches!(chain.put_block(block(10)), Err(Error::NotNext { height: 10, expected: 11 })));
    while core.drive() {}
    assert_eq!((chain.latest_height(), chain.initial_height()), (Some(10), Some(10)));
    assert!(matches!(chain.put_genesis(genesis(10), None), Err(Error::NotNext { .. })));
    assert_eq!(chain.note("genesis-hash").unwrap(), Some(Bytes::from_static(b"h")));
    assert_eq!(chain.state(b"a").unwrap(), Some(b"b".to_vec()));
    drop(core);
    let core = bench.open();
    let error = core.chain().put_block(block(10)).unwrap_err();
    assert_eq!(error.to_string(), "block 10 cannot be stored: the chain continues at height 11");
    assert!(!error.is_fatal());
}

#[test]
fn notes_are_put_and_deleted() {
    let bench = Bench::new(1);
    let core = bench.open();
    core.chain().put_note("n", Some(Bytes::from_static(b"1")), None).unwrap();
    while core.drive() {}
    assert_eq!(core.chain().note("n").unwrap(), Some(Bytes::from_static(b"1")));
    core.chain().put_note("n", None, None).unwrap();
    while core.drive() {}
    assert_eq!(core.chain().note("n").unwrap(), None);
    assert_eq!(core.stats().blocks, 0);
}

#[test]
fn blocks_are_visited_in_order() {
    let bench = Bench::new(1);
    let core = bench.open();
    for height in 1..=300 {
        core.chain().put_block(PutBlock { height, block: Bytes::from_static(b"b"), ..PutBlock::default() }).unwrap();
    }
    while core.drive() {}
    let mut heights = Vec::new();
    core.chain()
        .scan_blocks(255, &mut |height, _| {
            heights.push(height);
            heights.len() < 4
        })
        .unwrap();
    assert_eq!(heights, [255, 256, 257, 258]);
}

#[test]
fn a_store_without_its_latest_block_is_refused() {
    let disk = FaultyDisk::new(1);
    let tables = MemoryTables::new(disk);
    let mut batch = crate::Batch::default();
    batch.put(Family::Chain, block::LATEST, 7u64.to_be_bytes());
    assert_eq!((batch.len(), batch.is_empty()), (1, false));
    tables.write(batch, Durability::Synced).unwrap();
    let Err(error) = ChainFile::open(Arc::new(tables.clone()), "/chain/tables".into()) else { panic!("opened") };
    assert!(error.to_string().contains("the latest block, which is missing"), "{error}");
    let mut batch = crate::Batch::default();
    batch.put(Family::Chain, block::LATEST, [1, 2, 3]);
    tables.write(batch, Durability::Synced).unwrap();
    assert!(ChainFile::open(Arc::new(tables), "/chain/tables".into()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After a power cut the chain ends at the last acknowledged block, or at the one in flight, whole in both cases.
    #[test]
    fn power_cuts_keep_blocks_whole(seed: u64, operations in 0u64..12) {
        let bench = Bench::new(seed);
        let core = bench.open();
        bench.disk.cut_power_after(operations);
        let (sink, events) = crate::channel();
        let mut tried = 0;
        for height in 1..=10 {
            let sink = Arc::clone(&sink);
            if core.chain().put_block_then(block(height), Box::new(move |event| sink(event))).is_err() {
                break;
            }
            tried = height;
            core.drive();
        }
        let acknowledged = events.try_iter().filter_map(|event| event.durable().ok()).map(|(height, _)| height).max().unwrap_or(0);
        drop(core);
        bench.crash();
        let core = bench.open();
        let found = core.chain().latest_height().unwrap_or(0);
        prop_assert!(found == acknowledged || (found == tried && tried == acknowledged + 1));
        for height in 1..=found {
            check(core.chain(), height);
        }
        if found > 0 {
            check_tip(core.chain(), found);
        }
        prop_assert!(core.chain().put_block(block(found + 1)).is_ok());
    }

    #[test]
    fn decoders_take_exact_lengths(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        prop_assert_eq!(decode_height(&bytes).is_some(), bytes.len() == 8);
        prop_assert_eq!(decode_place(&bytes).is_some(), bytes.len() == 12);
    }
}
