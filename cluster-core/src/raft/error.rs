//! What can go wrong with a group.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{GLOBAL, Stranger};
use crate::Error;
use crate::replication::MemberId;

/// Why a question to a group has no answer.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum GroupError {
    // -- Bad input of the caller.
    /// The group does not do that.
    #[error("{} refuses: {why}", called(*group))]
    Refused {
        /// The group.
        group: u64,
        /// What does not fit.
        why: String,
    },
    /// The numbers of a log do not fit each other.
    #[error("{why}")]
    Unfit {
        /// What does not fit.
        why: String,
    },
    /// The home holds no member, or one without an id.
    #[error("this home belongs to no member of a cluster yet: start a cluster with it, or add it to one")]
    NoMember,
    /// The home belongs to a member already.
    #[error("this home belongs to member {} already: start a cluster with an empty home", .0.0)]
    IsMember(MemberId),
    /// The group does not run on this member.
    #[error("{} does not run on this member", called(*.0))]
    NoGroup(u64),
    /// The options do not fit together.
    #[error("the options of Raft do not fit: {0}")]
    Options(String),

    // -- Not now.
    /// No answer within the time that a question may take. Nothing was done.
    #[error("{} has no leader that answers: of its voters {}", called(*group), heard(answering, silent))]
    Unavailable {
        /// The group.
        group: u64,
        /// Voters that answer.
        answering: BTreeSet<MemberId>,
        /// Voters that do not.
        silent: BTreeSet<MemberId>,
    },
    /// The command may or may not have been applied, or may be applied later: look before it is given again.
    #[error("whether {} did it is not known yet: of its voters {}", called(*group), heard(answering, silent))]
    Uncertain {
        /// The group.
        group: u64,
        /// Voters that answer.
        answering: BTreeSet<MemberId>,
        /// Voters that do not.
        silent: BTreeSet<MemberId>,
    },

    // -- A peer, or this member itself, is not who it should be.
    /// Who spoke was not let in.
    #[error("member {}: {why}", member.0)]
    Stranger {
        /// Who it says it is.
        member: MemberId,
        /// What does not fit.
        why: Stranger,
    },
    /// A frame that cannot be read.
    #[error("member {} sent a frame that cannot be read: {why}", member.0)]
    Frame {
        /// Who sent it.
        member: MemberId,
        /// What the decoder says.
        why: String,
    },

    // -- Fatal.
    /// The group has stopped on this member: its disk failed, or it was shut down.
    #[error("{} has stopped on this member: {why}", called(*group))]
    Stopped {
        /// The group.
        group: u64,
        /// Why.
        why: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A group, for people.
fn called(group: u64) -> String {
    match group {
        GLOBAL => "the cluster".to_owned(),
        group => format!("the cluster's group {group}, which keeps epochs of partitions,"),
    }
}

fn heard(answering: &BTreeSet<MemberId>, silent: &BTreeSet<MemberId>) -> String {
    let list = |members: &BTreeSet<MemberId>, (one, more): (&str, &str)| {
        let words: Vec<String> = members.iter().map(|member| member.0.to_string()).collect();
        match members.len() {
            0 => format!("none {one}"),
            1 => format!("member {} {one}", words.join(", ")),
            _ => format!("members {} {more}", words.join(", ")),
        }
    };
    format!("{}, and {}", list(answering, ("answers", "answer")), list(silent, ("does not", "do not")))
}
