use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use pyralog_crypto::LogId;

use super::*;

type Map = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

fn over(map: &Map) -> Indexes {
    let map = Arc::clone(map);
    Indexes::new(Arc::new(move |key| Ok(map.lock().unwrap().get(key).cloned())))
}

/// Writes what `Indexes::writes` would for one anchor per height.
fn anchored(sizes: &[u64]) -> (Map, LogId) {
    let (map, log) = (Map::default(), LogId([5; 32]));
    let mut entries = map.lock().unwrap();
    for (n, size) in sizes.iter().enumerate() {
        let value = [&size.to_be_bytes()[..], &(n as u64 + 10).to_be_bytes(), &2u32.to_be_bytes()].concat();
        entries.insert([&[0xf0, b'a'][..], &log.0, &(n as u64).to_be_bytes()].concat(), value);
    }
    entries.insert([&[0xf0, b'A'][..], &log.0].concat(), (sizes.len() as u64).to_be_bytes().to_vec());
    drop(entries);
    (map, log)
}

#[test]
fn a_leaf_is_covered_by_the_first_anchor_beyond_it() {
    let (map, log) = anchored(&[3, 4, 9]);
    let indexes = over(&map);
    let height = |index| indexes.covering(&log, index).unwrap().map(|place| place.height);
    assert_eq!(
        [height(0), height(2), height(3), height(4), height(8)],
        [Some(10), Some(10), Some(11), Some(12), Some(12)]
    );
    assert_eq!(height(9), None);
    assert_eq!(indexes.last_anchor(&log).unwrap(), Some(AnchorPlace { size: 9, height: 12, tx: 2 }));
    assert_eq!(indexes.covering(&LogId([6; 32]), 0).unwrap(), None);
    let (newest, total) = indexes.anchors(&log, 2).unwrap();
    assert_eq!((newest.iter().map(|place| place.size).collect::<Vec<_>>(), total), (vec![9, 4], 3));
}

#[test]
fn damage_is_an_error_and_not_an_answer() {
    let (map, log) = anchored(&[3, 4, 9]);
    map.lock().unwrap().remove(&[&[0xf0, b'a'][..], &log.0, &1u64.to_be_bytes()].concat());
    let message = over(&map).covering(&log, 3).unwrap_err().to_string();
    assert!(message.contains("anchor 1"), "{message}");
}

proptest! {
    #[test]
    fn the_search_agrees_with_looking_at_all(steps in proptest::collection::vec(1u64..5, 0..40), index in 0u64..200) {
        let sizes: Vec<u64> = steps.iter().scan(0, |sum, step| { *sum += step; Some(*sum) }).collect();
        let (map, log) = anchored(&sizes);
        let expected = sizes.iter().position(|size| *size > index).map(|n| n as u64 + 10);
        prop_assert_eq!(over(&map).covering(&log, index).unwrap().map(|place| place.height), expected);
    }
}
