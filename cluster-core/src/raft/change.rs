//! Changes of who is in a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, EmptyNode, ServerState};
use tokio::time::Instant;

use super::Machine;
use super::group::{Group, Shared};
use super::links::SILENCE;
use super::status::{Reached, reached};
use super::types::Membership;
use super::wire::{Change, Reply};
use crate::replication::MemberId;

/// A learner that is so many entries behind is near enough to vote.
const NEAR: u64 = 64;

/// Why a member is not replaced.
pub(crate) fn runs(member: MemberId) -> String {
    format!(
        "member {} runs, and nobody takes its place meanwhile: stop it first, if its disk is to be given up for this one. If this is a node beside it, give it a \
         home of its own: `pyralogd join-cluster --home DIR` makes one, with a key of its own",
        member.0
    )
}

type Changes = ChangeMembers<u64, EmptyNode>;

/// What is to be done, or nothing where it is so already. Where it cannot be, why.
fn plan(change: Change, membership: &Membership) -> Result<Option<(Changes, bool)>, &'static str> {
    let voter = |id: u64| membership.voter_ids().any(|voter| voter == id);
    let known = |id: u64| membership.get_node(&id).is_some();
    let one = |id: u64| BTreeSet::from([id]);
    Ok(match change {
        Change::AddLearner(id) if known(id) => None,
        Change::AddLearner(id) => Some((Changes::AddNodes(BTreeMap::from([(id, EmptyNode {})])), true)),
        Change::Promote(id) if voter(id) => None,
        Change::Promote(id) if !known(id) => return Err("it is not a learner of the group: add it first"),
        Change::Promote(id) => Some((Changes::AddVoterIds(one(id)), true)),
        Change::Demote(id) | Change::Remove(id) | Change::Replace(id) if voter(id) => {
            if membership.voter_ids().collect::<BTreeSet<u64>>().len() == 1 {
                return Err("it is the only voter of the group: make another member a voter first");
            }
            Some((Changes::RemoveVoters(one(id)), matches!(change, Change::Demote(_))))
        }
        Change::Demote(id) if known(id) => None,
        Change::Demote(_) => return Err("it is not in the group"),
        Change::Remove(id) | Change::Replace(id) if known(id) => Some((Changes::RemoveNodes(one(id)), false)),
        Change::Remove(_) | Change::Replace(_) => None,
    })
}

