//! Requests on their way to the writer.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyralog_crypto::{Checkpoint, PartitionCheckpoint};

use crate::Error;
use crate::chain::ChainWrite;
use crate::event::{Completion, Event, EventSink, Ticket};
use crate::logs::{PartitionState, RecordBatch};
use crate::notary::{Log, Submission};
use crate::options::Options;
use crate::replica::Written;
use crate::space::Space;
use crate::stats::{Counters, count};

/// What to do.
pub(crate) enum Operation {
    WalEntry(Bytes),
    /// Forget the entries so far; a barrier.
    WalReset(u64),
    Mark(Bytes),
    Leaves(Arc<Log>, Submission),
    Records(Arc<PartitionState>, Arc<RecordBatch>),
    Replica(Written),
    /// Does nothing, when all that was requested before it is done.
    Barrier,
    /// Record (size, roots) of the durable prefix, then hand it out for signing.
    Checkpoint(Arc<Log>, CheckpointReply<Checkpoint>),
    PartitionCheckpoint(Arc<PartitionState>, CheckpointReply<PartitionCheckpoint>),
    /// A barrier.
    Chain(Box<ChainWrite>),
}

/// The lane of what is appended to logs, and what waits for that; the other is consensus'.
const LOGS: usize = 1;

/// Hears a recorded checkpoint.
pub(crate) type CheckpointThen<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// A checkpoint reply that is answered even when the writer dies.
pub(crate) struct CheckpointReply<T>(pub(crate) Option<CheckpointThen<T>>);

impl<T> CheckpointReply<T> {
    pub(crate) fn send(&mut self, answer: Result<T, Error>) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl<T> Drop for CheckpointReply<T> {
    fn drop(&mut self) {
        self.send(Err(Error::WriterStopped("a checkpoint request was dropped".into())));
    }
}

/// Where the event of a request goes. Dropping it unanswered says that the writer died.
pub(crate) struct Reply {
    ticket: Ticket,
    done: Option<Completion>,
    sink: EventSink,
    counters: Arc<Counters>,
    answered: bool,
}

impl Reply {
    pub(crate) fn durable(mut self, first_index: u64, size: u64) {
        count(&self.counters.durable, 1);
        self.answer(Event::Durable { ticket: self.ticket, first_index, size });
    }

    pub(crate) fn unavailable(mut self, reason: Error) {
        count(&self.counters.failed, 1);
        self.answer(Event::Unavailable { ticket: self.ticket, reason });
    }

    pub(crate) fn fatal(mut self, reason: Error) {
        count(&self.counters.failed, 1);
        self.answer(Event::Fatal { ticket: Some(self.ticket), reason });
    }

    fn answer(&mut self, event: Event) {
        self.answered = true;
        match self.done.take() {
            Some(done) => done(event),
            None => (self.sink)(event),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            let reason = Error::WriterStopped("a request was dropped".into());
            self.answer(Event::Fatal { ticket: Some(self.ticket), reason });
        }
    }
}

pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) reply: Reply,
    bytes: u64,
}

impl Request {
    /// Appends come from outside and in floods; consensus must not wait behind them, so they queue apart.
    fn lane(&self) -> usize {
        match self.operation {
            Operation::WalEntry(_) | Operation::WalReset(_) | Operation::Mark(_) | Operation::Chain(_) => 0,
            _ => LOGS,
        }
    }

    fn is_barrier(&self) -> bool {
        matches!(self.operation, Operation::WalReset(_) | Operation::Chain(_))
    }
}

/// Requests that wait for each other.
#[derive(Default)]
struct Lane {
    requests: VecDeque<Request>,
    bytes: u64,
}

/// The queue between callers and the writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    sink: EventSink,
    counters: Arc<Counters>,
    append_limit: u64,
    group_limit: u64,
    pub(crate) space: Space,
}

struct State {
    lanes: [Lane; 2],
    next_ticket: u64,
    closed: bool,
    failure: Option<Error>,
}

