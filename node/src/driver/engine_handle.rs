//! How everything else talks to the engine's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::engine::Input;
use pyralog_consensus::tx::TxError;
use tokio::sync::oneshot;

use crate::error::Error;

/// Bundles that may wait for the engine at once, from callers and from gossip alike.
const MAX_WAITING: usize = 16_384;

/// What the mempool said to a bundle.
pub type TxAnswer = Result<Vec<CheckedTx>, TxError>;

/// Something for the engine's thread.
pub enum LoopEvent {
    /// An input of the engine.
    Input(Input),
    /// A bundle for the mempool.
    Submit(Vec<Bytes>, Responder),
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

/// The bundles of one gossip message.
pub struct GossipGroup {
    left: AtomicUsize,
    accepted: AtomicBool,
    done: Box<dyn Fn(bool) + Send + Sync>,
}

impl GossipGroup {
    /// A group of `count` bundles; `done` hears once whether any of them was taken.
    pub fn new(count: usize, done: impl Fn(bool) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(count), accepted: AtomicBool::new(false), done: Box::new(done) })
    }

    /// One bundle is judged.
    pub fn answer(&self, accepted: bool) {
        if accepted {
            self.accepted.store(true, Ordering::Release);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.done)(self.accepted.load(Ordering::Acquire));
        }
    }
}

/// A cheap handle of the engine's thread.
#[derive(Clone)]
pub struct EngineHandle {
    events: mpsc::Sender<LoopEvent>,
    waiting: Arc<AtomicUsize>,
}

impl EngineHandle {
    /// A handle and the receiver for the thread.
    pub fn channel() -> (Self, mpsc::Receiver<LoopEvent>) {
        let (events, receiver) = mpsc::channel();
        (Self { events, waiting: Arc::default() }, receiver)
    }

    /// Sends an event; a thread that has ended hears nothing.
    pub fn send(&self, event: LoopEvent) {
        let _ = self.events.send(event);
    }

    /// Sends an input.
    pub fn input(&self, input: Input) {
        self.send(LoopEvent::Input(input));
    }

    /// Gives a bundle to the mempool and waits for its answer.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn submit(&self, bundle: Vec<Bytes>) -> TxAnswer {
        let (sender, receiver) = oneshot::channel();
        if !self.give(bundle, Responder::Local(sender)) {
            return Err(TxError::MempoolFull);
        }
        receiver.await.unwrap_or_else(|_| Err(TxError::Unavailable { detail: "the node is stopping".into() }))
    }

    /// Gives a bundle to the mempool; `false` where too many wait already.
    pub fn give(&self, bundle: Vec<Bytes>, responder: Responder) -> bool {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING {
            self.answered();
            return false;
        }
        self.send(LoopEvent::Submit(bundle, responder));
        true
    }

    /// A bundle got its answer.
    pub fn answered(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
