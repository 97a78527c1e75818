//! All that is between this node and one other member: four streams, two queues, and whether it is up.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::PeerId;

use crate::SendError;

use super::{
    Lane,
    common::{Common, lock},
    frame::MAX_MEMBER_MESSAGE,
    seat::Seat,
};

#[cfg(test)]
#[path = "link_test.rs"]
mod tests;

/// Who opened a stream, and so which way its messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    In,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The peer is no member any more.
    closed: bool,
    /// Every seat is taken, and the node has been told.
    up: bool,
    out: [Option<Arc<Seat>>; 2],
    r#in: [Option<Arc<Seat>>; 2],
    queues: [Queue; 2],
}

impl State {
    fn seat(&mut self, way: Way, lane: Lane) -> &mut Option<Arc<Seat>> {
        match way {
            Way::Out => &mut self.out[lane.index()],
            Way::In => &mut self.r#in[lane.index()],
        }
    }
}

/// Streams come and go in any order and on any connection with the peer; a new one takes the seat of the one before it.
#[derive(Debug)]
pub(crate) struct Link {
    peer: PeerId,
    common: Arc<Common>,
    state: Mutex<State>,
    /// When bytes last came from the peer: nanoseconds since [`Common::began`], 0 for never.
    heard: AtomicU64,
    /// How often the link came up.
    ups: AtomicU64,
    /// How often the peer opened a stream to us: it knows us then, and ours are worth another try.
    knocks: AtomicU64,
    /// The connection that opens our streams.
    carrier: AtomicWaker,
}

impl Link {
    pub(crate) fn new(peer: PeerId, common: Arc<Common>) -> Self {
        Self {
            peer,
            common,
            state: Mutex::default(),
            heard: AtomicU64::new(0),
            ups: AtomicU64::new(0),
            knocks: AtomicU64::new(0),
            carrier: AtomicWaker::new(),
        }
    }

    pub(crate) fn carrier(&self) -> &AtomicWaker {
        &self.carrier
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.state).up
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(crate) fn ups(&self) -> u64 {
        self.ups.load(Ordering::SeqCst)
    }

    pub(crate) fn knocks(&self) -> u64 {
        self.knocks.load(Ordering::SeqCst)
    }

    /// Bytes came from the peer.
    pub(crate) fn hear(&self) {
        let now = u64::try_from(self.common.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// Changes with every sign of life.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Time since the last sign of life.
    pub(crate) fn silence(&self) -> Option<Duration> {
        match self.heard() {
            0 => None,
            heard => Some(self.common.began.elapsed().saturating_sub(Duration::from_nanos(heard))),
        }
    }

    /// Whether a stream sits there.
    pub(crate) fn is_seated(&self, way: Way, lane: Lane) -> bool {
        lock(&self.state).seat(way, lane).is_some()
    }

    /// Seats a stream. The one that sat there is stale from here on, and the node hears that something may be lost.
    pub(crate) fn seat(self: &Arc<Self>, way: Way, lane: Lane) -> Option<Pass> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let seat = Arc::new(Seat::default());
        if let Some(old) = state.seat(way, lane).replace(Arc::clone(&seat)) {
            old.retire();
            self.lower(&mut state);
        }
        self.raise(&mut state);
        drop(state);
        if way == Way::In {
            self.knocks.fetch_add(1, Ordering::SeqCst);
            self.carrier.wake();
        }
        Some(Pass { link: Arc::clone(self), way, lane, seat })
    }

    /// Ends every stream; they may come again.
    pub(crate) fn reset(&self) {
        let mut state = lock(&self.state);
        self.clear(&mut state);
    }

    /// Ends every stream for good.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.clear(&mut state);
        drop(state);
        self.carrier.wake();
    }

