//! A question on its way.

use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::{Hash, PublicKey};

use super::message::{Cookie, Message, Wanted};
use super::timing::repeat_after;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The record of a peer.
    Record(PublicKey),
    /// A chunk of a key.
    Chunk(Hash, u16),
}

/// One datagram that waits for its answer.
#[derive(Debug)]
pub(super) struct Question {
    pub to: SocketAddr,
    pub purpose: Purpose,
    cookie: Cookie,
    sent: u32,
    /// When it is sent next.
    pub due: Duration,
}

impl Question {
    /// To be sent at once.
    pub(super) fn new(to: SocketAddr, purpose: Purpose, cookie: Cookie) -> Self {
        Self { to, purpose, cookie, sent: 0, due: Duration::ZERO }
    }

    /// Whether it was repeated.
    pub(super) fn is_repeated(&self) -> bool {
        self.sent > 1
    }

    /// The cookie that it is sent with.
    pub(super) fn cookie(&self) -> Cookie {
        self.cookie
    }

    /// Whether it is one that was given to us.
    pub(super) fn has_cookie(&self) -> bool {
        self.cookie != Cookie::default()
    }

    /// It goes out again at once, with this cookie. A cookie that it has already shows nothing new.
    pub(super) fn take_cookie(&mut self, cookie: Cookie) {
        if self.cookie != cookie {
            (self.cookie, self.sent, self.due) = (cookie, 0, Duration::ZERO);
        }
    }

    /// The datagram, if it is due.
    pub(super) fn transmit(&mut self, now: Duration, id: u64, own: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        if now < self.due {
            return None;
        }
        self.sent = self.sent.saturating_add(1);
        self.due = now.saturating_add(repeat_after(self.sent));
        let wanted = match self.purpose {
            Purpose::Record(of) => Wanted::Record { of, own },
            Purpose::Chunk(of, number) => Wanted::Chunk { of, number },
        };
        Some((self.to, Message::Ask { id, cookie: self.cookie, wanted }.to_bytes()))
    }
}
