//! When a member asks for votes.
//!
//! openraft has a voter hold on to a leader for the longest election time after it last heard of it. That keeps members from electing without need, and is
//! no part of what makes reads or commands right: those ask a quorum each time. So nobody waits for it where a majority of the voters has said that it does
//! not hear the leader ([`Hearing`]): each of those asks for votes at once, and by that holds on to the old leader no more. Of votes of one term the
//! one of the highest id counts for more, so that member is elected, unless its log is behind; whoever refuses it for that asks for votes itself.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::EmptyNode;
use openraft::metrics::RaftServerMetrics;
use openraft::raft::VoteRequest;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Machine;
use super::group::{Group, Shared};
use super::hearing::{Hearing, Verdict};
use super::wire::Reply;
use crate::replication::MemberId;

type Metrics = RaftServerMetrics<u64, EmptyNode>;

/// A leader that is being replaced.
struct Replacing {
    gone: MemberId,
    /// When votes are asked for again.
    again: Instant,
    tries: u32,
}

/// Follows who leads, who votes, and who hears whom, until the group ends.
pub(super) async fn run<M: Machine>(group: Weak<Shared<M>>, mut hearing: watch::Receiver<Option<Hearing>>) {
    let Some(mut metrics) = group.upgrade().map(|shared| shared.raft.server_metrics()) else { return };
    let mut replacing: Option<Replacing> = None;
    loop {
        let Some(shared) = group.upgrade() else { return };
        let (now, heard) = (metrics.borrow_and_update().clone(), hearing.borrow_and_update().clone());
        if let Some(heard) = &heard {
            // Once somebody has asked, nobody is known to lead.
            let leader = now.current_leader.map(MemberId).or(replacing.as_ref().map(|replacing| replacing.gone));
            let verdict = shared.judge(&now, leader, heard);
            shared.may_elect.store(verdict.may_elect, Ordering::Release);
            shared.set_election();
            replacing = verdict.gone.map(|gone| match replacing.take() {
                Some(before) if before.gone == gone => before,
                _ => Replacing { gone, again: Instant::now(), tries: 0 },
            });
        }
        if let Some(replacing) = replacing.as_mut().filter(|replacing| replacing.again <= Instant::now()) {
            // Behind the first time openraft goes on by itself, but it takes a while.
            let first = replacing.tries == 0;
            if !first || shared.let_go(&now) {
                let _stopped = shared.raft.trigger().elect().await;
            }
            replacing.tries += 1;
            replacing.again = Instant::now() + shared.pause(&now, heard.as_ref(), replacing.tries);
        }
        let again = replacing.as_ref().map(|replacing| replacing.again);
        drop(shared);
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            changed = hearing.changed() => if changed.is_err() { return },
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
    }
}

impl<M: Machine> Group<M> {
    /// Gives a member the vote that it asks for, or not.
    pub(super) async fn vote(&self, asked: VoteRequest<u64>) -> Reply {
        let Shared { raft, hearing, .. } = &*self.shared;
        let (now, heard) = (raft.server_metrics().borrow().clone(), hearing.borrow().clone());
        let leader = now.current_leader.map(MemberId);
        if heard.is_some_and(|heard| self.shared.judge(&now, leader, &heard).gone.is_some()) && self.shared.let_go(&now)
        {
            // The one that asks knows what this member knows, and was quicker.
            let _stopped = raft.trigger().elect().await;
        }
        let last = asked.last_log_id;
        let answer = match raft.vote(asked).await {
            Ok(answer) => answer,
            Err(e) => return Reply::Stopped(e.to_string()),
        };
        let behind = !answer.vote_granted && answer.last_log_id > last;
        if behind && !answer.vote.committed && self.shared.let_go.load(Ordering::Acquire) > 0 && self.leader().is_none()
        {
            let _stopped = raft.trigger().elect().await;
        }
        Reply::Vote(answer)
    }
}

impl<M: Machine> Shared<M> {
    fn judge(&self, now: &Metrics, leader: Option<MemberId>, hearing: &Hearing) -> Verdict {
        let voters: BTreeSet<MemberId> = now.membership_config.membership().voter_ids().map(MemberId).collect();
        Verdict::of(self.me, leader, &voters, hearing)
    }

    /// Whether this is the first time that this member lets go of the leader of this term.
    fn let_go(&self, now: &Metrics) -> bool {
        let term = now.vote.leader_id.term;
        self.let_go.fetch_max(term, Ordering::AcqRel) < term
    }

    /// Until votes are asked for again: longer each time, and longer where a member comes first that is elected rather than this one.
    fn pause(&self, now: &Metrics, hearing: Option<&Hearing>, tries: u32) -> Duration {
        let before = |voter: &u64| *voter > self.me.0 && hearing.is_some_and(|all| all.up.contains(&MemberId(*voter)));
        let before = now.membership_config.membership().voter_ids().filter(before).count();
        let heartbeat = self.options.heartbeat;
        (heartbeat * (1 << tries.min(8))).min(self.options.election.1) + heartbeat / 2 * before as u32
    }

    /// Has openraft do what was judged, unless this member is about to hand over.
    pub(super) fn set_election(&self) {
        let may = self.may_elect.load(Ordering::Acquire) && !self.hushed.load(Ordering::Acquire);
        self.raft.runtime_config().elect(may);
    }
}
