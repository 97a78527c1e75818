//! Appends that a member carries to who leads, for one that does not hear that one.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::host::{Cluster, Shared};
use crate::PartitionId;
use crate::member::Unplaced;
use crate::replication::{EpochStore, MemberId};

/// Appends that are carried for others at the same time, at most.
pub(super) const MAX_RELAYED: usize = 1024;

/// How an append gets to who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) leader: MemberId,
    /// Who carries it, where this member does not hear the leader.
    pub(super) through: Option<MemberId>,
}

impl Shared {
    /// How an append gets to who leads a partition, as far as this member knows, if there is a way.
    pub(super) fn way_to_leader(&self, partition: PartitionId) -> Option<Way> {
        let leader = self.epochs(partition, EpochStore::sequencer)?;
        let hearing = self.ears.hearing();
        if hearing.up.contains(&leader) {
            return Some(Way { leader, through: None });
        }
        hearing.between(leader).next().map(|through| Way { leader, through: Some(through) })
    }
}

impl Cluster {
    /// Carries an append for a member that does not hear who leads the partition: one link further, behind those that came before, and never two.
    pub(super) fn relay(&self, from: MemberId, id: u64, partition: PartitionId, payload: Bytes) {
        let links = Arc::clone(&self.shared.links);
        let refuse = |why| links.send(from, Envelope::Appended { id, placed: Err(why) });
        let Some(leader) = self.leader_of(partition) else {
            let _sent = refuse(Unplaced::NotLeader);
            return;
        };
        if leader == self.id() {
            return self.shared.inputs.append_for(from, id, partition, payload);
        }
        let Ok(place) = Arc::clone(&self.shared.relaying).try_acquire_owned() else {
            let _sent = refuse(Unplaced::Busy);
            return;
        };
        let Some(sent) = self.send_on(Way { leader, through: None }, partition, payload) else {
            let _sent = refuse(Unplaced::NotLeader);
            return;
        };
        let deadline = Instant::now() + self.shared.options.patience;
        tokio::spawn(async move {
            let _place = place;
            let placed = sent.wait(deadline).await;
            // Whoever does not hear of it waits until its time is up.
            let _sent = links.send(from, Envelope::Appended { id, placed });
        });
    }
}