impl<M: Machine> Group<M> {
    /// As the leader. One that is to lose its own vote hands over first, and the next one does it: openraft would let it lead on without a vote.
    pub(super) async fn lead_change(&self, change: Change) -> Reply {
        if let Change::Replace(id) = change
            && self.is_heard(MemberId(id)).await
        {
            return Reply::Refused(runs(MemberId(id)));
        }
        if let Change::Demote(id) | Change::Remove(id) = change
            && id == self.shared.me.0
            && let Some(next) = self.next_leader()
        {
            return match self.transfer(next).await {
                Ok(()) => Reply::NotLeader(Some(next.0)),
                Err(e) => Reply::Refused(format!("it leads, and cannot hand over: {e}")),
            };
        }
        if !self.hears_majority() {
            // What is begun now would stay half done until the others are there again.
            return Reply::NotLeader(None);
        }
        let _alone = self.shared.changing.lock().await;
        if let Change::Promote(member) = change
            && !self.wait_until_near(member).await
        {
            return Reply::Refused("it has not nearly all of the log yet: wait, and ask again".to_owned());
        }
        loop {
            // A joint configuration of before is finished first.
            let membership = self.shared.raft.metrics().borrow().membership_config.membership().clone();
            let joint = membership.get_joint_config().len() > 1;
            let done = if joint {
                finish(&self.shared, &membership).await
            } else {
                match plan(change, &membership) {
                    Err(why) => return Reply::Refused(why.to_owned()),
                    Ok(None) => return Reply::Done,
                    Ok(Some((changes, retain))) => self.shared.raft.change_membership(changes, retain).await.map(drop),
                }
            };
            match done {
                // What the metrics say next is newer.
                Ok(()) if !joint => return Reply::Done,
                Ok(())
                | Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                    ChangeMembershipError::InProgress(_),
                ))) => {}
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                    return Reply::NotLeader(to.leader_id);
                }
                Err(RaftError::APIError(e)) => return Reply::Refused(e.to_string()),
                Err(RaftError::Fatal(e)) => return Reply::Stopped(e.to_string()),
            }
            tokio::time::sleep(self.shared.options.heartbeat / 2).await;
        }
    }

    /// Whether a majority of the voters is heard, as far as this member was told.
    fn hears_majority(&self) -> bool {
        let voters = self.status().voters;
        let hearing = self.shared.hearing.borrow();
        hearing.as_ref().is_none_or(|heard| voters.intersection(&heard.up).count() > voters.len() / 2)
    }

    /// Whether a member speaks, from the disk that it was added with. One that does is sent heartbeats, and answers. So one that has said nothing for a while,
    /// and says nothing for as long again, does not run.
    async fn is_heard(&self, member: MemberId) -> bool {
        let until = Instant::now() + SILENCE;
        loop {
            let lately = self.shared.door.heard(member).is_some_and(|heard| heard.elapsed() < SILENCE);
            if lately || member == self.shared.me {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(self.shared.options.heartbeat / 2).await;
        }
    }

    /// The other voter that has most of the log.
    fn next_leader(&self) -> Option<MemberId> {
        let status = self.status();
        let others = status.matched.iter().filter(|(id, _)| **id != self.shared.me && status.voters.contains(id));
        others.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
    }

    /// A voter that is far behind, or silent, would make the quorum larger and help nobody. Waits for half of the time that a question may take.
    async fn wait_until_near(&self, member: u64) -> bool {
        let mut metrics = self.shared.raft.metrics();
        let near = |metrics: &openraft::RaftMetrics<u64, EmptyNode>| {
            let matched = metrics.replication.as_ref().and_then(|all| all.get(&member));
            let next = |index: Option<u64>| index.map_or(0, |index| index.saturating_add(1));
            let own = next(matched.copied().flatten().map(|id| id.index));
            let gone = metrics.membership_config.membership().get_node(&member).is_none();
            gone || metrics.state != ServerState::Leader || (own > 0 && own + NEAR >= next(metrics.last_log_index))
        };
        let deadline = Instant::now() + self.shared.options.patience / 2;
        // Where the group has stopped, the change says so.
        reached(&mut metrics, deadline, near).await != Reached::Late
    }
}

type Done = Result<(), RaftError<u64, ClientWriteError<u64, EmptyNode>>>;

/// From a joint configuration to its last one. Voters that lose their vote stay as learners.
async fn finish<M>(shared: &Shared<M>, membership: &Membership) -> Done {
    let last: BTreeSet<u64> = membership.get_joint_config().last().cloned().unwrap_or_default();
    shared.raft.change_membership(Changes::ReplaceAllVoters(last), true).await.map(drop)
}

/// A leader that goes away between the two steps of a change leaves a joint configuration, and openraft leaves it so: the next leader takes
/// the second step.
pub(super) async fn finish_changes<M: Machine>(group: Weak<Shared<M>>) {
    loop {
        let Some(shared) = group.upgrade() else { return };
        let (leads, membership, stopped) = {
            let metrics = shared.raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership().clone();
            (metrics.state == ServerState::Leader, membership, metrics.running_state.is_err())
        };
        if stopped {
            return;
        }
        if leads && membership.get_joint_config().len() > 1 {
            // Whoever changes something takes the second step itself.
            if let Ok(_alone) = shared.changing.try_lock() {
                let _ = tokio::time::timeout(shared.options.patience, finish(&shared, &membership)).await;
            }
        }
        let pause = shared.options.heartbeat * 3;
        drop(shared);
        tokio::time::sleep(pause).await;
    }
}
