//! Planned change of the leader. openraft 0.9 has none, so it is made of what it has: the leader takes nothing new, waits until the next one has all
//! entries, and falls silent; when the others do not hold on to it any more, the next one asks for votes, before any of them would.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use openraft::ServerState;
use tokio::time::Instant;

use super::group::{Group, Shared};
use super::status::{Reached, reached};
use super::wire::{Reply, Request};
use super::{GroupError, Machine};
use crate::replication::MemberId;

type Metrics = openraft::RaftMetrics<u64, openraft::EmptyNode>;

/// Ends the silence, however it came to its end.
struct Silence<M: Machine>(Arc<Shared<M>>);

impl<M: Machine> Silence<M> {
    fn begin(shared: &Arc<Shared<M>>) -> Self {
        shared.quiet.store(true, Ordering::Release);
        Self(Arc::clone(shared))
    }

    /// The others hear nothing of this member any more, and it asks for no votes.
    fn fall_silent(&self) {
        self.0.hush(true);
        self.0.raft.runtime_config().heartbeat(false);
    }
}

impl<M: Machine> Shared<M> {
    fn hush(&self, hushed: bool) {
        self.hushed.store(hushed, Ordering::Release);
        self.set_election();
    }
}

impl<M: Machine> Drop for Silence<M> {
    fn drop(&mut self) {
        self.0.quiet.store(false, Ordering::Release);
        self.0.raft.runtime_config().heartbeat(true);
        let led = self.0.raft.metrics().borrow().state == ServerState::Leader;
        if led {
            self.0.hush(false);
            return;
        }
        // It does not ask for votes again before the new leader is well established.
        let (shared, pause) = (Arc::downgrade(&self.0), self.0.options.election.1 * 4);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(shared) = shared.upgrade() {
                shared.hush(false);
            }
        });
    }
}

impl<M: Machine> Group<M> {
    /// Hands the lead to a voter; on the leader only. Nothing is taken for about the longest election time; questions wait meanwhile.
    ///
    /// # Errors
    /// [`GroupError::Refused`] where this member does not lead, or the other one has no vote; [`GroupError::Unavailable`] where the other one
    /// does not take over in time. Then this member goes on.
    pub async fn transfer(&self, to: MemberId) -> Result<(), GroupError> {
        let refused = |why: &str| GroupError::Refused { group: self.number(), why: why.to_owned() };
        if !self.leads() {
            return Err(refused("this member does not lead it: ask the leader"));
        }
        if to == self.shared.me {
            return Ok(());
        }
        if !self.status().voters.contains(&to) {
            return Err(refused("that member has no vote: make it a voter first"));
        }
        let deadline = Instant::now() + self.shared.options.patience;
        let _alone = self.shared.changing.lock().await;
        let silence = Silence::begin(&self.shared);
        let has_all = |metrics: &Metrics| {
            let matched = metrics.replication.as_ref().and_then(|all| all.get(&to.0)).copied().flatten();
            metrics.state != ServerState::Leader || matched.map(|id| id.index) == metrics.last_log_index
        };
        let mut metrics = self.shared.raft.metrics();
        self.must(to, reached(&mut metrics, deadline, has_all).await)?;
        silence.fall_silent();
        let taken = |metrics: &Metrics| metrics.current_leader == Some(to.0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ask = async {
                // Its answer may be lost; what counts is who leads.
                let _ = self.shared.door.ask_within(left, to, self.number(), &Request::TakeOver).await;
                tokio::time::sleep(self.shared.options.heartbeat).await;
            };
            tokio::select! {
                led = reached(&mut metrics, deadline, taken) => return self.must(to, led),
                () = ask => {}
            }
        }
    }

    fn must(&self, to: MemberId, reached: Reached) -> Result<(), GroupError> {
        match reached {
            Reached::Yes => Ok(()),
            Reached::Closed => Err(self.stopped("it was shut down")),
            Reached::Late => {
                let [answering, silent] = [self.shared.me, to].map(|member| [member].into());
                Err(GroupError::Unavailable { group: self.number(), answering, silent })
            }
        }
    }

    /// As the next leader. The others hold on to the old one for the longest election time after they last heard of it, and take the shortest one
    /// more before they ask for votes themselves.
    pub(super) async fn take_over(&self) -> Reply {
        let Shared { raft, options, .. } = &*self.shared;
        tokio::time::sleep(options.election.1 + options.heartbeat / 4).await;
        let deadline = Instant::now() + options.patience.min(options.election.1 * 4);
        while Instant::now() < deadline {
            if let Err(e) = raft.trigger().elect().await {
                return Reply::Stopped(e.to_string());
            }
            let leads = |metrics: &Metrics| metrics.state == ServerState::Leader;
            if reached(&mut raft.metrics(), Instant::now() + options.election.0, leads).await == Reached::Yes {
                return Reply::Done;
            }
        }
        Reply::NotLeader(self.leader().map(|leader| leader.0))
    }
}