impl Queue {
    pub(crate) fn new(sink: EventSink, counters: Arc<Counters>, options: &Options, space: Space) -> Self {
        let state = State { lanes: Default::default(), next_ticket: 1, closed: false, failure: None };
        let (append_limit, group_limit) = (options.queue_bytes, options.group_bytes.clamp(1, 8 << 20));
        Self { state: Mutex::new(state), wake: Condvar::new(), sink, counters, append_limit, group_limit, space }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a caller cannot leave the state half changed: nothing in the locked sections panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses when nothing can be written any more.
    pub(crate) fn usable(&self) -> Result<(), Error> {
        let state = self.state();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.closed => Err(Error::Closed),
            None => Ok(()),
        }
    }

    /// Accepts a request of about `bytes` bytes.
    pub(crate) fn push(&self, operation: Operation, bytes: u64, done: Option<Completion>) -> Result<Ticket, Error> {
        let append = matches!(operation, Operation::Leaves(..) | Operation::Records(..));
        if append {
            self.space.check()?;
        }
        let mut state = self.state();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.closed {
            return Err(Error::Closed);
        }
        // What consensus writes is bounded by itself and must not be refused for a flood of appends.
        let waiting = state.lanes[LOGS].bytes;
        if append && waiting > 0 && waiting + bytes > self.append_limit {
            self.counters.refused_busy.fetch_add(1, Relaxed);
            return Err(Error::Busy { queued: waiting });
        }
        let ticket = Ticket(state.next_ticket);
        state.next_ticket += 1;
        let (sink, counters) = (Arc::clone(&self.sink), Arc::clone(&self.counters));
        let reply = Reply { ticket, done, sink, counters, answered: false };
        let request = Request { operation, reply, bytes };
        let lane = &mut state.lanes[request.lane()];
        lane.bytes += bytes;
        lane.requests.push_back(request);
        drop(state);
        self.wake.notify_one();
        Ok(ticket)
    }

    /// The next group: of consensus' requests one barrier alone, or those up to the next barrier, and of the appends, each up to
    /// the byte limit. Waits where `wait` is set; an empty answer then means closed and empty.
    pub(crate) fn take(&self, wait: bool) -> Vec<Request> {
        let mut state = self.state();
        while wait && !state.closed && state.lanes.iter().all(|lane| lane.requests.is_empty()) {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Vec::new();
        for lane in &mut state.lanes {
            lane.take(self.group_limit, &mut group);
        }
        group
    }

    /// Refuses new requests; those inside are still served.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_all();
    }

    /// The store failed: refuses everything from now on and gives up what waits. Only the first failure counts.
    pub(crate) fn fail(&self, reason: &Error) {
        let waiting = {
            let mut state = self.state();
            if state.failure.is_some() {
                return;
            }
            state.failure = Some(reason.clone());
            std::mem::take(&mut state.lanes)
        };
        for request in waiting.into_iter().flat_map(|lane| lane.requests) {
            refuse(request, reason);
        }
        (self.sink)(Event::Fatal { ticket: None, reason: reason.clone() });
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.state().failure.clone()
    }

    /// Requests and bytes waiting.
    pub(crate) fn depth(&self) -> (u64, u64) {
        let state = self.state();
        let requests: usize = state.lanes.iter().map(|lane| lane.requests.len()).sum();
        (requests as u64, state.lanes.iter().map(|lane| lane.bytes).sum())
    }
}

impl Lane {
    fn take(&mut self, limit: u64, group: &mut Vec<Request>) {
        let mut bytes = 0;
        let mut taken = 0;
        while let Some(next) = self.requests.front() {
            let barrier = next.is_barrier();
            if taken > 0 && (barrier || bytes + next.bytes > limit) {
                break;
            }
            let Some(request) = self.requests.pop_front() else { break };
            bytes += request.bytes;
            taken += 1;
            group.push(request);
            if barrier {
                break;
            }
        }
        self.bytes -= bytes;
    }
}

/// Answers a request that will not be served.
pub(crate) fn refuse(request: Request, reason: &Error) {
    match request.operation {
        Operation::Checkpoint(_, mut then) => then.send(Err(reason.clone())),
        Operation::PartitionCheckpoint(_, mut then) => then.send(Err(reason.clone())),
        _ => {}
    }
    request.reply.fatal(reason.clone());
}

#[cfg(test)]
mod tests;
