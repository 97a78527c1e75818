//! The global group: who is in the cluster, which logs there are, who stores them, and who makes ids under which number.
//!
//! Nothing is given twice: member ids, incarnations of logs, ids of partitions and incarnations of leases only rise. What refuses says why, and
//! names what it collides with, so that a command that is given again after an uncertain end is answered with what the first one did.

mod command;
mod log;
mod member;
mod number;
mod placement;
mod snapshot;
mod spread;

use std::collections::BTreeMap;

pub use command::{GlobalAnswer, GlobalCommand, GlobalRefusal, NewLog, NewMember};
pub use log::{LogPlace, PartitionPlace};
pub use member::{Member, Role};
pub use number::Lease;
pub use placement::{place, score};
pub use spread::Spread;

use super::Machine;
use crate::LogName;
use crate::replication::MemberId;

/// Most members that a cluster ever had.
pub const MAX_MEMBERS: usize = 1 << 16;
/// Most bytes of a member's name.
pub const MAX_MEMBER_NAME: usize = 64;
/// Most bytes of a member's peer id.
pub const MAX_PEER_ID: usize = 64;
/// Most addresses of a member.
pub const MAX_ADDRESSES: usize = 16;
/// Most bytes of one address.
pub const MAX_ADDRESS: usize = 256;
/// Most bytes of what a log's creator says about it.
pub const MAX_LOG_SPEC: usize = 4 << 10;
/// Most logs of a cluster. With the other bounds it keeps the state below what a snapshot may have.
pub const MAX_LOGS: usize = 4096;
/// Most partitions of all logs of a cluster.
pub const MAX_ALL_PARTITIONS: usize = 100_000;
/// Numbers that id generators may have: 10 bits.
pub const NODE_NUMBERS: u16 = 1024;

/// What the global group agrees about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlobalState {
    /// All that there ever were.
    members: BTreeMap<MemberId, Member>,
    /// The last id that was given; 0 where none was.
    last_member: u64,
    logs: BTreeMap<LogName, LogPlace>,
    partitions: BTreeMap<u64, PartitionPlace>,
    /// The last incarnation that was given to a log.
    last_log: u64,
    /// The last id that was given to a partition.
    last_partition: u64,
    leases: BTreeMap<u16, Lease>,
    /// The last incarnation that was given to a lease.
    last_lease: u64,
}

impl GlobalState {
    /// The member with this id, also one that was removed.
    #[must_use]
    pub fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(&member)
    }

    /// All members that there ever were, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    /// All members that are not removed, in the order of their ids.
    pub fn live(&self) -> impl Iterator<Item = (MemberId, &Member)> {
        self.members.iter().filter(|(_, member)| !member.removed).map(|(id, member)| (*id, member))
    }

    /// Whether the id may be given to a member one day. Ids rise, so one that is above all others belongs to somebody of whom nobody
    /// has told this member yet.
    #[must_use]
    pub fn may_be_given(&self, member: MemberId) -> bool {
        member.0 > self.last_member
    }

    /// The log of this name.
    #[must_use]
    pub fn log(&self, name: &LogName) -> Option<&LogPlace> {
        self.logs.get(name)
    }

    /// All logs, in the order of their names.
    pub fn logs(&self) -> impl Iterator<Item = (&LogName, &LogPlace)> {
        self.logs.iter()
    }

    /// The partition with this id.
    #[must_use]
    pub fn partition(&self, partition: u64) -> Option<&PartitionPlace> {
        self.partitions.get(&partition)
    }

    /// Whether the partition was deleted. Ids rise and none is given twice, so it holds for ever, also where this is an old state: one
    /// that is above all others is of a log that nobody has told this member of yet.
    #[must_use]
    pub fn is_deleted(&self, partition: u64) -> bool {
        partition <= self.last_partition && !self.partitions.contains_key(&partition)
    }

    /// All partitions, in the order of their ids.
    pub fn partitions(&self) -> impl Iterator<Item = (u64, &PartitionPlace)> {
        self.partitions.iter().map(|(id, place)| (*id, place))
    }

    /// The number that a member's id generators have, if it holds one.
    #[must_use]
    pub fn number_of(&self, member: MemberId) -> Option<(u16, u64)> {
        let held = self.leases.iter().find(|(_, lease)| lease.member == Some(member));
        held.map(|(number, lease)| (*number, lease.incarnation))
    }
}

impl Machine for GlobalState {
    type Command = GlobalCommand;
    type Answer = GlobalAnswer;

    fn apply(&mut self, command: &GlobalCommand) -> GlobalAnswer {
        let answer = match command {
            GlobalCommand::AddMember(new) => self.add_member(new),
            GlobalCommand::RemoveMember { member } => self.remove_member(*member),
            GlobalCommand::SetRole { member, role } => self.set_role(*member, *role),
            GlobalCommand::SetAddresses { member, addresses } => self.set_addresses(*member, addresses),
            GlobalCommand::Start { member, incarnation, previous, next } => {
                self.start(*member, incarnation, *previous, *next)
            }
            GlobalCommand::CreateLog(new) => self.create_log(new),
            GlobalCommand::DeleteLog { name } => self.delete_log(name),
            GlobalCommand::MovePartition { partition, nodeset } => self.move_partition(*partition, nodeset),
            GlobalCommand::LeaseNumber { member } => self.lease_number(*member),
            GlobalCommand::ReleaseNumber { member } => self.release_number(*member),
        };
        answer.unwrap_or_else(GlobalAnswer::Refused)
    }
}

#[cfg(test)]
pub(super) mod tests;
