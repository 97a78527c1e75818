//! Everything that can go wrong here, grouped by whose fault it is.

use std::io;

use libp2p::PeerId;

use crate::Lane;

mod obfuscation;
mod rosenpass;
mod tunnel;

pub use obfuscation::ObfuscationError;
pub use rosenpass::RosenpassError;
pub(crate) use tunnel::PathError;
pub use tunnel::{BootstrapError, MeshError, RecordError, TunnelError};

#[cfg(test)]
#[path = "error_test.rs"]
mod tests;

/// An error of the network room. Only [`Error::Closed`] means that the network is gone; all others concern one call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- the peer, or the way to it ----
    /// The peer answered that it has no capacity for this request now.
    #[error("peer {peer} is busy: ask another peer or try again later")]
    Busy {
        /// The peer asked.
        peer: PeerId,
    },
    /// The peer's node read the request and gave no answer to it.
    #[error("peer {peer} refused the request")]
    Refused {
        /// The peer asked.
        peer: PeerId,
    },
    /// The peer holds our request to be longer than the protocol allows: the two ends disagree about its limits.
    #[error("peer {peer} refused the request as too large: check that both nodes run compatible versions")]
    PeerLimit {
        /// The peer asked.
        peer: PeerId,
    },
    /// No answer came within the protocol's time. The peer may or may not have acted on the request.
    #[error("peer {peer} did not answer in time")]
    Timeout {
        /// The peer asked.
        peer: PeerId,
    },
    /// The peer is not connected, could not be dialled, or the connection ended before the answer.
    #[error("peer {peer} cannot be reached: {reason}")]
    Unreachable {
        /// The peer asked.
        peer: PeerId,
        /// What happened.
        reason: String,
    },
    /// The peer does not speak the protocol.
    #[error("peer {peer} does not speak the protocol {protocol}")]
    UnsupportedProtocol {
        /// The peer asked.
        peer: PeerId,
        /// The protocol's name as configured.
        protocol: String,
    },
    /// The peer's answer breaks the framing or its size limit.
    #[error("peer {peer} sent a malformed answer: {reason}")]
    BadResponse {
        /// The peer asked.
        peer: PeerId,
        /// What is wrong with it.
        reason: String,
    },
    /// The peer is banned at the moment.
    #[error("peer {peer} is banned")]
    Banned {
        /// The banned peer.
        peer: PeerId,
    },
    /// The requester has gone or its time is over: nobody waits for this answer any more.
    #[error("nobody waits for the answer any more: the request timed out or its connection closed")]
    ReplyExpired,

    // ---- the caller's input ----
    /// A setting is unusable.
    #[error("p2p configuration: `{field}`: {reason}")]
    Config {
        /// The field of [`crate::Config`] to mend.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A listen address could not be bound.
    #[error("cannot listen on {address}: {reason} (choose another address in `[p2p] listen`)")]
    Listen {
        /// The address as configured.
        address: String,
        /// The system's answer.
        reason: String,
    },
    /// The transport could not be built.
    #[error("cannot build the transport: {0}")]
    Transport(#[source] io::Error),
    /// The topic is not one of [`crate::Config::topics`].
    #[error("unknown gossip topic `{0}`")]
    UnknownTopic(String),
    /// The protocol is not one of [`crate::Config::protocols`].
    #[error("unknown request protocol `{0}`")]
    UnknownProtocol(String),
    /// The message, request or response is longer than its topic or protocol allows.
    #[error("{what} of {size} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// "gossip message", "request" or "response".
        what: &'static str,
        /// Its length in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A stored address book cannot be read.
    #[error("address book: {0}")]
    AddressBook(String),

    // ---- the state of this node ----
    /// No connected peer listens to the topic: the message went nowhere and may be published again.
    #[error("no connected peer is subscribed to `{0}`")]
    NoPeers(String),
    /// The same bytes were published or seen on this topic a short while ago; gossip drops repetitions.
    #[error("message was already published or seen on `{0}`")]
    Duplicate(String),
    /// A queue or a concurrency limit of this node is full.
    #[error("this node is overloaded: {0}")]
    Overloaded(&'static str),

    // ---- fatal ----
    /// The swarm task has ended.
    #[error("the network has been shut down")]
    Closed,
}

impl Error {
    pub(crate) fn config(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Config { field, reason: reason.into() }
    }
}

/// Why a message was not taken by [`crate::MemberLinks::send`]. The link goes on in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    // ---- the peer, or the way to it ----
    /// No link stands with the member now.
    #[error("member {peer} is not connected")]
    NotConnected {
        /// The member.
        peer: PeerId,
    },
    /// The member's lane is full: it reads more slowly than we send.
    #[error("the {} lane to member {peer} is full", lane.name())]
    Full {
        /// The member.
        peer: PeerId,
        /// The lane.
        lane: Lane,
    },

    // ---- the caller's input ----
    /// The peer is none of [`crate::MemberLinks::set_members`].
    #[error("peer {peer} is no member of this cluster")]
    NotMember {
        /// The peer.
        peer: PeerId,
    },
    /// The message is longer than [`crate::MAX_MEMBER_MESSAGE`].
    #[error("member message of {size} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },

    // ---- fatal ----
    /// The network has been shut down.
    #[error("the network has been shut down")]
    Closed,
}
