//! What changes a running cluster: who leads, and who comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::envelope::{Envelope, MAX_WHY};
use super::host::{Cluster, lock};
use super::knocking::Say;
use super::place::first_up;
use crate::PartitionId;
use crate::raft::{GLOBAL, GroupError, NewMember, runs};
use crate::replication::MemberId;

impl Cluster {
    /// Hands the lead of the groups to a voter, and asks it to lead the partitions that it stores: on the leader of the global group only, unless the
    /// other one leads it already. Answers how many partitions it was asked for; it takes them one after another, and leaves those that it cannot lead.
    ///
    /// # Errors
    /// As [`crate::raft::Group::transfer`]; [`GroupError::Refused`] where the other one is known to be down.
    pub async fn transfer(&self, to: MemberId) -> Result<usize, GroupError> {
        let global = self.groups().global();
        self.must_be_up(to)?;
        self.must_decide()?;
        let leads = || to != self.id() && global.status().leader.member == Some(to);
        // Whoever leads already need not be handed the lead; what this member knew may be old.
        let led = leads() && global.read(|_| ()).await.is_ok() && leads();
        if !led {
            global.transfer(to).await?;
        }
        for shard in self.groups().shards() {
            // Where another one leads it, that one goes on.
            if shard.status().leader.member == Some(self.id()) {
                shard.transfer(to).await?;
            }
        }
        let stored =
            self.partitions().into_iter().filter(|status| status.nodeset.contains(to) && status.sequencer != to);
        let asked = stored.filter(|status| self.ask_member(to, status.partition));
        Ok(asked.count())
    }

    /// Asks, for each partition, the member that is up and has the highest score to lead it, where that is another one than leads it now. Answers how many
    /// partitions these are.
    ///
    /// # Errors
    /// [`GroupError::Unavailable`] where a majority of the voters is missing: then nobody can take over.
    pub fn rebalance(&self) -> Result<usize, GroupError> {
        self.must_decide()?;
        let up = self.up();
        let best = self.partitions().into_iter().filter_map(|status| {
            let best = first_up(status.partition, &status.nodeset, &up)?;
            (best != status.sequencer).then_some((best, status.partition))
        });
        Ok(best.filter(|(best, partition)| self.ask_member(*best, *partition)).count())
    }

    /// Whoever is known to be down is not waited for.
    fn must_be_up(&self, member: MemberId) -> Result<(), GroupError> {
        let live = self.groups().global().look(|state| state.live().any(|(id, _)| id == member));
        if live && !self.up().contains(&member) {
            let why = format!("member {} is down: start it first, or choose another one", member.0);
            return Err(GroupError::Refused { group: GLOBAL, why });
        }
        Ok(())
    }

    /// Whether a majority of the voters is heard: without it nothing is decided.
    fn must_decide(&self) -> Result<(), GroupError> {
        let (voters, up) = (self.groups().global().status().voters, self.up());
        let (answering, silent): (BTreeSet<_>, BTreeSet<_>) = voters.into_iter().partition(|voter| up.contains(voter));
        let most = (answering.len() + silent.len()) / 2 + 1;
        if answering.len() >= most { Ok(()) } else { Err(GroupError::Unavailable { group: GLOBAL, answering, silent }) }
    }

    /// Asks a member to lead a partition that it stores: it takes the next epoch as soon as it can, or never. Answers whether it was asked.
    #[must_use]
    pub fn ask_to_lead(&self, member: MemberId, partition: PartitionId) -> bool {
        self.ask_member(member, partition)
    }

    fn ask_member(&self, member: MemberId, partition: PartitionId) -> bool {
        if member == self.id() {
            self.ask(partition);
            return true;
        }
        self.shared.links.send(member, Envelope::Lead { partition })
    }

    /// This member is asked to lead a partition; its steward sees whether it can.
    pub(super) fn ask(&self, partition: PartitionId) {
        if self.shared.replicas.get(partition).is_some() {
            lock(&self.shared.asked).insert(partition);
            self.shared.look.notify_one();
        }
    }

    /// The member `from` says that it lost its disk: what it was is removed, and it comes back as another one. Its link has proven who it is.
    pub(super) fn let_in(&self, from: MemberId, new: NewMember) {
        let Ok(place) = Arc::clone(&self.shared.serving).try_acquire_owned() else { return };
        let (this, home) = (self.clone(), new.incarnation);
        tokio::spawn(async move {
            let _place = place;
            match this.replace(from, new).await {
                Ok(member) => {
                    lock(&this.shared.knocking).let_in(from, home);
                    if member != from {
                        tracing::info!(was = from.0, member = member.0, "a member that lost its disk has a new id");
                    }
                    let _sent = this.shared.links.send(from, Envelope::Joined { member });
                }
                // It asks again.
                Err(reason) => {
                    let say = lock(&this.shared.knocking).refused(from, home, Instant::now());
                    match say {
                        Say::Info => tracing::info!(member = from.0, %reason, "a member cannot be let in yet"),
                        Say::Warn => tracing::warn!(member = from.0, %reason, "a member is still not let in"),
                        Say::Nothing => tracing::debug!(member = from.0, %reason, "a member cannot be let in yet"),
                    }
                    let (lasts, why) = match reason {
                        GroupError::Refused { why, .. } => (true, why),
                        other => (false, other.to_string()),
                    };
                    // None has more than 4 bytes.
                    let why = why.chars().take(MAX_WHY / 4).collect();
                    let _sent = this.shared.links.send(from, Envelope::NotJoined { lasts, why });
                }
            }
        });
    }

    async fn replace(&self, from: MemberId, new: NewMember) -> Result<MemberId, GroupError> {
        let global = self.groups().global();
        let refused = |why: &str| GroupError::Refused { group: 0, why: why.to_owned() };
        let known = global.read(|state| state.member(from).cloned()).await?;
        let known = known.ok_or_else(|| refused("nobody has this id"))?;
        if known.peer != new.peer {
            return Err(refused("it asks for another one than it is"));
        }
        if known.incarnation != new.incarnation && !known.removed {
            // A second home with its key, whoever made that, must not put it out.
            if from == self.id() || self.shared.ears.speaks(from) {
                return Err(refused(&runs(from)));
            }
            self.groups().replace(from).await?;
        }
        self.groups().admit(new).await
    }
}
