//! What the network tells the node.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId,
    gossipsub::{MessageAcceptance, MessageId},
};

use crate::{budget::Hold, requests::Reply};

/// The node's judgement of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Valid: forward it.
    Accept,
    /// Not of use, but no fault: do not forward it, blame nobody.
    Ignore,
    /// Invalid: do not forward it, lower the score of whoever sent it.
    Reject,
}

impl From<Verdict> for MessageAcceptance {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Ignore => Self::Ignore,
            Verdict::Reject => Self::Reject,
        }
    }
}

/// Stands for a gossip message that waits for its verdict. While it lives, the message's bytes count against
/// [`crate::Limits::gossip_in_flight_bytes`], so pass it to [`crate::Handle::verdict`] soon; after seven seconds the
/// message cannot be forwarded any more. Dropped, the message is never forwarded and nobody is blamed.
#[derive(Debug)]
pub struct MessageRef {
    pub(crate) id: MessageId,
    pub(crate) source: PeerId,
    pub(crate) topic: usize,
    pub(crate) _hold: Hold,
}

impl MessageRef {
    /// The message's id: BLAKE3 of topic and data, 32 bytes.
    pub fn id(&self) -> &[u8] {
        &self.id.0
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// A connected peer of our network.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The peer.
    pub peer_id: PeerId,
    /// The other end of its oldest connection.
    pub address: Multiaddr,
    /// Who opened that connection.
    pub direction: Direction,
    /// The name and version it gives itself: unchecked text of at most 128 bytes, control characters removed.
    pub agent: String,
    /// Its gossip score; 0 is neutral, at −500 it is disconnected.
    pub score: f64,
    /// When that connection began.
    pub connected_since: SystemTime,
    /// The last ping's round trip.
    pub round_trip: Option<std::time::Duration>,
}

/// Something happened. Events come in order; `Connected` and `Disconnected` of a peer alternate and are never lost,
/// gossip and requests are dropped (and counted) while the queue is full.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message of a peer; every one needs a [`crate::Handle::verdict`]. It may come before the sender's `Connected`.
    Gossip {
        /// The topic's name as configured.
        topic: Arc<str>,
        /// For the verdict.
        message: MessageRef,
        /// The peer that handed it to us, which need not be its author.
        source: PeerId,
        /// The message.
        data: Bytes,
    },
    /// A peer asks.
    Request {
        /// The peer.
        peer: PeerId,
        /// The protocol's name as configured.
        protocol: Arc<str>,
        /// The request.
        data: Bytes,
        /// For the answer.
        reply: Reply,
    },
    /// A peer is connected and has shown that it belongs to our network.
    Connected(PeerInfo),
    /// The last connection with a connected peer ended.
    Disconnected {
        /// The peer.
        peer: PeerId,
    },
    /// The network listens on this address.
    Listening {
        /// The address with its real port.
        address: Multiaddr,
    },
}
