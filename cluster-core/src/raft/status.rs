//! How a group stands, as one member sees it.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{EmptyNode, RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;

use super::types::Raft;
use crate::replication::MemberId;

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leader {
    /// The term, which rises with every election.
    pub term: u64,
    /// The leader of this term, where this member knows one.
    pub member: Option<MemberId>,
}

/// How a group stands, as one member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Who leads.
    pub leader: Leader,
    /// Whether this member does.
    pub leads: bool,
    /// Index of the last entry of the log.
    pub last_log: Option<u64>,
    /// Index of the last entry that was applied.
    pub applied: Option<u64>,
    /// Index of the last entry that is in a snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last entry that was removed from the log.
    pub purged: Option<u64>,
    /// Members that decide.
    pub voters: BTreeSet<MemberId>,
    /// Members that are told what was decided.
    pub learners: BTreeSet<MemberId>,
    /// On the leader: index of the last entry that each member is known to have.
    pub matched: BTreeMap<MemberId, Option<u64>>,
    /// On the leader: milliseconds since a quorum was heard of.
    pub quorum_heard_ms: Option<u64>,
    /// Why the group stands still on this member, if it does.
    pub stopped: Option<String>,
}

impl Status {
    pub(super) fn new(metrics: &RaftMetrics<u64, EmptyNode>) -> Self {
        let membership = metrics.membership_config.membership();
        let matched = metrics.replication.iter().flatten();
        Self {
            leader: leader(metrics),
            leads: metrics.state == ServerState::Leader,
            last_log: metrics.last_log_index,
            applied: metrics.last_applied.map(|id| id.index),
            snapshot: metrics.snapshot.map(|id| id.index),
            purged: metrics.purged.map(|id| id.index),
            voters: membership.voter_ids().map(MemberId).collect(),
            learners: membership.learner_ids().map(MemberId).collect(),
            matched: matched.map(|(member, id)| (MemberId(*member), id.map(|id| id.index))).collect(),
            quorum_heard_ms: metrics.millis_since_quorum_ack,
            stopped: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }
}

fn leader(metrics: &RaftMetrics<u64, EmptyNode>) -> Leader {
    Leader { term: metrics.current_term, member: metrics.current_leader.map(MemberId) }
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It is so.
    Yes,
    /// It never will be.
    Closed,
    /// The time is over.
    Late,
}

/// Waits until it is so.
pub(super) async fn reached<T>(
    news: &mut watch::Receiver<T>,
    deadline: Instant,
    is_so: impl FnMut(&T) -> bool,
) -> Reached {
    match tokio::time::timeout_at(deadline, news.wait_for(is_so)).await {
        Ok(Ok(_)) => Reached::Yes,
        Ok(Err(_)) => Reached::Closed,
        Err(_) => Reached::Late,
    }
}

/// Tells of every new leader.
pub(super) async fn watch_leader(raft: Raft, sender: watch::Sender<Leader>) {
    let mut metrics = raft.metrics();
    // Only what is looked at is kept: the group stops by being told to.
    drop(raft);
    loop {
        let now = leader(&metrics.borrow_and_update());
        sender.send_if_modified(|old| std::mem::replace(old, now) != now);
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
