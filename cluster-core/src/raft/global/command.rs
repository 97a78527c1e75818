//! Commands of the global group, their answers, and their encodings.

use std::collections::BTreeSet;

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};
use thiserror::Error;

use super::{MAX_ADDRESS, MAX_ADDRESSES, MAX_LOG_SPEC, MAX_MEMBER_NAME, MAX_PEER_ID, Role, Spread};
use crate::raft::{Incarnation, Life, MAX_GROUP_MEMBERS, Stranger};
use crate::replication::{MemberId, NodeSet};
use crate::{LogName, MAX_LOG_NAME_BYTES, MAX_PARTITIONS};

/// A member to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Its name, for people; at most [`MAX_MEMBER_NAME`] bytes.
    pub name: String,
    /// Its key on the network, at most [`MAX_PEER_ID`] bytes.
    pub peer: Vec<u8>,
    /// Where it listens, at most [`MAX_ADDRESSES`] of [`MAX_ADDRESS`] bytes.
    pub addresses: Vec<String>,
    /// Of its disk.
    pub incarnation: Incarnation,
    /// What its disk holds as its last life.
    pub life: Life,
}

/// A log to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLog {
    /// Unique among the logs that there are.
    pub name: LogName,
    /// What its creator says about it, at most [`MAX_LOG_SPEC`] bytes; opaque here.
    pub spec: Vec<u8>,
    /// 1 to [`MAX_PARTITIONS`].
    pub partitions: u32,
    /// N, R and W of its partitions.
    pub spread: Spread,
    /// Take W ≤ R / 2, too: what was acknowledged may then be lost together with fewer members than half of the nodeset.
    pub weak: bool,
    /// Members that are well, as far as the proposer knows; they come before the others.
    pub healthy: BTreeSet<MemberId>,
    /// A log that a member has alone so far, with its incarnation there: it keeps that, and is stored by that member first.
    pub adopt: Option<(MemberId, u64)>,
}

/// A change of the global state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalCommand {
    /// Give a member an id.
    AddMember(NewMember),
    /// The member is none any more, for ever.
    RemoveMember {
        /// Which.
        member: MemberId,
    },
    /// Says what a member does in the global group. It follows a change of the group; it does not make one.
    SetRole {
        /// Which.
        member: MemberId,
        /// What it does.
        role: Role,
    },
    /// The member listens elsewhere.
    SetAddresses {
        /// Which.
        member: MemberId,
        /// Where.
        addresses: Vec<String>,
    },
    /// The member starts from its disk.
    Start {
        /// Which.
        member: MemberId,
        /// Of its disk.
        incarnation: Incarnation,
        /// The life that its disk holds.
        previous: Life,
        /// The life that begins; its number is one higher.
        next: Life,
    },
    /// Make a log.
    CreateLog(NewLog),
    /// Forget a log.
    DeleteLog {
        /// Which.
        name: LogName,
    },
    /// Store a partition elsewhere.
    MovePartition {
        /// Which.
        partition: u64,
        /// Where.
        nodeset: NodeSet,
    },
    /// Give a member a number for its ids, or the one that it has.
    LeaseNumber {
        /// Which.
        member: MemberId,
    },
    /// The member makes no ids any more under the number that it has, if it has one.
    ReleaseNumber {
        /// Which.
        member: MemberId,
    },
}

/// What the global group says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalAnswer {
    /// It is so.
    Done,
    /// The member has this id.
    Added {
        /// Its id.
        member: MemberId,
    },
    /// The life has begun.
    Started,
    /// The log is there.
    Created {
        /// Its incarnation.
        incarnation: u64,
        /// Id of its first partition; the others follow.
        first_partition: u64,
    },
    /// The member has this number.
    Leased {
        /// The number.
        number: u16,
        /// The incarnation of the lease.
        incarnation: u64,
    },
    /// Nothing was changed.
    Refused(GlobalRefusal),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GlobalRefusal {
    /// The peer id, or the disk, belongs to a member already.
    #[error("this is member {} already", member.0)]
    AlreadyMember {
        /// Which.
        member: MemberId,
    },
    /// The member is not who it says, or none.
    #[error("member {}: {why}", member.0)]
    Stranger {
        /// Which.
        member: MemberId,
        /// Why.
        why: Stranger,
    },
    /// There would be no cluster left.
    #[error("member {} is the only one of the cluster: add another one first", member.0)]
    LastMember {
        /// Which.
        member: MemberId,
    },
    /// As many as there may be.
    #[error("the cluster has {limit} {what} already, as many as it may have")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// The name is taken.
    #[error("there is a log {name} already, of incarnation {incarnation}: delete it first, or choose another name")]
    LogExists {
        /// The name.
        name: LogName,
        /// Its incarnation.
        incarnation: u64,
    },
    /// No log has this name.
    #[error("there is no log {name}: create it first, or look at the list of logs")]
    NoSuchLog {
        /// The name.
        name: LogName,
    },
    /// The incarnation is none that a member gives alone, or another log has it.
    #[error("the incarnation {incarnation} is not one that a member alone has: create the log under another name")]
    Incarnation {
        /// The incarnation.
        incarnation: u64,
    },
    /// No partition has this id.
    #[error("there is no partition {partition}")]
    NoSuchPartition {
        /// The id.
        partition: u64,
    },
    /// R and W that cannot work, or are not those of the log.
    #[error(
        "{replication} copies of each entry and an acknowledgement after {copies}: these numbers do not fit, or are not those of the log"
    )]
    Numbers {
        /// R.
        replication: u8,
        /// W.
        copies: u8,
    },
    /// N that cannot work.
    #[error(
        "{nodeset} members for {replication} copies of each entry: at least as many are needed, one more where the leader stores none, and at most {}",
        crate::replication::MAX_NODESET
    )]
    Nodeset {
        /// N.
        nodeset: u8,
        /// R.
        replication: u8,
    },
    /// W = 1 or W = N, of several members: nobody could do without one of them.
    #[error(
        "an acknowledgement after {copies} {}, of {nodeset} members that store a partition: one lost disk would hold the log up for ever, since whoever \
         takes over must hear all {nodeset} of them",
        if *copies == 1 { "copy" } else { "copies" }
    )]
    HeldUp {
        /// N.
        nodeset: u8,
        /// W.
        copies: u8,
    },
    /// W ≤ R / 2.
    #[error(
        "an acknowledgement after {copies} of {replication} copies is not more than half: what is acknowledged could be lost with fewer disks than half. \
         Ask for more copies, or say that it may (may_lose_acknowledged)"
    )]
    Weak {
        /// R.
        replication: u8,
        /// W.
        copies: u8,
    },
    /// All numbers are in use.
    #[error("all 1024 node numbers are in use: remove members that are gone, or give a number back")]
    NoNumbers,
}

#[path = "command_codec.rs"]
mod codec;

pub(super) use codec::{addresses, log_name, partitions, put_addresses, put_role, role, small};
