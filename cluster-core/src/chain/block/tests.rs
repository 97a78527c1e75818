//! What a write becomes in the tables.

use super::*;

fn keys(write: ChainWrite) -> Vec<(Family, Vec<u8>, bool)> {
    write.into_batch().changes.into_iter().map(|(family, key, value)| (family, key, value.is_some())).collect()
}

#[test]
fn a_block_touches_every_table_it_belongs_to() {
    let block = PutBlock {
        height: 258,
        hash: [7; 32],
        writes: vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)],
        txs: vec![[1; 32], [2; 32]],
        ..PutBlock::default()
    };
    let height = vec![0, 0, 0, 0, 0, 0, 1, 2];
    assert_eq!(
        keys(ChainWrite::Block(block)),
        [
            (Family::Block, height.clone(), true),
            (Family::Commit, height.clone(), true),
            (Family::Meta, height.clone(), true),
            (Family::Results, height, true),
            (Family::BlockHash, vec![7; 32], true),
            (Family::Tx, vec![1; 32], true),
            (Family::Tx, vec![2; 32], true),
            (Family::State, b"a".to_vec(), true),
            (Family::State, b"b".to_vec(), false),
            (Family::Chain, b"state".to_vec(), true),
            (Family::Chain, b"latest".to_vec(), true),
        ]
    );
}

#[test]
fn notes_and_genesis_stay_apart_from_the_chains_own_keys() {
    let note = ChainWrite::Note { name: "latest".into(), value: Some(Bytes::from_static(b"x")) };
    assert_eq!(keys(note), [(Family::Chain, b"note/latest".to_vec(), true)]);
    let gone = ChainWrite::Note { name: "n".into(), value: None };
    assert_eq!(keys(gone), [(Family::Chain, b"note/n".to_vec(), false)]);
    let genesis = Genesis { initial_height: 1, notes: vec![("g".into(), Bytes::new())], ..Genesis::default() };
    let expected = [&b"initial"[..], b"state", b"note/g"].map(|key| (Family::Chain, key.to_vec(), true));
    assert_eq!(keys(ChainWrite::Genesis(genesis)), expected);
}

#[test]
fn sizes_count_what_is_carried() {
    let block = PutBlock {
        block: Bytes::from(vec![0; 100]),
        commit: Bytes::from(vec![0; 10]),
        writes: vec![(vec![0; 3], Some(vec![0; 4])), (vec![0; 5], None)],
        txs: vec![[0; 32]; 2],
        ..PutBlock::default()
    };
    assert_eq!(ChainWrite::Block(block).bytes(), 100 + 10 + 7 + 5 + 88);
    assert_eq!(ChainWrite::Note { name: "abc".into(), value: Some(Bytes::from_static(b"de")) }.bytes(), 5);
}

#[test]
fn places_and_heights_round_trip() {
    let place = TxPlace { height: u64::MAX - 1, index: 7 };
    assert_eq!(decode_place(&encode_place(place)), Some(place));
    assert_eq!(decode_height(&9u64.to_be_bytes()), Some(9));
}
