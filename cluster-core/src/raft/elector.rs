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

/// Terms that are gone through at once, at most: each is a write. Whoever is further behind gets there in steps.
const MAX_TERMS: u64 = 8;

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
        let (last, wanted) = (asked.last_log_id, asked.vote);
        let answer = match raft.vote(asked).await {
            Ok(answer) => answer,
            Err(e) => return Reply::Stopped(e.to_string()),
        };
        let behind = !answer.vote_granted && answer.last_log_id > last;
        if behind && !answer.vote.committed && self.shared.let_go.load(Ordering::Acquire) > 0 && self.leader().is_none()
        {
            for _ in 0..terms_to_beat(&answer.vote, &wanted, self.shared.me) {
                let _stopped = raft.trigger().elect().await;
            }
        }
        Reply::Vote(answer)
    }
}

/// How often a member has to ask for votes, each time in the next term, to be preferred to the vote that it has refused. The one that it has refused for
/// its log keeps its own vote in that term, and counts for more there where its id is higher: both would ask for the same term again and again.
fn terms_to_beat(own: &openraft::Vote<u64>, refused: &openraft::Vote<u64>, me: MemberId) -> u64 {
    let (own, refused) = (own.leader_id, refused.leader_id);
    let more = u64::from(me.0 <= refused.node_id);
    (refused.term.saturating_sub(own.term) + more).clamp(1, MAX_TERMS)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_that_was_refused_is_beaten_in_one_go() {
        let vote = |term, node| openraft::Vote::<u64>::new(term, node);
        let beats = |own: u64, refused: (u64, u64), me: u64| {
            let times = terms_to_beat(&vote(own, 13), &vote(refused.0, refused.1), MemberId(me));
            assert!(vote(own + times, me) > vote(refused.0, refused.1), "{own} {refused:?} {me}");
            times
        };
        // It asks for the next term, too, and has the higher id: in that term it would be preferred.
        assert_eq!(beats(7, (8, 14), 8), 2);
        assert_eq!(beats(7, (8, 3), 8), 1);
        assert_eq!(beats(7, (11, 14), 8), 5);
        assert_eq!(beats(9, (8, 14), 8), 1);
        assert_eq!(terms_to_beat(&vote(7, 13), &vote(1000, 14), MemberId(8)), MAX_TERMS);
    }
}
