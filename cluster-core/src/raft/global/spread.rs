//! Over how many members the records of a log are spread.

use std::collections::BTreeSet;

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::GlobalRefusal;
use crate::replication::{MAX_NODESET, MemberId, NodeSet};

/// N, R and W of each partition of a log.
///
/// Where N = R every member of a nodeset stores every record: there is one copyset, the nodeset. Where N > R each record has a copyset of its own, of R
/// members; the others keep its leaf in its place ([`crate::Stub`]), so that offsets, roots and proofs are the same on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spread {
    /// N: members of each nodeset.
    pub nodeset: u8,
    /// R: copies of each entry.
    pub replication: u8,
    /// W: copies before an acknowledgement.
    pub copies: u8,
    /// Whether the leader stores no records, as long as there are R others.
    pub coordinator_only: bool,
}

impl Spread {
    /// One copyset of R members, and W.
    #[must_use]
    pub fn whole(replication: u8, copies: u8) -> Self {
        Self { nodeset: replication, replication, copies, coordinator_only: false }
    }

    /// Whether every member of a full nodeset stores every record, the leader too.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nodeset == self.replication && !self.coordinator_only
    }

    /// Whether a record has a copyset of its own where the nodeset is full: not all of its members have all records.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.nodeset > self.replication
    }

    /// R and W where only so many members can store a partition: R as far as it goes, and of fewer than R more than half before an acknowledgement.
    #[must_use]
    pub fn numbers(&self, members: usize) -> (usize, usize) {
        let (replication, copies) = (usize::from(self.replication), usize::from(self.copies));
        if members < replication { (members, copies.min(members / 2 + 1)) } else { (replication, copies) }
    }

    /// Which numbers would do instead, where these would let one lost disk hold the log up.
    #[must_use]
    pub fn instead(&self) -> String {
        let (nodeset, replication) = (self.nodeset, self.replication);
        let fit = |copies: &u8| Self { copies: *copies, ..*self }.check(false).is_ok();
        let (least, most) = ((1..=replication).find(fit), (1..=replication).rev().find(fit));
        match least.zip(most) {
            Some((one, other)) if one == other => format!("take copies {one} of {replication}"),
            Some((least, most)) => format!("take copies {least} to {most} of {replication}"),
            None if nodeset < 3 => "take nodeset 3 or more, or 1, whose disk is then the only one".to_owned(),
            None => format!("take replication 2 or more of {nodeset}, and copies 2"),
        }
    }

    /// The nodeset of these members.
    pub(super) fn over(&self, members: BTreeSet<MemberId>) -> Option<NodeSet> {
        let (replication, copies) = self.numbers(members.len());
        NodeSet::new(members, replication, copies).ok()
    }

    pub(super) fn refused(&self) -> GlobalRefusal {
        GlobalRefusal::Numbers { replication: self.replication, copies: self.copies }
    }

    /// Refuses numbers that cannot work, that one lost disk would hold up for ever (a recovery needs max(N − W + 1, W) members of the nodeset that
    /// was), or under which fewer disks than half may take what was acknowledged with them (W ≤ R / 2), unless that is `weak` on purpose.
    pub(super) fn check(&self, weak: bool) -> Result<(), GlobalRefusal> {
        let Self { nodeset, replication, copies, coordinator_only } = *self;
        if replication == 0 || usize::from(replication) > MAX_NODESET || copies == 0 || copies > replication {
            return Err(self.refused());
        }
        // Both are small.
        if nodeset < replication + u8::from(coordinator_only) || usize::from(nodeset) > MAX_NODESET {
            return Err(GlobalRefusal::Nodeset { nodeset, replication });
        }
        if nodeset > 1 && copies.max(nodeset - copies + 1) == nodeset {
            return Err(GlobalRefusal::HeldUp { nodeset, copies });
        }
        if copies * 2 <= replication && !weak {
            return Err(GlobalRefusal::Weak { replication, copies });
        }
        Ok(())
    }
}

/// `replication:u8 copies:u8`, with [`Spread::is_whole`] known to be so.
pub(super) fn put_whole(out: &mut Writer, spread: &Spread) {
    out.u8(spread.replication).u8(spread.copies);
}

/// See [`put_whole`].
pub(super) fn whole(input: &mut Reader<'_>) -> Result<Spread, CodecError> {
    Ok(Spread::whole(input.u8()?, input.u8()?))
}

impl Encode for Spread {
    fn encode(&self, out: &mut Writer) {
        out.u8(self.nodeset).u8(self.replication).u8(self.copies).bool(self.coordinator_only);
    }
}

impl Decode for Spread {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (nodeset, replication, copies) = (input.u8()?, input.u8()?, input.u8()?);
        Ok(Self { nodeset, replication, copies, coordinator_only: input.bool()? })
    }
}
