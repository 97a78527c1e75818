//! Appends that are sent on to who leads, and their answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::host::{Cluster, Shared, lock};
use super::relay::Way;
use crate::PartitionId;
use crate::member::{Placed, Unplaced};
use crate::replication::MemberId;

type Answer = Result<Placed, Unplaced>;
/// To whom it went, and who waits.
type Waiting = BTreeMap<u64, (MemberId, oneshot::Sender<Answer>)>;

/// What was sent on and is not answered.
pub(super) struct Forwarded {
    /// Id of the next one. It begins anywhere, so that no answer to an earlier life is taken for one to this.
    next: AtomicU64,
    waiting: Mutex<Waiting>,
}

impl Forwarded {
    pub(super) fn new(first: u64) -> Self {
        Self { next: AtomicU64::new(first), waiting: Mutex::default() }
    }

    /// A member has answered.
    pub(super) fn answered(&self, from: MemberId, id: u64, placed: Answer) {
        let mut waiting = self.waiting();
        if waiting.get(&id).is_some_and(|(at, _)| *at == from)
            && let Some((_, answer)) = waiting.remove(&id)
        {
            let _gone = answer.send(placed);
        }
    }

    /// A member is away: whoever waits for it may never hear.
    pub(super) fn away(&self, member: MemberId) {
        self.waiting().retain(|_, (at, _)| *at != member);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

/// An append that was sent on. It is forgotten where nobody waits any more.
pub(super) struct Sent {
    shared: Arc<Shared>,
    id: u64,
    answered: oneshot::Receiver<Answer>,
}

impl Sent {
    /// Its answer, where it comes in time.
    pub(super) async fn wait(mut self, deadline: Instant) -> Answer {
        wait(&mut self.answered, deadline).await
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.shared.forwarded.waiting().remove(&self.id);
    }
}

/// The answer to an append, where it comes in time.
pub(super) async fn wait(answered: &mut oneshot::Receiver<Answer>, deadline: Instant) -> Answer {
    match tokio::time::timeout_at(deadline, answered).await {
        Ok(Ok(placed)) => placed,
        // The leader is gone, or nobody knows in time.
        Ok(Err(_)) | Err(_) => Err(Unplaced::Unknown { copies: 0, wanted: 0 }),
    }
}

impl Cluster {
    /// Sends an append on; nothing where there is no place in the link.
    pub(super) fn send_on(&self, way: Way, partition: PartitionId, payload: Bytes) -> Option<Sent> {
        let shared = Arc::clone(&self.shared);
        let id = shared.forwarded.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let (to, envelope) = match way.through {
            None => (way.leader, Envelope::Append { id, partition, payload }),
            Some(through) => (through, Envelope::Relay { id, partition, payload }),
        };
        shared.forwarded.waiting().insert(id, (to, answer));
        let sent = Sent { shared, id, answered };
        sent.shared.links.send(to, envelope).then_some(sent)
    }
}
