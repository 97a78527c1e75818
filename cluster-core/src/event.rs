//! Durability is an event: tickets, what becomes of them, and how that is told.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;

use crate::Error;

/// Names one request of this core, in order of acceptance. Tickets start again with each start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of a ticket. Each accepted request gets exactly one event.
///
/// A caller must not speak before its event is [`Event::Durable`]. After any other event the request may or may not have
/// happened; the state after the next start tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The request is on stable storage of the write quorum (today: of the one member).
    Durable {
        /// The request.
        ticket: Ticket,
        /// Notary log: index of the submission's first leaf. WAL: number of the entry since the last reset. Chain: the height.
        /// Log: offset of the append's first record. Elsewhere 0.
        first_index: u64,
        /// Notary log: durable leaves of the log, this submission included. WAL: entries since the last reset. Chain: the
        /// height. Log: offset behind the last durable record. Elsewhere 0.
        size: u64,
    },
    /// This member does not lead; nothing was written. Never sent while a cluster has one member.
    NotLeader {
        /// The request.
        ticket: Ticket,
        /// Whom to ask instead, where known.
        leader: Option<String>,
    },
    /// The request was not written and will not be by itself; the reason may pass (a retracted log, a closed store).
    Unavailable {
        /// The request.
        ticket: Ticket,
        /// Why.
        reason: Error,
    },
    /// The store failed; every later request fails too, and the process must stop.
    Fatal {
        /// The request; `None` when the store fails on its own.
        ticket: Option<Ticket>,
        /// Why.
        reason: Error,
    },
}

impl Event {
    /// The request this event answers.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Durable { ticket, .. } | Self::NotLeader { ticket, .. } | Self::Unavailable { ticket, .. } => {
                Some(*ticket)
            }
            Self::Fatal { ticket, .. } => *ticket,
        }
    }

    /// `(first_index, size)` of a durable request, or the reason why it is none.
    ///
    /// # Errors
    /// The reason; [`Error::Closed`] for [`Event::NotLeader`], which one member never sends.
    pub fn durable(&self) -> Result<(u64, u64), Error> {
        match self {
            Self::Durable { first_index, size, .. } => Ok((*first_index, *size)),
            Self::NotLeader { .. } => Err(Error::Closed),
            Self::Unavailable { reason, .. } | Self::Fatal { reason, .. } => Err(reason.clone()),
        }
    }
}

/// Hears every event that has no completion of its own, and the store's own failures. Runs on the writer thread: it must
/// return at once and must not wait for another ticket. Calling `append` and the like in it is allowed.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// Called once with the event of one request, under the rules of [`EventSink`].
pub type Completion = Box<dyn FnOnce(Event) + Send>;

/// An event sink that sends into a channel; events after the receiver is gone are dropped.
#[must_use]
pub fn channel() -> (EventSink, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel();
    (Arc::new(move |event| drop(sender.send(event))), receiver)
}

/// A completion and the receiver of its one event, for callers that wait.
#[must_use]
pub fn completion() -> (Completion, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    (Box::new(move |event| drop(sender.send(event))), receiver)
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests;
