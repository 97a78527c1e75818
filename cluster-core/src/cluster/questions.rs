//! Questions of the node that a member runs in, which another member's node answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::envelope::{Envelope, MAX_ENVELOPE_BYTES};
use super::host::Cluster;
use super::place::Keeps;
use crate::raft::{BoxFuture, LinkError};
use crate::replication::MemberId;
use crate::{LogName, PartitionId};

/// Bytes of a question or an answer, at most.
pub const MAX_TOLD_BYTES: usize = MAX_ENVELOPE_BYTES - 16;

/// Answers questions of other nodes; `None` where it cannot, and has done nothing. An answer is at most [`MAX_TOLD_BYTES`] long.
pub type Answering = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

impl Cluster {
    /// Has the questions of other nodes answered from now on; before, and where somebody does so already, nothing happens.
    pub fn answer_with(&self, answering: Answering) {
        let _one_does = self.shared.answering.set(answering);
    }

    /// Asks another member's node, and waits for so long. `None` says that it does not answer, and has done nothing of what was asked.
    ///
    /// # Errors
    /// [`LinkError`]; [`LinkError::NotSent`] also for a question that is too long.
    pub async fn ask_node(&self, to: MemberId, question: Bytes, within: Duration) -> Result<Option<Bytes>, LinkError> {
        if question.len() > MAX_TOLD_BYTES {
            return Err(LinkError::NotSent("the question is too long".to_owned()));
        }
        let asked = self.shared.calls.ask_if(to, move |id| Envelope::Ask { id, question });
        let late = |_| Err(LinkError::Lost("it took too long".to_owned()));
        tokio::time::timeout(within, asked).await.unwrap_or_else(late)
    }

    /// Another node has asked.
    pub(super) fn answer_node(&self, from: MemberId, id: u64, question: Bytes) {
        let shared = Arc::clone(&self.shared);
        let place = Arc::clone(&shared.telling).try_acquire_owned();
        let Some((place, answering)) = place.ok().zip(shared.answering.get().cloned()) else {
            let _sent = shared.links.send(from, Envelope::Told { id, answer: None });
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            let answer = answering(question).await.filter(|answer| answer.len() <= MAX_TOLD_BYTES);
            // Whoever does not hear of it waits until its time is up.
            let _sent = shared.links.send(from, Envelope::Told { id, answer });
        });
    }

    /// What this member can say of a partition, which may be none of the cluster's.
    #[must_use]
    pub fn keeps(&self, name: &LogName, partition: u32) -> Keeps {
        self.partition(name, partition).map_or(Keeps::Nothing, |id| self.shared.keeps(id))
    }

    /// Members that store a partition and are up, whoever leads it first; this one is not among them.
    #[must_use]
    pub fn stored_by(&self, name: &LogName, partition: u32) -> Vec<MemberId> {
        let Some(log) = self.log(name) else { return Vec::new() };
        let Some(nodeset) = log.nodesets.get(partition as usize) else { return Vec::new() };
        let (me, up) = (self.id(), self.up());
        let leader = self.partition(name, partition).ok().and_then(|id: PartitionId| self.leader_of(id));
        let stored = nodeset.members().iter().copied().filter(|member| *member != me && up.contains(member));
        let mut members: Vec<MemberId> = stored.collect();
        members.sort_by_key(|member| Some(*member) != leader);
        members
    }
}
