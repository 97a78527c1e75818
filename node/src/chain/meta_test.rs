use proptest::prelude::*;
use pyralog_crypto::SigningKey;

use super::*;
use pyralog_consensus::application::{TxEvent, TxResult};
use pyralog_consensus::block::{ValidatorSet, to_tendermint_hash};
use pyralog_crypto::Hash;
use pyralog_crypto::codec::{Decode, Encode};

fn sample() -> BlockMeta {
    let key = SigningKey::from_seed([7; 32]).public_key();
    BlockMeta {
        block_id: tendermint::block::Id {
            hash: to_tendermint_hash(Hash([1; 32])),
            part_set_header: tendermint::block::parts::Header::new(1, to_tendermint_hash(Hash([2; 32]))).unwrap(),
        },
        validators: ValidatorSet::new(&[(key, 10)]).unwrap(),
        tx_results: vec![TxResult {
            data: vec![1, 2].into(),
            log: "fine".into(),
            events: vec![TxEvent { kind: "transfer".into(), attributes: vec![("from".into(), "a".into())] }],
            ..TxResult::default()
        }],
        validator_updates: vec![(key, 5)],
        app_hash: Hash([3; 32]),
        block_size: 400,
    }
}

#[test]
fn what_is_stored_is_read() {
    let meta = sample();
    assert_eq!(BlockMeta::from_bytes(&meta.to_bytes()).unwrap(), meta);
    let mut longer = meta.to_bytes();
    longer.push(0);
    assert!(BlockMeta::from_bytes(&longer).is_err(), "trailing bytes are refused");
    assert!(meta.to_bytes().len() < MAX_META_BYTES);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = BlockMeta::from_bytes(&bytes);
    }

    #[test]
    fn a_flipped_byte_is_refused_or_read_canonically(at in 0usize..400, flip in 1u8..) {
        let mut bytes = sample().to_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(meta) = BlockMeta::from_bytes(&bytes) {
            prop_assert_eq!(meta.to_bytes(), bytes);
        }
    }
}
