//! What a member lacks: each says so itself, to all others, with whom it hears. No further disk should be lost before all members are whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use pyralog_crypto::CodecError;

use super::host::{Cluster, Shared, lock};
use super::place::{Keeps, Place};
use crate::PartitionId;
use crate::raft::{GlobalState, Role};
use crate::replica::Replica;
use crate::replication::{Epoch, MemberId};

const RECORDS: u8 = 1;
const BLOCKS: u8 = 2;
const LEAVES: u8 = 4;
const LOST: u8 = 8;

/// What a member lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lacks {
    /// Records of a partition that it stores, or should.
    pub records: bool,
    /// Blocks of the chain. Its node says so.
    pub blocks: bool,
    /// Leaves of the notary log. Its node says so.
    pub leaves: bool,
    /// Records of a partition that it stores are on no member any more, as far as it has looked.
    pub lost: bool,
}

impl Lacks {
    /// Whether it lacks nothing.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::default()
    }

    /// Its words.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        let all =
            [(self.records, "records"), (self.blocks, "blocks"), (self.leaves, "leaves"), (self.lost, "lost records")];
        all.into_iter().filter(|(lacks, _)| *lacks).map(|(_, word)| word).collect()
    }

    /// Bit 0 records, bit 1 blocks, bit 2 leaves, bit 3 lost records.
    pub(super) fn to_bits(self) -> u8 {
        let all = [(self.records, RECORDS), (self.blocks, BLOCKS), (self.leaves, LEAVES), (self.lost, LOST)];
        all.into_iter().filter(|(lacks, _)| *lacks).map(|(_, bit)| bit).sum()
    }

    /// # Errors
    /// [`CodecError::Tag`] for others than [`Lacks::to_bits`] gives.
    pub(super) fn from_bits(bits: u64) -> Result<Self, CodecError> {
        let has = |bit: u8| bits & u64::from(bit) != 0;
        match bits {
            0..=15 => Ok(Self { records: has(RECORDS), blocks: has(BLOCKS), leaves: has(LEAVES), lost: has(LOST) }),
            found => Err(CodecError::Tag { what: "what a member lacks", found }),
        }
    }
}

impl Cluster {
    /// The node says what this member lacks besides records. The others hear of it within moments.
    pub fn set_lacking(&self, blocks: bool, leaves: bool) {
        let bits = Lacks { blocks, leaves, ..Lacks::default() }.to_bits();
        self.shared.node_lacks.store(bits, Ordering::Relaxed);
    }

    /// What members lack, as each has said of late, this one among them. Who is not here has said nothing.
    #[must_use]
    pub fn lacks(&self) -> BTreeMap<MemberId, Lacks> {
        let mut lacks = self.shared.ears.lacks();
        lacks.insert(self.shared.me, self.shared.own_lacks());
        lacks
    }

    /// Whether all members are up and lack nothing, and every partition is led and stored where it should be: only then the disk of one may be lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (shared, lacks, up) = (&self.shared, self.lacks(), self.up());
        let is_member_whole = |id: MemberId| lacks.get(&id).is_some_and(|lacks| lacks.is_whole());
        let members = |state: &GlobalState| -> Option<BTreeSet<MemberId>> {
            let whole = state.live().all(|(id, member)| member.role == Role::Voter && is_member_whole(id));
            // Where something is about to be stored by others it is not yet.
            let settled = whole && state.better_places(&up).is_empty();
            settled.then(|| state.live().map(|(id, _)| id).filter(|id| up.contains(id)).collect())
        };
        let Some(members) = shared.groups.global().look(members) else { return false };
        shared.places().iter().all(|place| {
            let stands = shared.stands(place.id).filter(|stands| stands.epoch > Epoch::NONE);
            stands.is_some_and(|stands| {
                let is_stored = stands.nodeset.members().iter().all(|member| members.contains(member));
                place.is_settled(&stands) && is_stored && members.contains(&stands.sequencer)
            })
        })
    }
}

impl Shared {
    /// What this member lacks.
    pub(super) fn own_lacks(&self) -> Lacks {
        // Nothing else is ever stored there.
        let of_node = Lacks::from_bits(self.node_lacks.load(Ordering::Relaxed).into()).unwrap_or_default();
        let places = self.places();
        let records = places.iter().any(|place| self.lacks_records(place));
        let lost = places.iter().any(|place| self.lost(place.id).is_some_and(|lost| lost > 0));
        lock(&self.paces).retain(|id| self.replicas.get(id).is_some());
        Lacks { records, lost, ..of_node }
    }

    /// Whether this member has all of a partition but what is on its way.
    pub(super) fn keeps_up(&self, replica: &Replica, partition: PartitionId) -> bool {
        lock(&self.paces).keeps_up(partition, replica)
    }

    /// Whether records of a partition are missing here that should be here.
    fn lacks_records(&self, place: &Place) -> bool {
        let stands = self.stands(place.id).filter(|stands| stands.epoch > Epoch::NONE);
        let stores = stands.as_ref().is_some_and(|stands| stands.nodeset.contains(self.me));
        if !stores && !place.nodeset.contains(self.me) {
            return false;
        }
        let Some(replica) = self.replicas.get(place.id).filter(|replica| replica.broken().is_none()) else {
            return true;
        };
        let is_behind = !self.keeps_up(&replica, place.id);
        let Some(stands) = stands else { return is_behind };
        let repaired = !place.spread.is_sparse() || self.is_repaired(place.id, &stands.nodeset);
        !stores || is_behind || !repaired || self.keeps(place.id) != Keeps::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_read_as_it_was_written_and_nothing_else() {
        for bits in 0..16 {
            let lacks = Lacks::from_bits(bits).unwrap();
            assert_eq!(u64::from(lacks.to_bits()), bits);
            assert_eq!(lacks.words().len() as u32, bits.count_ones());
            assert_eq!(lacks.is_whole(), bits == 0);
        }
        assert!(Lacks::from_bits(16).is_err() && Lacks::from_bits(u64::MAX).is_err());
        let some = Lacks { records: true, lost: true, ..Lacks::default() };
        assert_eq!((some.to_bits(), some.words()), (9, vec!["records", "lost records"]));
    }
}
