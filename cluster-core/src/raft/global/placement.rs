//! Where a partition is stored: rendezvous hashing, so that a member that comes or goes moves only what must move.

use std::collections::BTreeSet;

use pyralog_crypto::{Blake3, MerkleHash};

use crate::replication::MemberId;

const DOMAIN: &[u8] = b"pyralog placement v1";

/// How much a member is wanted for a partition: the first 16 bytes, big-endian, of BLAKE3(`"pyralog placement v1"` ‖ partition:u64 ‖ member:u64).
#[must_use]
pub fn score(partition: u64, member: MemberId) -> u128 {
    let preimage = [DOMAIN, &partition.to_be_bytes(), &member.0.to_be_bytes()].concat();
    let hash = Blake3::digest(&preimage).0;
    hash.iter().take(16).fold(0, |score, byte| score << 8 | u128::from(*byte))
}

/// The `count` members with the highest scores, healthy ones before all others. In the order of their ids.
#[must_use]
pub fn place(
    partition: u64,
    live: &BTreeSet<MemberId>,
    healthy: &BTreeSet<MemberId>,
    count: usize,
) -> BTreeSet<MemberId> {
    let rank = |member: &MemberId| (healthy.contains(member), score(partition, *member), member.0);
    let mut ranked: Vec<_> = live.iter().map(|member| (rank(member), *member)).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().take(count).map(|(_, member)| member).collect()
}
