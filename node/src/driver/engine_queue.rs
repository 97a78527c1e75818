//! What waits for the engine's thread, in two classes: inputs of the engine, and bundles for its mempool. Inputs go first, always;
//! bundles wait within quotas, first for the check of their signatures and then for the engine.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyralog_consensus::engine::Input;

use super::engine_handle::{LoopEvent, Responder};
use super::shared::lock;

/// Inputs that may wait before those of peers are dropped. Peers repeat what matters.
const MAX_INPUTS: usize = 16_384;
/// Bytes of peers in them, likewise; the largest block with its commit takes about a quarter.
const MAX_INPUT_BYTES: usize = 64 << 20;
/// Inputs of one turn.
const INPUTS_OF_TURN: usize = 64;
/// Bundles of one turn: a vote must not wait behind more.
const BUNDLES_OF_TURN: usize = 8;

/// A bundle on its way to the mempool.
pub struct QueuedBundle {
    /// Its transactions.
    pub txs: Vec<Bytes>,
    /// Who waits for the answer.
    pub responder: Responder,
    /// Its permit to wait, until it is dropped; our own anchors need none.
    pub permit: Option<Permit>,
}

/// How many bundles of one origin may wait.
#[derive(Debug)]
pub struct Quota {
    bundles: AtomicUsize,
    bytes: AtomicUsize,
    max_bundles: usize,
    max_bytes: usize,
}

/// What a waiting bundle takes of its [`Quota`]; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    quota: Arc<Quota>,
    bytes: usize,
}

