//! Questions to other members, over the links.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Links;
use super::envelope::Envelope;
use crate::raft::{BoxFuture, LinkError, RaftLinks};
use crate::replication::MemberId;

/// What was asked and is not answered. Clones share it.
#[derive(Clone)]
pub(super) struct Calls {
    links: Arc<dyn Links>,
    next: Arc<AtomicU64>,
    waiting: Arc<Mutex<BTreeMap<u64, Waiting>>>,
}

struct Waiting {
    at: MemberId,
    answer: oneshot::Sender<Option<Bytes>>,
}

/// Forgets a question that nobody waits for any more.
struct Forget<'a>(&'a Calls, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

impl Calls {
    /// The first id may be any number, but not that of an earlier life: an answer to that one would be taken for one to this.
    pub(super) fn new(links: Arc<dyn Links>, first: u64) -> Self {
        Self { links, next: Arc::new(AtomicU64::new(first)), waiting: Arc::default() }
    }

    /// A member has answered.
    pub(super) fn answered(&self, from: MemberId, id: u64, frame: Option<Bytes>) {
        let mut waiting = self.waiting();
        if waiting.get(&id).is_some_and(|waiting| waiting.at == from)
            && let Some(Waiting { answer, .. }) = waiting.remove(&id)
        {
            // Whoever waited may be gone.
            let _gone = answer.send(frame);
        }
    }

    /// A member is away: what it was asked has no answer.
    pub(super) fn away(&self, member: MemberId) {
        self.waiting().retain(|_, waiting| waiting.at != member);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        // Nothing in the locked sections panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// Sends a question that `envelope` makes of its id, and waits for the answer.
    pub(super) async fn ask(
        &self,
        to: MemberId,
        envelope: impl FnOnce(u64) -> Envelope + Send,
    ) -> Result<Bytes, LinkError> {
        let answer = self.ask_if(to, envelope).await?;
        answer.ok_or_else(|| LinkError::Lost("the member could not answer".to_owned()))
    }

    /// The same, where it matters whether a member says that it does not answer, or says nothing.
    pub(super) async fn ask_if(
        &self,
        to: MemberId,
        envelope: impl FnOnce(u64) -> Envelope + Send,
    ) -> Result<Option<Bytes>, LinkError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(id, Waiting { at: to, answer });
        let _forget = Forget(self, id);
        if !self.links.send(to, envelope(id)) {
            return Err(LinkError::NotSent("there is no link to the member, or it is full".to_owned()));
        }
        answered.await.map_err(|_| LinkError::Lost("the link broke".to_owned()))
    }
}

impl RaftLinks for Calls {
    fn call(&self, to: MemberId, group: u64, frame: Bytes) -> BoxFuture<'_, Result<Bytes, LinkError>> {
        Box::pin(self.ask(to, move |id| Envelope::Call { id, group, frame }))
    }
}
