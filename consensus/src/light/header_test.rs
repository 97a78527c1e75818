use super::HeaderFields;
use crate::light::testkit::TestChain;
use pyralog_crypto::Hash;

fn chain() -> TestChain {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 1), (2, 1)]);
    chain.push_empty(2);
    chain
}

#[test]
fn fields_hash_as_the_header_they_come_from() {
    let chain = chain();
    for block in &chain.blocks {
        let fields = HeaderFields::from_tendermint(&block.header).unwrap();
        assert_eq!(fields.hash("pyralog-dev-1").unwrap().0, block.header.hash().as_bytes());
        assert_eq!(fields.to_tendermint("pyralog-dev-1").unwrap(), block.header);
        assert_ne!(fields.hash("pyralog-dev-2").unwrap().0, block.header.hash().as_bytes());
        assert_eq!(fields.last_block_id.is_none(), block.header.height.value() == 1);
    }
}

#[test]
fn every_field_is_hashed() {
    let fields = HeaderFields::from_tendermint(&chain().at(2).header).unwrap();
    let hash = fields.hash("c").unwrap();
    let changes: Vec<fn(&mut HeaderFields)> = vec![
        |h| h.version.block += 1,
        |h| h.version.app += 1,
        |h| h.height += 1,
        |h| h.time = h.time.checked_add(std::time::Duration::from_nanos(1)).unwrap(),
        |h| h.last_block_id = None,
        |h| h.last_block_id.as_mut().unwrap().hash.0[0] ^= 1,
        |h| h.last_block_id.as_mut().unwrap().parts.total += 1,
        |h| h.last_block_id.as_mut().unwrap().parts.hash.0[31] ^= 1,
        |h| h.last_commit_hash.0[0] ^= 1,
        |h| h.data_hash.0[0] ^= 1,
        |h| h.validators_hash.0[0] ^= 1,
        |h| h.next_validators_hash.0[0] ^= 1,
        |h| h.consensus_hash.0[0] ^= 1,
        |h| h.app_hash.0[0] ^= 1,
        |h| h.last_results_hash.0[0] ^= 1,
        |h| h.evidence_hash.0[0] ^= 1,
        |h| h.proposer_address[19] ^= 1,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut other = fields.clone();
        change(&mut other);
        assert_ne!(other.hash("c").unwrap(), hash, "change {i}");
    }
}

#[test]
fn what_no_header_can_hold_is_refused() {
    let block = chain().at(2).clone();
    let fields = HeaderFields::from_tendermint(&block.header).unwrap();
    let hash = |change: fn(&mut HeaderFields)| {
        let mut other = fields.clone();
        change(&mut other);
        other.hash("c")
    };
    assert_eq!(hash(|h| h.height = 0).unwrap_err().field, "height");
    assert_eq!(hash(|h| h.height = u64::MAX).unwrap_err().field, "height");
    assert_eq!(
        hash(|h| h.last_block_id.as_mut().unwrap().parts.total = 0).unwrap_err().field,
        "last_block_id.parts.total"
    );
    for chain_id in ["", "a b", &"x".repeat(51)] {
        assert_eq!(fields.hash(chain_id).unwrap_err().field, "chain_id");
    }
    let mut short = block.header.clone();
    short.app_hash = vec![1].try_into().unwrap();
    assert_eq!(HeaderFields::from_tendermint(&short).unwrap_err().field, "app_hash");
    let mut empty = block.header;
    empty.data_hash = None;
    assert_eq!(HeaderFields::from_tendermint(&empty).unwrap_err().field, "data_hash");
}

/// A zero block id in place of none would hash differently from the empty one of Go's first block.
#[test]
fn no_block_id_is_not_a_zero_block_id() {
    let first = HeaderFields::from_tendermint(&chain().at(1).header).unwrap();
    let mut zero = first.clone();
    zero.last_block_id =
        Some(super::BlockId { hash: Hash::default(), parts: super::PartSet { total: 1, hash: Hash::default() } });
    assert_ne!(first.hash("c").unwrap(), zero.hash("c").unwrap());
}
