//! Who stores the entries of a partition, and how many of them must agree.

use std::collections::BTreeSet;

use pyralog_crypto::{Blake3, MerkleHash};
use thiserror::Error;

use super::Lsn;

/// Most members of a nodeset. 3 to 5 are sensible: every further one makes the quorum of a recovery larger.
pub const MAX_NODESET: usize = 32;

/// What scores of members begin with.
const COPYSET: &[u8] = b"pyralog copyset v1";

/// A member of the cluster: a process that stores, runs sequencers, or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemberId(pub u64);

/// Settings that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeSetError {
    /// Too few or too many members.
    #[error("a nodeset of {found} members: allowed are 1 to {MAX_NODESET}")]
    Members {
        /// How many there are.
        found: usize,
    },
    /// A member stands twice in it.
    #[error("member {} stands twice in the nodeset", member.0)]
    Twice {
        /// The member.
        member: MemberId,
    },
    /// More copies than members.
    #[error("{replication} copies of each entry cannot be stored on a nodeset of {members} members")]
    Replication {
        /// Copies of each entry.
        replication: usize,
        /// Members of the nodeset.
        members: usize,
    },
    /// An acknowledgement without a copy, or one that waits for copies that are never sent.
    #[error("an acknowledgement after {copies} copies: allowed are 1 to {replication}, the copies of each entry")]
    Copies {
        /// Copies before an acknowledgement.
        copies: usize,
        /// Copies of each entry.
        replication: usize,
    },
}

/// The members that store a partition, with its three numbers: N members, R copies of each entry, W of them before an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeSet {
    /// Sorted, each once.
    members: Vec<MemberId>,
    replication: usize,
    copies: usize,
}

impl NodeSet {
    /// Neighbouring numbers whose copies go to the same members.
    pub const BLOCK: u64 = 64;

    /// A nodeset of these members, in any order.
    ///
    /// # Errors
    /// [`NodeSetError`], unless 1 ≤ `copies` ≤ `replication` ≤ members ≤ [`MAX_NODESET`] and no member stands twice.
    pub fn new(
        members: impl IntoIterator<Item = MemberId>,
        replication: usize,
        copies: usize,
    ) -> Result<Self, NodeSetError> {
        // One more than allowed is enough to know.
        let mut members: Vec<MemberId> = members.into_iter().take(MAX_NODESET + 1).collect();
        members.sort_unstable();
        let found = members.len();
        if found == 0 || found > MAX_NODESET {
            return Err(NodeSetError::Members { found });
        }
        if let Some(pair) = members.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(NodeSetError::Twice { member: pair[0] });
        }
        if replication > found {
            return Err(NodeSetError::Replication { replication, members: found });
        }
        if copies == 0 || copies > replication {
            return Err(NodeSetError::Copies { copies, replication });
        }
        Ok(Self { members, replication, copies })
    }

    /// The members, in the order of their ids.
    #[must_use]
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }

    /// Whether the member stores this partition.
    #[must_use]
    pub fn contains(&self, member: MemberId) -> bool {
        self.members.binary_search(&member).is_ok()
    }

    /// Whether an entry has a copyset of its own: R < N.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.replication < self.members.len()
    }

    /// R: copies that are sent of each entry.
    #[must_use]
    pub fn replication(&self) -> usize {
        self.replication
    }

    /// W: durable copies before an entry is acknowledged.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// q = N − W + 1: so many members share one with every W members. Sealing so many leaves too few for an acknowledgement; where so
    /// many have no copy of a position, it was never acknowledged.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.members.len() - self.copies + 1
    }

    /// max(q, W): the least number of members that a recovery reads from and writes to. Two such sets share a member.
    #[must_use]
    pub fn recovery_quorum(&self) -> usize {
        self.quorum().max(self.copies)
    }

    /// The members that a wave of an entry goes to: R of them, those first that are not away, and before those who are the one to avoid last.
    ///
    /// By rendezvous: each member has a score for the [`Self::BLOCK`] of the number, the first 8 bytes, big-endian, of
    /// `BLAKE3("pyralog copyset v1" || partition:u64 || block:u64 || member:u64)`, and the highest scores win. So a partition's copies lie on few
    /// sets of members, and a member that comes or goes moves no more of them than it must. Each further wave begins one place further
    /// down, and goes around.
    #[must_use]
    pub fn copyset(
        &self,
        partition: u64,
        lsn: Lsn,
        wave: u32,
        avoid: Option<MemberId>,
        away: &BTreeSet<MemberId>,
    ) -> Vec<MemberId> {
        let block = lsn.number / Self::BLOCK;
        let rank = |member: &MemberId| (!away.contains(member), avoid != Some(*member));
        let scored = self.members.iter().map(|member| (rank(member), score(partition, block, *member), *member));
        let mut order: Vec<((bool, bool), u64, MemberId)> = scored.collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        // The first wave is number 1.
        let start = wave.saturating_sub(1) as usize % order.len().max(1);
        order.rotate_left(start);
        order.into_iter().take(self.replication).map(|(.., member)| member).collect()
    }
}

/// How much a member is wanted for a copy of the entries of a block, or for the records of one where too few have them.
pub(crate) fn score(partition: u64, block: u64, member: MemberId) -> u64 {
    let mut input = [0; COPYSET.len() + 24];
    let (domain, numbers) = input.split_at_mut(COPYSET.len());
    domain.copy_from_slice(COPYSET);
    for (place, number) in numbers.chunks_exact_mut(8).zip([partition, block, member.0]) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    crate::parts::u64_at(&Blake3::digest(&input).0, 0)
}

#[cfg(test)]
mod tests;
