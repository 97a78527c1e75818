//! A sound chain is found sound, and each kind of hole is found.

use super::*;
use crate::MemoryTables;
use crate::chain::block::ChainWrite;
use crate::chain::{Batch, Durability, Genesis, PutBlock};
use crate::disk::FaultyDisk;

fn chain() -> MemoryTables {
    let tables = MemoryTables::new(FaultyDisk::new(1));
    let genesis = Genesis { initial_height: 5, ..Genesis::default() };
    tables.write(ChainWrite::Genesis(genesis).into_batch(), Durability::Synced).unwrap();
    for height in 5..9u64 {
        let block = PutBlock { height, hash: [height as u8; 32], txs: vec![[height as u8; 32]], ..PutBlock::default() };
        tables.write(ChainWrite::Block(block).into_batch(), Durability::Synced).unwrap();
    }
    tables
}

fn found(tables: &MemoryTables) -> Vec<String> {
    let mut found = Vec::new();
    check(tables, &mut |what| found.push(what));
    found
}

#[test]
fn a_sound_chain_is_read_whole() {
    let mut found = Vec::new();
    let checked = check(&chain(), &mut |what| found.push(what));
    assert_eq!((found, checked.blocks), (Vec::<String>::new(), 4));
    // Four tables of blocks, two indexes; initial and latest height, state.
    assert_eq!(checked.entries, 4 * 6 + 3);
    assert!(self::found(&MemoryTables::new(FaultyDisk::new(1))).is_empty());
}

#[test]
fn holes_and_places_without_a_block_are_found() {
    let height = |height: u64| height.to_be_bytes().to_vec();
    for (family, key, value, says) in [
        (Family::Block, height(6), None, "the table block goes on with height 7 where 6 is due"),
        (Family::Commit, height(5), None, "the table commit goes on with height 6 where 5 is due"),
        (Family::Results, height(8), None, "the table results does not end there"),
        (Family::Meta, vec![1], Some(vec![]), "a key of the table meta is no height"),
        (Family::Chain, LATEST.to_vec(), Some(height(9)), "the latest block is 9"),
        (Family::Tx, vec![9; 32], Some([height(9), vec![0; 4]].concat()), "a transaction names height 9"),
        (Family::BlockHash, vec![9; 32], Some(height(4)), "a block hash names height 4"),
        (Family::BlockHash, vec![9; 32], Some(vec![4]), "a block hash holds no place"),
    ] {
        let tables = chain();
        let mut batch = Batch::default();
        match value {
            Some(value) => batch.put(family, key, value),
            None => batch.delete(family, key),
        }
        tables.write(batch, Durability::Synced).unwrap();
        let found = found(&tables);
        assert!(found.iter().any(|what| what.contains(says)), "{says}: {found:?}");
    }
}
