//! The group codec, and reading single leaves back.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;

fn encode(first: u64, leaves: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    begin_group(&mut payload, first, leaves.len() as u32);
    for leaf in leaves {
        put_leaf(&mut payload, leaf);
    }
    payload
}

fn decode(payload: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
    let mut leaves = Vec::new();
    let group = read_group(payload, |_, leaf| {
        leaves.push(leaf.to_vec());
        Ok::<(), Infallible>(())
    });
    let (first, count) = group.unwrap()?;
    assert_eq!(count, leaves.len() as u64);
    Some((first, leaves))
}

#[test]
fn names_sort_by_leaf_and_come_back() {
    assert!(file_name(9) < file_name(10));
    assert_eq!(parse_name(&file_name(u64::MAX)), Some(u64::MAX));
    for other in ["leaves-.seg", "leaves-1.log", "signed", "leaves-1.seg.tmp", "leaves--1.seg"] {
        assert_eq!(parse_name(other), None, "{other}");
    }
}

#[test]
fn empty_and_over_long_leaves_and_groups_are_refused() {
    assert_eq!(decode(&encode(0, &[])), None);
    assert_eq!(decode(&encode(0, &[vec![]])), None);
    assert_eq!(decode(&encode(0, &[vec![1; MAX_LEAF_BYTES + 1]])), None);
    assert!(decode(&encode(0, &[vec![1; MAX_LEAF_BYTES]])).is_some());
    let mut trailing = encode(0, &[vec![1]]);
    trailing.push(0);
    assert_eq!(decode(&trailing), None);
}

#[test]
fn many_files_are_read_with_few_open() {
    let disk = FaultyDisk::new(1);
    let mut segments = Vec::new();
    let mut base = 0;
    for first in 0..(2 * OPEN_FILES as u64) {
        let mut bytes = vec![0; FILE_HEADER as usize];
        put_leaf(&mut bytes, &first.to_be_bytes());
        segments.push(Segment { first, base });
        base += bytes.len() as u64 - FILE_HEADER;
        disk.overwrite(&Path::new("/log").join(file_name(first)), bytes);
    }
    let files = LeafFiles::new(Arc::new(disk), "/log".into(), segments.clone());
    for segment in segments.iter().chain(segments.iter().rev()) {
        assert_eq!(files.read(segment.base).unwrap().0, segment.first.to_be_bytes());
        assert!(files.open.lock().unwrap().len() <= OPEN_FILES);
    }
    let error = files.read(base + 5).unwrap_err();
    assert!(error.to_string().contains("no leaf stands here"), "{error}");
}

proptest! {
    #[test]
    fn groups_round_trip(first: u64, leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..20)) {
        let payload = encode(first, &leaves);
        prop_assert_eq!(decode(&payload), Some((first, leaves)));
        for cut in 0..payload.len() {
            prop_assert_eq!(decode(&payload[..cut]), None);
        }
    }

    #[test]
    fn random_and_mutated_groups_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip: u8) {
        let _may_be_none = decode(&bytes);
        let mut payload = encode(7, &[vec![1; 30], vec![2; 30]]);
        let at = at.index(payload.len());
        payload[at] ^= flip;
        let _may_be_none = decode(&payload);
    }
}