impl Quota {
    /// A quota of so many bundles with so many bytes in total.
    pub fn new(max_bundles: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { bundles: AtomicUsize::new(0), bytes: AtomicUsize::new(0), max_bundles, max_bytes })
    }

    /// A permit for a bundle, if the quota has one left.
    pub fn take(self: &Arc<Self>, txs: &[Bytes]) -> Option<Permit> {
        let permit = Permit { quota: Arc::clone(self), bytes: txs.iter().map(Bytes::len).sum() };
        let bundles = self.bundles.fetch_add(1, Ordering::AcqRel);
        let bytes = self.bytes.fetch_add(permit.bytes, Ordering::AcqRel);
        // A permit that is refused is given back by its drop.
        (bundles < self.max_bundles && bytes.saturating_add(permit.bytes) <= self.max_bytes).then_some(permit)
    }

    /// Bundles that wait.
    pub fn waiting(&self) -> usize {
        self.bundles.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.quota.bundles.fetch_sub(1, Ordering::AcqRel);
        self.quota.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// What the engine's thread does before it looks at its timers and its queue again.
#[derive(Default)]
pub struct Turn {
    /// First these, and the timers.
    pub events: Vec<LoopEvent>,
    /// Then these.
    pub bundles: Vec<QueuedBundle>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<LoopEvent>,
    /// What peers sent in `events`.
    event_bytes: usize,
    /// Of our own drivers: few, and each of a block interval.
    own: VecDeque<QueuedBundle>,
    unchecked: VecDeque<QueuedBundle>,
    checked: VecDeque<QueuedBundle>,
    /// Nobody checks signatures ahead: bundles go to the engine as they are, which verifies what is not verified.
    checker_gone: bool,
    closed: bool,
}

/// The queues. Their memory is bounded by the quotas of the bundles, by [`MAX_INPUTS`] and by [`MAX_INPUT_BYTES`]; what the
/// node tells itself (durable writes, failures) is always taken, and is bounded by what the engine does.
#[derive(Default)]
pub struct EngineQueue {
    waiting: Mutex<Waiting>,
    for_engine: Condvar,
    for_checker: Condvar,
}

impl EngineQueue {
    /// Something that must arrive.
    pub fn push(&self, event: LoopEvent) {
        let mut waiting = lock(&self.waiting);
        if !waiting.closed {
            waiting.event_bytes = waiting.event_bytes.saturating_add(peer_bytes(&event));
            waiting.events.push_back(event);
            self.for_engine.notify_one();
        }
    }

    /// Something of a peer; `false` where too much waits.
    pub fn offer(&self, event: LoopEvent) -> bool {
        let mut waiting = lock(&self.waiting);
        let bytes = waiting.event_bytes.saturating_add(peer_bytes(&event));
        if waiting.closed || waiting.events.len() >= MAX_INPUTS || bytes > MAX_INPUT_BYTES {
            return false;
        }
        waiting.event_bytes = bytes;
        waiting.events.push_back(event);
        self.for_engine.notify_one();
        true
    }

    /// A bundle of our own: before all others, and without a check ahead.
    pub fn push_own(&self, given: QueuedBundle) {
        let mut waiting = lock(&self.waiting);
        if !waiting.closed {
            waiting.own.push_back(given);
            self.for_engine.notify_one();
        }
    }

    /// Bundles whose signatures are to be checked.
    pub fn push_unchecked(&self, given: impl IntoIterator<Item = QueuedBundle>) {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return;
        }
        if waiting.checker_gone {
            waiting.checked.extend(given);
            self.for_engine.notify_one();
        } else {
            waiting.unchecked.extend(given);
            self.for_checker.notify_one();
        }
    }

    /// Bundles that the engine may see.
    pub fn push_checked(&self, given: impl IntoIterator<Item = QueuedBundle>) {
        let mut waiting = lock(&self.waiting);
        if !waiting.closed {
            waiting.checked.extend(given);
            self.for_engine.notify_one();
        }
    }

    fn take_turn(&self, wait: Duration) -> Turn {
        let until = Instant::now() + wait;
        let mut waiting = lock(&self.waiting);
        while waiting.events.is_empty() && waiting.own.is_empty() && waiting.checked.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Turn::default();
            }
            let (guard, _) = self.for_engine.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
        }
        let inputs = waiting.events.len().min(INPUTS_OF_TURN);
        let events: Vec<_> = waiting.events.drain(..inputs).collect();
        waiting.event_bytes = waiting.event_bytes.saturating_sub(events.iter().map(peer_bytes).sum());
        // While inputs are behind, bundles only do not stand still.
        let most = if waiting.events.is_empty() { BUNDLES_OF_TURN } else { 1 };
        let mut bundles = Vec::with_capacity(most);
        while bundles.len() < most {
            let next = waiting.own.pop_front().or_else(|| waiting.checked.pop_front());
            let Some(given) = next else { break };
            bundles.push(given);
        }
        Turn { events, bundles }
    }

    fn take_unchecked(&self, most: usize) -> Option<Vec<QueuedBundle>> {
        let mut waiting = lock(&self.waiting);
        while waiting.unchecked.is_empty() && !waiting.closed {
            waiting = self.for_checker.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let count = waiting.unchecked.len().min(most);
        (!waiting.closed).then(|| waiting.unchecked.drain(..count).collect())
    }

    /// Drops what waits, outside the lock: an answer may call back.
    fn close(&self) {
        let mut waiting = lock(&self.waiting);
        let left = std::mem::replace(&mut *waiting, Waiting { closed: true, ..Waiting::default() });
        drop(waiting);
        self.for_checker.notify_all();
        drop(left);
    }

    fn stop_checking(&self) {
        let mut waiting: MutexGuard<'_, Waiting> = lock(&self.waiting);
        waiting.checker_gone = true;
        if std::thread::panicking() {
            tracing::error!(
                "the thread that checks signatures ahead panicked; from now on the consensus thread does its work"
            );
        }
        let left = std::mem::take(&mut waiting.unchecked);
        waiting.checked.extend(left);
        self.for_engine.notify_one();
    }
}

/// What a peer sent with an event; what the node tells itself counts nothing.
fn peer_bytes(event: &LoopEvent) -> usize {
    match event {
        LoopEvent::Input(Input::Gossip { bytes, .. }) => bytes.len(),
        LoopEvent::Input(Input::SyncBlock { block, commit, .. }) => block.len().saturating_add(commit.len()),
        _ => 0,
    }
}

/// The engine's end: dropped, everybody who waits hears that the node stops.
pub struct EngineInbox(pub(super) Arc<EngineQueue>);

impl EngineInbox {
    /// Waits at most `wait` for something to do.
    pub fn take_turn(&self, wait: Duration) -> Turn {
        self.0.take_turn(wait)
    }
}

impl Drop for EngineInbox {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The end of whoever checks signatures ahead of the engine; without it the engine does it all.
pub struct UncheckedInbox(pub(super) Arc<EngineQueue>);

impl UncheckedInbox {
    /// Waits for bundles and gives at most `most`; `None` when the engine has ended.
    pub fn take(&self, most: usize) -> Option<Vec<QueuedBundle>> {
        self.0.take_unchecked(most)
    }

    /// Hands bundles on to the engine.
    pub fn pass(&self, given: Vec<QueuedBundle>) {
        self.0.push_checked(given);
    }
}

impl Drop for UncheckedInbox {
    fn drop(&mut self) {
        self.0.stop_checking();
    }
}

#[cfg(test)]
#[path = "engine_queue_test.rs"]
mod tests;
