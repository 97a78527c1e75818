//! How everything else talks to the engine's thread.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::engine::{Input, Ticket};
use pyralog_consensus::tx::TxError;
use tokio::sync::oneshot;

use super::engine_queue::{EngineInbox, EngineQueue, QueuedBundle, Quota, UncheckedInbox};
use super::shared::lock;
use crate::error::Error;
use crate::signing::Role;

/// Bundles of callers that may wait for the engine at once; as many of gossip, so that neither takes the other's quota.
const MAX_WAITING: usize = 8_192;
/// Their bytes.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// What the mempool said to a bundle.
pub type TxAnswer = Result<Vec<CheckedTx>, TxError>;

/// Something for the engine's thread that goes before all transactions.
pub enum LoopEvent {
    /// An input of the engine.
    Input(Input),
    /// What an engine of this generation asked to be durable is so.
    Durable(u64, Ticket),
    /// Go on with another engine.
    Become(Box<Role>),
    /// Sign no more, from a moment on at which nothing that was signed is undecided; whoever waits is told then.
    Resign(oneshot::Sender<()>),
    /// What an engine of this generation asked to be durable may never be so: it signs no more.
    Lost(u64),
    /// The storage failed, or the network did: stop.
    Failed(Error),
    /// Stop in good order.
    Stop,
}

/// Who waits for the mempool's answer.
pub enum Responder {
    /// A caller of an API, or a driver of our own: the bundle is also sent to peers.
    Local(oneshot::Sender<TxAnswer>),
    /// A gossip message, judged when all its bundles are.
    Gossip(Arc<GossipGroup>),
}

impl Responder {
    /// Tells the answer.
    pub fn answer(self, answer: TxAnswer) {
        match self {
            // An error says that the caller went away.
            Self::Local(sender) => drop(sender.send(answer)),
            Self::Gossip(group) => group.answer(if answer.is_ok() { Judged::Taken } else { Judged::NotTaken }),
        }
    }

    /// Tells that nobody will ever take the bundle, whatever the state.
    pub fn refuse(self, error: TxError) {
        match self {
            Self::Local(_) => self.answer(Err(error)),
            Self::Gossip(group) => group.answer(Judged::Never),
        }
    }
}

/// What a bundle of a gossip message turned out to be. The whole message is what its best bundle is: who sends it on has taken one of
/// them, and may not have been able to tell about the others what we can tell. So only a message that is [`Judged::Never`] as a whole, which
/// no honest peer sends, is to be held against its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// Nobody will ever take it, whatever the state: its form or a signature is wrong.
    Never,
    /// Not taken here; it may still be good elsewhere.
    NotTaken,
    /// In the mempool.
    Taken,
}

/// The bundles of one gossip message.
pub struct GossipGroup {
    /// Bundles without an answer, and the best of the answers.
    state: Mutex<(usize, Judged)>,
    done: Box<dyn Fn(Judged) + Send + Sync>,
}

impl GossipGroup {
    /// A group of `count` bundles; `done` hears once what the best of them was.
    pub fn new(count: usize, done: impl Fn(Judged) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((count, Judged::Never)), done: Box::new(done) })
    }

    /// One bundle is judged.
    pub fn answer(&self, judged: Judged) {
        let mut state = lock(&self.state);
        *state = (state.0.saturating_sub(1), state.1.max(judged));
        let (left, best) = *state;
        drop(state);
        if left == 0 {
            (self.done)(best);
        }
    }
}

/// A cheap handle of the engine's thread.
#[derive(Clone)]
pub struct EngineHandle {
    queue: Arc<EngineQueue>,
    local: Arc<Quota>,
    gossip: Arc<Quota>,
}

impl EngineHandle {
    /// A handle, the end for the engine's thread, and the one for whoever checks signatures ahead of it.
    pub fn channel() -> (Self, EngineInbox, UncheckedInbox) {
        let queue: Arc<EngineQueue> = Arc::default();
        let quota = || Quota::new(MAX_WAITING, MAX_WAITING_BYTES);
        let handle = Self { queue: Arc::clone(&queue), local: quota(), gossip: quota() };
        (handle, EngineInbox(Arc::clone(&queue)), UncheckedInbox(queue))
    }

    /// Sends an event; a thread that has ended hears nothing.
    pub fn send(&self, event: LoopEvent) {
        self.queue.push(event);
    }

    /// Sends an input that must arrive: what became durable, what the operator wants.
    pub fn input(&self, input: Input) {
        self.send(LoopEvent::Input(input));
    }

    /// Offers an input that a peer caused; `false` where too many wait.
    pub fn offer(&self, input: Input) -> bool {
        self.queue.offer(LoopEvent::Input(input))
    }

    /// Gives a bundle to the mempool and waits for its answer.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn submit(&self, bundle: Vec<Bytes>) -> TxAnswer {
        let Some(permit) = self.local.take(&bundle) else {
            let waiting = self.local.waiting();
            return Err(TxError::Unavailable { detail: format!("{waiting} submissions wait for the mempool already") });
        };
        let (sender, receiver) = oneshot::channel();
        self.queue.push_unchecked([QueuedBundle {
            txs: bundle,
            responder: Responder::Local(sender),
            permit: Some(permit),
        }]);
        await_answer(receiver).await
    }

    /// The same for a bundle of the node itself, which waits behind no other: there is one at a time.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn submit_own(&self, bundle: Vec<Bytes>) -> TxAnswer {
        let (sender, receiver) = oneshot::channel();
        self.queue.push_own(QueuedBundle { txs: bundle, responder: Responder::Local(sender), permit: None });
        await_answer(receiver).await
    }

    /// Gives the bundles of a gossip message to the mempool. Those over the quota count as not taken.
    pub fn gossip(&self, bundles: Vec<Vec<Bytes>>, group: &Arc<GossipGroup>) {
        let mut given = Vec::with_capacity(bundles.len());
        for txs in bundles {
            match self.gossip.take(&txs) {
                Some(permit) => {
                    given.push(QueuedBundle {
                        txs,
                        responder: Responder::Gossip(Arc::clone(group)),
                        permit: Some(permit),
                    });
                }
                None => group.answer(Judged::NotTaken),
            }
        }
        self.queue.push_unchecked(given);
    }
}

async fn await_answer(receiver: oneshot::Receiver<TxAnswer>) -> TxAnswer {
    receiver.await.unwrap_or_else(|_| Err(TxError::Unavailable { detail: "the node is stopping".into() }))
}
