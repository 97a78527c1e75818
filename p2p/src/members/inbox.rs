//! What came from the members on one lane and waits for the node.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use libp2p::PeerId;

use super::{Lane, MemberEvent, common::lock, limits::LaneLimits, metrics::MemberMetrics, seat::Seat};

#[cfg(test)]
#[path = "inbox_test.rs"]
mod tests;

/// One member's part.
#[derive(Debug, Default)]
struct Source {
    events: VecDeque<MemberEvent>,
    messages: usize,
    bytes: usize,
    /// The stream that may deliver; none while the member is down.
    seat: Option<Arc<Seat>>,
    /// The stream has a message for which there was no room.
    blocked: bool,
}

#[derive(Debug, Default)]
struct State {
    sources: BTreeMap<PeerId, Source>,
    /// Members with events, each once, in the order of their turns.
    ready: VecDeque<PeerId>,
    reader: Option<Waker>,
    /// No more events will come.
    ended: bool,
    /// Nobody reads any more.
    abandoned: bool,
}

impl State {
    fn push(&mut self, peer: PeerId, event: MemberEvent) -> Option<Waker> {
        let source = self.sources.entry(peer).or_default();
        if source.events.is_empty() {
            self.ready.push_back(peer);
        }
        source.events.push_back(event);
        self.reader.take()
    }
}

/// A bounded queue per member. Members take turns, so that one that sends much does not starve the others.
#[derive(Debug)]
pub(crate) struct Inbox {
    lane: Lane,
    limits: LaneLimits,
    metrics: Arc<MemberMetrics>,
    state: Mutex<State>,
}

impl Inbox {
    pub(crate) fn new(lane: Lane, limits: LaneLimits, metrics: Arc<MemberMetrics>) -> Self {
        Self { lane, limits, metrics, state: Mutex::default() }
    }

    /// The member is up, and messages come from the stream in this seat.
    pub(crate) fn up(&self, peer: PeerId, seat: &Arc<Seat>) {
        let mut state = lock(&self.state);
        if state.abandoned {
            return;
        }
        let reader = state.push(peer, MemberEvent::Up { peer });
        if let Some(source) = state.sources.get_mut(&peer) {
            source.seat = Some(Arc::clone(seat));
        }
        drop(state);
        wake(reader);
        // It may hold a message that came before.
        seat.wake();
    }

    /// The member is down. An `Up` that nobody has seen goes without a trace, so what waits stays bounded.
    pub(crate) fn down(&self, peer: PeerId) {
        let mut state = lock(&self.state);
        let Some(source) = state.sources.get_mut(&peer) else { return };
        if source.seat.take().is_none() {
            return;
        }
        source.blocked = false;
        let reader = if matches!(source.events.back(), Some(MemberEvent::Up { .. })) {
            source.events.pop_back();
            if source.events.is_empty() {
                state.sources.remove(&peer);
                state.ready.retain(|ready| *ready != peer);
            }
            None
        } else {
            state.push(peer, MemberEvent::Down { peer })
        };
        drop(state);
        wake(reader);
    }

    /// Takes a message, or gives it back where there is no room or the member is not up; the seat is woken when that
    /// changes.
    pub(crate) fn deliver(&self, peer: PeerId, seat: &Arc<Seat>, data: Bytes) -> Result<(), Bytes> {
        let metrics = self.metrics.lane(self.lane);
        let length = data.len();
        let mut state = lock(&self.state);
        if state.abandoned {
            metrics.dropped.inc();
            return Ok(());
        }
        let Some(source) = state.sources.get_mut(&peer) else { return Err(data) };
        if !source.seat.as_ref().is_some_and(|known| Arc::ptr_eq(known, seat)) {
            return Err(data);
        }
        let over = source.messages >= self.limits.receive_messages || source.bytes + length > self.limits.receive_bytes;
        if source.messages > 0 && over {
            source.blocked = true;
            return Err(data);
        }
        source.messages += 1;
        source.bytes += length;
        let reader = state.push(peer, MemberEvent::Message { peer, lane: self.lane, data });
        drop(state);
        metrics.received.inc();
        metrics.received_bytes.inc_by(length as u64);
        wake(reader);
        Ok(())
    }

    /// Readers get what is left and then the end.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<MemberEvent>> {
        let mut state = lock(&self.state);
        let Some((event, seat)) = self.take(&mut state) else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(state);
        if let Some(seat) = seat {
            seat.wake();
        }
        Poll::Ready(Some(event))
    }

    /// The next event, and the stream that may go on because of it.
    fn take(&self, state: &mut State) -> Option<(MemberEvent, Option<Arc<Seat>>)> {
        let peer = state.ready.pop_front()?;
        let source = state.sources.get_mut(&peer)?;
        let event = source.events.pop_front()?;
        if let MemberEvent::Message { data, .. } = &event {
            source.messages -= 1;
            source.bytes -= data.len();
        }
        // Half empty, so that a stream is woken once for many messages.
        let room = source.messages <= self.limits.receive_messages / 2 && source.bytes <= self.limits.receive_bytes / 2;
        let seat = if source.blocked && room {
            source.blocked = false;
            source.seat.clone()
        } else {
            None
        };
        if !source.events.is_empty() {
            state.ready.push_back(peer);
        } else if source.seat.is_none() {
            state.sources.remove(&peer);
        }
        Some((event, seat))
    }

    /// Nobody reads any more: what comes is dropped and counted, and no stream waits for it.
    fn abandon(&self) {
        let mut state = lock(&self.state);
        state.abandoned = true;
        state.ready.clear();
        let sources = std::mem::take(&mut state.sources);
        drop(state);
        for source in sources.into_values() {
            self.metrics.lane(self.lane).dropped.inc_by(source.messages as u64);
            if let Some(seat) = source.seat {
                seat.wake();
            }
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The events of one lane, bounded per member by [`crate::MemberLimits`]; members take turns. While it is not read, the
/// members' streams of this lane stand still; once it is dropped, their messages are dropped and counted.
#[derive(Debug)]
pub struct LaneEvents {
    inbox: Arc<Inbox>,
}

impl LaneEvents {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// The next event; `None` once the network has been shut down and everything is read. Cancelling it loses nothing.
    pub async fn recv(&mut self) -> Option<MemberEvent> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`LaneEvents::recv`], for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<MemberEvent>> {
        self.inbox.poll(cx)
    }
}

impl Drop for LaneEvents {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}
