//! crypto: what is signed of a partition of a record log, and proofs against it.

use pyralog_crypto::{
    Blake3, Hash, InclusionProof, PartitionCheckpoint, PartitionConsistency, RecordProof, SegmentLeaf,
    SignedPartitionCheckpoint,
};

use super::canonical;
use crate::fuzz::chain::{CHAIN, key};
use crate::fuzz::partition;

pub fn partition_checkpoint(bytes: &[u8]) -> bool {
    if let Some(checkpoint) = canonical::<PartitionCheckpoint>(bytes) {
        assert!(checkpoint.check().is_ok(), "counts that cannot be were decoded");
        return true;
    }
    let Some(signed) = canonical::<SignedPartitionCheckpoint>(bytes) else { return false };
    assert!(signed.checkpoint.check().is_ok(), "counts that cannot be were decoded");
    if signed.verify(CHAIN, &key(200).public_key()).is_ok() {
        assert!(signed.verify("pyralog-dev-other", &key(200).public_key()).is_err());
        assert!(signed.verify(CHAIN, &key(201).public_key()).is_err());
    }
    true
}

/// The checkpoint to which a segment of a partition leads, if one does.
fn led_to(segment: &SegmentLeaf, number: u64, path: &InclusionProof) -> Option<PartitionCheckpoint> {
    let root = path.root_from::<Blake3>(&segment.leaf_hash()).ok()?;
    let behind = path.size.checked_sub(1)?.checked_sub(number)?;
    let size = segment.next.checked_add(behind)?;
    Some(PartitionCheckpoint { size, segments: path.size, root, ..partition::checkpoint(0) })
}

pub fn record_proof(bytes: &[u8]) -> bool {
    let Some(proof) = canonical::<RecordProof>(bytes) else { return false };
    let leaf = partition::leaf(proof.offset);
    let own = led_to(&proof.segment, proof.number, &proof.in_partition);
    for checkpoint in own.into_iter().chain([partition::checkpoint(partition::SIZE)]) {
        if proof.verify(&leaf, &checkpoint).is_ok() {
            assert!(proof.offset < checkpoint.size);
            assert!(proof.verify(&partition::leaf(proof.offset ^ 1), &checkpoint).is_err());
            let other = PartitionCheckpoint { root: Hash([1; 32]), ..checkpoint };
            assert!(proof.verify(&leaf, &other).is_err());
        }
    }
    true
}

pub fn partition_consistency(bytes: &[u8]) -> bool {
    let Some(proof) = canonical::<PartitionConsistency>(bytes) else { return false };
    let own = proof.growth.as_ref().and_then(|growth| {
        let number = growth.in_old.index;
        let old = led_to(&growth.old_segment, number, &growth.in_old)?;
        Some((old, led_to(&growth.new_segment, number, &growth.in_new)?))
    });
    let sizes = [0, 1, 5, partition::SIZE].map(partition::checkpoint);
    let known = sizes.iter().flat_map(|old| sizes.iter().map(|new| (*old, *new)));
    for (old, new) in own.into_iter().chain(known) {
        if proof.verify(&old, &new).is_ok() {
            assert!(old.size <= new.size);
            assert!(old.size < new.size || old == new, "one size, two checkpoints");
            assert!(old == new || proof.verify(&new, &old).is_err());
            let forked = PartitionCheckpoint { root: Hash([1; 32]), ..old };
            assert!(proof.verify(&forked, &new).is_err());
        }
    }
    true
}
