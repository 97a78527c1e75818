//! The bounded queue of events to the node.

use std::collections::VecDeque;

use libp2p::PeerId;
use tokio::sync::mpsc;

use crate::Event;

#[cfg(test)]
mod tests;

/// Sends events without ever waiting. Gossip and requests are refused while the queue is full; news of connections is
/// kept back until there is room. What is kept back stays bounded: a peer that came and went unseen leaves nothing, so
/// at most two entries per peer remain.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    pub(crate) fn new(sender: mpsc::Sender<Event>) -> Self {
        Self { sender, waiting: VecDeque::new() }
    }

    /// A place for one event, or `None` while the queue is full. Ask before doing any work for the event.
    pub(crate) fn reserve(&mut self) -> Option<mpsc::Permit<'_, Event>> {
        self.flush();
        if self.waiting.is_empty() { self.sender.try_reserve().ok() } else { None }
    }

    /// Tells of a connection or a listen address, now or later.
    pub(crate) fn tell(&mut self, event: Event) {
        if let Event::Disconnected { peer } = &event
            && let Some(at) = self.waiting.iter().position(|event| is_connected(event, peer))
        {
            self.waiting.remove(at);
            return;
        }
        self.waiting.push_back(event);
        self.flush();
    }

    /// Sends what was kept back as far as there is room.
    pub(crate) fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(place) = self.sender.try_reserve() else { return };
            if let Some(event) = self.waiting.pop_front() {
                place.send(event);
            }
        }
    }

    /// Whether something is kept back.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The queue's other end, to wait for room or for the node's going without borrowing the outbox.
    pub(crate) fn sender(&self) -> mpsc::Sender<Event> {
        self.sender.clone()
    }
}

fn is_connected(event: &Event, wanted: &PeerId) -> bool {
    matches!(event, Event::Connected(info) if info.peer_id == *wanted)
}