    pub(crate) fn send(&self, lane: Lane, message: Bytes) -> Result<(), SendError> {
        let (peer, size) = (self.peer, message.len());
        let metrics = self.common.metrics.lane(lane);
        let limits = self.common.limits.lane(lane);
        if size > MAX_MEMBER_MESSAGE {
            return Err(SendError::TooLarge { size, max: MAX_MEMBER_MESSAGE });
        }
        let mut state = lock(&self.state);
        if state.closed {
            return Err(SendError::NotMember { peer });
        }
        if !state.up {
            metrics.not_connected.inc();
            return Err(SendError::NotConnected { peer });
        }
        let queue = &mut state.queues[lane.index()];
        let waits = !queue.messages.is_empty();
        if waits && (queue.messages.len() >= limits.send_messages || queue.bytes + size > limits.send_bytes) {
            metrics.full.inc();
            return Err(SendError::Full { peer, lane });
        }
        queue.messages.push_back(message);
        queue.bytes += size;
        metrics.queued_bytes.inc_by(size as i64);
        // With more than this one in the queue the writer is awake, or waits for the stream and not for us.
        let seat = if waits { None } else { state.out[lane.index()].clone() };
        drop(state);
        if let Some(seat) = seat {
            seat.wake();
        }
        Ok(())
    }

    /// All four seats are taken: the link is up.
    fn raise(&self, state: &mut State) {
        let [Some(urgent), Some(bulk)] = &state.r#in else { return };
        if state.up || state.closed || state.out.iter().any(Option::is_none) {
            return;
        }
        state.up = true;
        self.ups.fetch_add(1, Ordering::SeqCst);
        self.common.metrics.ups.inc();
        self.common.metrics.up.inc();
        self.common.inbox(Lane::Urgent).up(self.peer, urgent);
        self.common.inbox(Lane::Bulk).up(self.peer, bulk);
    }

    /// What was queued is lost.
    fn lower(&self, state: &mut State) {
        if !std::mem::take(&mut state.up) {
            return;
        }
        self.common.metrics.downs.inc();
        self.common.metrics.up.dec();
        for lane in Lane::ALL {
            let queue = std::mem::take(&mut state.queues[lane.index()]);
            let metrics = self.common.metrics.lane(lane);
            metrics.queued_bytes.dec_by(queue.bytes as i64);
            metrics.dropped.inc_by(queue.messages.len() as u64);
            self.common.inbox(lane).down(self.peer);
        }
    }

    fn clear(&self, state: &mut State) {
        for seat in state.out.iter_mut().chain(&mut state.r#in) {
            if let Some(seat) = seat.take() {
                seat.retire();
            }
        }
        self.lower(state);
    }
}

/// A stream's right to its seat; dropping it frees the seat.
#[derive(Debug)]
pub(crate) struct Pass {
    link: Arc<Link>,
    way: Way,
    lane: Lane,
    seat: Arc<Seat>,
}

impl Pass {
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Moves queued messages to `into` until they come to `most` bytes; at least one where there is one.
    pub(crate) fn take(&self, most: usize, into: &mut VecDeque<Bytes>) {
        let mut state = lock(&self.link.state);
        if self.seat.is_stale() {
            return;
        }
        let queue = &mut state.queues[self.lane.index()];
        let (mut bytes, mut count) = (0, 0);
        while bytes < most
            && let Some(message) = queue.messages.pop_front()
        {
            bytes += message.len();
            count += 1;
            into.push_back(message);
        }
        queue.bytes -= bytes;
        drop(state);
        let metrics = self.link.common.metrics.lane(self.lane);
        metrics.queued_bytes.dec_by(bytes as i64);
        metrics.sent.inc_by(count);
        metrics.sent_bytes.inc_by(bytes as u64);
    }

    /// Hands a message to the node, or gives it back for a later try.
    pub(crate) fn deliver(&self, data: Bytes) -> Result<(), Bytes> {
        self.link.common.inbox(self.lane).deliver(self.link.peer, &self.seat, data)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = lock(&self.link.state);
        let place = state.seat(self.way, self.lane);
        if place.as_ref().is_some_and(|seat| Arc::ptr_eq(seat, &self.seat)) {
            *place = None;
            self.link.lower(&mut state);
        }
    }
}
