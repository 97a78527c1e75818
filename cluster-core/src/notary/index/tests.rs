//! The index answers the lowest index and catches up after losses.

use std::path::Path;

use pyralog_crypto::{Blake3, Frontier, MerkleHash};

use super::*;
use crate::chain::MemoryTables;
use crate::disk::{Disk, FaultyDisk};
use crate::notary::nodes::FlatFile;

fn hash(number: u64) -> Hash {
    Blake3::leaf(&number.to_be_bytes())
}

/// A tree over `leaves` in a file.
fn nodes(disk: &FaultyDisk, leaves: impl Iterator<Item = Hash>) -> NodeFile {
    disk.create_dir(Path::new("/log")).unwrap();
    let file = FlatFile::open(disk, "/log/tree".into()).unwrap();
    let mut frontier = Frontier::<Blake3>::new();
    let bytes: Vec<u8> =
        leaves.flat_map(|leaf| frontier.append(leaf).flat_map(|(_, _, node)| node.0).collect::<Vec<u8>>()).collect();
    file.write(&bytes, 0).unwrap();
    NodeFile(file)
}

#[test]
fn the_lowest_index_is_found_and_others_are_not() {
    let disk = FaultyDisk::new(1);
    // Leaf 3 twice, and a leaf whose hash begins like that of leaf 5.
    let mut alike = hash(5);
    alike.0[31] ^= 1;
    let leaves = [hash(3), alike, hash(3), hash(5)];
    let nodes = nodes(&disk, leaves.into_iter());
    let index = LeafIndex::new(Arc::new(MemoryTables::new(disk)), LogId([7; 32]));
    index.add(0, leaves.into_iter()).unwrap();
    assert_eq!(index.find(&hash(3), &nodes, 4).unwrap(), Some(0));
    assert_eq!(index.find(&hash(5), &nodes, 4).unwrap(), Some(3));
    assert_eq!(index.find(&alike, &nodes, 4).unwrap(), Some(1));
    assert_eq!(index.find(&hash(5), &nodes, 3).unwrap(), None, "beyond the durable end");
    assert_eq!(index.find(&hash(6), &nodes, 4).unwrap(), None);
}

#[test]
fn lost_entries_are_made_again_and_logs_do_not_mix() {
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        let tables = MemoryTables::new(disk.clone());
        let size = REINDEX_BATCH + 100;
        let nodes = nodes(&disk, (0..size).map(hash));
        let index = LeafIndex::new(Arc::new(tables.clone()), LogId([7; 32]));
        let other = LeafIndex::new(Arc::new(tables.clone()), LogId([8; 32]));
        for first in (0..size).step_by(200) {
            index.add(first, (first..size.min(first + 200)).map(hash)).unwrap();
        }
        tables.crash();
        let made = index.catch_up(&nodes, size).unwrap();
        assert!(made <= size);
        for number in (0..size).step_by(97) {
            assert_eq!(index.find(&hash(number), &nodes, size).unwrap(), Some(number));
        }
        assert_eq!(index.catch_up(&nodes, size).unwrap(), 0);
        assert_eq!(other.find(&hash(1), &nodes, size).unwrap(), None);
    }
}
