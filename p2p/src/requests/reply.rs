//! The one answer to a peer's request.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Error, budget::Hold};

#[cfg(test)]
#[path = "reply_test.rs"]
mod tests;

/// Answers one request of a peer. Goes straight to the connection, never through the swarm task. Dropping it tells the
/// peer that the request was refused.
#[derive(Debug)]
pub struct Reply {
    sender: oneshot::Sender<Bytes>,
    max: usize,
    /// The request's bytes stay counted until the answer is given.
    _hold: Hold,
}

impl Reply {
    pub(crate) fn new(max: usize, hold: Hold) -> (Self, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, max, _hold: hold }, receiver)
    }

    /// Sends the answer. Never waits.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the answer is longer than the protocol's `max_response` (the peer is told that the
    /// request was refused), [`Error::ReplyExpired`] where nobody waits any more.
    pub fn send(self, data: impl Into<Bytes>) -> Result<(), Error> {
        let data = data.into();
        if data.len() > self.max {
            return Err(Error::TooLarge { what: "response", size: data.len(), max: self.max });
        }
        self.sender.send(data).map_err(|_| Error::ReplyExpired)
    }

    /// Refuses the request; the same as dropping this.
    pub fn refuse(self) {}

    /// Whether nobody waits for the answer any more (the request timed out or its connection closed): work for it may stop.
    pub fn is_expired(&self) -> bool {
        self.sender.is_closed()
    }

    /// The longest answer in bytes.
    pub fn max_response(&self) -> usize {
        self.max
    }
}
