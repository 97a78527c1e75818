//! Leases of node numbers, which stand in the ids that a member makes.

use super::{GlobalAnswer, GlobalRefusal, GlobalState, NODE_NUMBERS};
use crate::replication::MemberId;

/// Who makes ids under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is; nobody's where it was given back.
    pub member: Option<MemberId>,
    /// Rises with every lease of any number: of two that make ids under one number, the lower one must stop.
    pub incarnation: u64,
}

type Answer = Result<GlobalAnswer, GlobalRefusal>;

impl GlobalState {
    /// The number of a member, the same each time it asks. A member has one disk in all its life, so a lost disk, which means a new member, means
    /// a new number. Numbers that nobody had come first, then those that were given back longest ago.
    pub(super) fn lease_number(&mut self, member: MemberId) -> Answer {
        self.must_live(member)?;
        if let Some((number, incarnation)) = self.number_of(member) {
            return Ok(GlobalAnswer::Leased { number, incarnation });
        }
        let unused = (0..NODE_NUMBERS).find(|number| !self.leases.contains_key(number));
        let back = || {
            let free = self.leases.iter().filter(|(_, lease)| lease.member.is_none());
            free.min_by_key(|(_, lease)| lease.incarnation).map(|(number, _)| *number)
        };
        let number = unused.or_else(back).ok_or(GlobalRefusal::NoNumbers)?;
        self.last_lease += 1;
        let incarnation = self.last_lease;
        self.leases.insert(number, Lease { member: Some(member), incarnation });
        Ok(GlobalAnswer::Leased { number, incarnation })
    }

    pub(super) fn release_number(&mut self, member: MemberId) -> Answer {
        self.must_live(member)?;
        self.free_number(member);
        Ok(GlobalAnswer::Done)
    }

    pub(super) fn free_number(&mut self, member: MemberId) {
        for lease in self.leases.values_mut().filter(|lease| lease.member == Some(member)) {
            lease.member = None;
        }
    }
}
