//! Everything that can go wrong here, grouped by whose fault it is.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
};

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::error::{CodecError, SignatureError, SignerError};

use crate::tunnel::rosenpass::KeyId;
use crate::{Lane, TunnelKey};

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

/// Why [`crate::tunnel::rosenpass::Rosenpass`] did not do what an input asked for. The machine goes on in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosenpassError {
    // ---- the sender of the datagram ----
    /// The first byte is none of Rosenpass.
    #[error("a datagram of type {0:#04x} is none of Rosenpass")]
    Kind(u8),
    /// The datagram is cut short or padded.
    #[error("a Rosenpass datagram of type {kind:#04x} has {expected} bytes, not {found}")]
    Length {
        /// Its first byte.
        kind: u8,
        /// The length of its kind.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// The mac is not made for our key: the sender has another public key of ours, or none.
    #[error("the sender does not have our public key: its mac is wrong")]
    Mac,
    /// The static ciphertext does not open with our secret key, although the mac is right.
    #[error("an InitHello was not encrypted to our key")]
    NotForUs,
    /// The initiator is none of our peers.
    #[error("the initiator {peer} is none of our peers: add it here, or stop it there")]
    UnknownPeer {
        /// Who it says it is.
        peer: KeyId,
    },
    /// The initiator is right in everything but the pre-shared key.
    #[error("initiator {peer} has another pre-shared key than we have for it: set the same on both sides, or none")]
    PreSharedKey {
        /// The initiator.
        peer: KeyId,
    },
    /// No handshake of ours has this session id, or none any more.
    #[error("an answer to a handshake that we have not begun, or that is over")]
    NoSuchSession,
    /// A RespHello does not belong to our InitHello.
    #[error("the answer to our InitHello does not come from {peer}, or was changed on the way")]
    AnswerAuth {
        /// The responder.
        peer: KeyId,
    },
    /// An EmptyData does not acknowledge our InitConf.
    #[error("an acknowledgement does not come from {peer}, or was changed on the way")]
    AckAuth {
        /// The responder.
        peer: KeyId,
    },
    /// A CookieReply does not answer our InitHello.
    #[error("a cookie does not come from {peer}, or was changed on the way")]
    CookieAuth {
        /// The responder.
        peer: KeyId,
    },
    /// The biscuit of an InitConf does not open: not ours, too old by two epochs, or from before a restart of ours.
    #[error("the biscuit of an InitConf is not of our making, or from before our start")]
    Biscuit,
    /// The biscuit is older than a key may be.
    #[error("initiator {peer} brings a biscuit that is older than a key may be")]
    OldBiscuit {
        /// The initiator.
        peer: KeyId,
    },
    /// The biscuit was used, or a later one was.
    #[error("initiator {peer} brings a biscuit that is spent: a replay, or a handshake that was overtaken")]
    SpentBiscuit {
        /// The initiator.
        peer: KeyId,
    },
    /// An InitConf does not belong to its biscuit.
    #[error("an InitConf does not come from {peer}, or was changed on the way")]
    ConfAuth {
        /// The initiator.
        peer: KeyId,
    },
    /// Two handshakes have crossed, and ours holds.
    #[error("the handshake of {peer} has crossed ours, which holds for now")]
    Contested {
        /// The initiator.
        peer: KeyId,
    },
    /// A datagram came twice, or an answer after another one.
    #[error("an answer of {peer} that we have already")]
    Repeated {
        /// The peer.
        peer: KeyId,
    },
    /// Too many RespHellos to one InitHello.
    #[error("too many answers to one InitHello to {peer}: somebody forges them")]
    TooManyAnswers {
        /// The responder.
        peer: KeyId,
    },

    // ---- the state of this node ----
    /// Under load: a CookieReply was sent instead of an answer.
    #[error("under load: the initiator was asked for a cookie")]
    NeedsCookie,
    /// The sender's network has sent too many InitHellos.
    #[error("too many InitHellos from one network")]
    SourceOverRate,
    /// Too many InitHellos from everywhere.
    #[error("too many InitHellos")]
    Exhausted,

    // ---- the caller's input ----
    /// The peer is there already.
    #[error("peer {peer} is there already: remove it first")]
    KnownPeer {
        /// The peer.
        peer: KeyId,
    },
    /// There is no such peer.
    #[error("there is no peer {peer}")]
    NoSuchPeer {
        /// The peer.
        peer: KeyId,
    },
    /// The key of a peer is our own.
    #[error("the public key of a peer is our own")]
    OwnKey,
    /// More peers than [`crate::tunnel::rosenpass::Limits::peers`].
    #[error("more than {max} Rosenpass peers")]
    TooManyPeers {
        /// The bound.
        max: usize,
    },
}

/// An error of a [`crate::Tunnel`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    // ---- the caller's input ----
    /// The UDP socket could not be bound.
    #[error(
        "cannot listen on UDP {address} for tunnels: {reason} (stop the program that uses the port, or choose another one in \
         `[tunnel] listen`)"
    )]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// The system's answer.
        reason: String,
    },
    /// A peer with our own key.
    #[error("the peer has our own WireGuard key: give each node a key of its own")]
    OwnKey,
    /// More peers than [`crate::TunnelLimits::peers`].
    #[error("the tunnel has {most} peers, which is its limit")]
    TooManyPeers {
        /// The limit.
        most: usize,
    },
    /// The key is no peer's.
    #[error("no peer of the tunnel has the WireGuard key {key}")]
    UnknownPeer {
        /// The key.
        key: TunnelKey,
    },
    /// A datagram that is too long for its protocol, or of none that may travel outside the tunnels.
    #[error("a datagram of {size} bytes is no message of Rosenpass or the bootstrap, which have {max} bytes at most")]
    Side {
        /// Its length in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },

    // ---- fatal ----
    /// The tunnel has been stopped.
    #[error("the tunnel has been stopped")]
    Closed,
}

/// Why a peer record was not made, or not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not in its canonical form, or says something impossible.
    #[error("peer record: {0}")]
    Invalid(#[from] CodecError),
    /// Its identity did not sign it, or not for this network.
    #[error("peer record: {0}")]
    Signature(#[from] SignatureError),
    /// Another record of the same peer has the same sequence number.
    #[error("peer {peer} signed two records with the sequence number {sequence}")]
    Conflict {
        /// The peer.
        peer: PeerId,
        /// The number.
        sequence: u64,
    },
    /// The book is full.
    #[error("the book of peer records is full ({most} peers)")]
    Full {
        /// Its size.
        most: usize,
    },
    /// The signer refused or is absent.
    #[error("peer record: {0}")]
    Signer(#[from] SignerError),
}

/// Why there is no tunnel with a peer, or no mesh.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    // ---- the peer, or the way to it ----
    /// Its record or its key could not be had.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// It has no post-quantum key, which this node requires.
    #[error(
        "peer {peer} has no post-quantum key, and this node requires one: both need `[tunnel] post_quantum` to be the same"
    )]
    PeerWithoutKey {
        /// The peer.
        peer: PeerId,
    },
    /// It names a WireGuard key that another peer has shown to be its own.
    #[error("peer {peer} names the WireGuard key {key}, which belongs to another peer")]
    KeyTaken {
        /// The peer.
        peer: PeerId,
        /// The key.
        key: TunnelKey,
    },
    /// It was given up before there was a tunnel.
    #[error("peer {peer} was given up before there was a tunnel with it")]
    GivenUp {
        /// The peer.
        peer: PeerId,
    },

    // ---- the state of this node ----
    /// More peers than [`crate::TunnelLimits::peers`].
    #[error("there are tunnels with {most} peers, which is the limit")]
    TooManyPeers {
        /// The limit.
        most: usize,
    },

    // ---- the caller's input ----
    /// The peer is this node.
    #[error("the peer is this node itself")]
    Own,
    /// No Rosenpass keys, although they are required.
    #[error(
        "post-quantum keys are required, and this node has none: make them, or set `[tunnel] post_quantum` to \"off\""
    )]
    NoKeys,

    // ---- fatal ----
    /// The tunnel could not be started, or refuses the peer.
    #[error("{0}")]
    Tunnel(String),
    /// Our record could not be signed.
    #[error("{0}")]
    Record(String),
    /// The thread of the key exchange could not be started.
    #[error("the thread of the key exchange cannot be started: {0}")]
    Thread(String),
    /// The mesh has been stopped.
    #[error("the tunnels have been stopped")]
    Closed,
}

impl From<TunnelError> for MeshError {
    fn from(error: TunnelError) -> Self {
        Self::Tunnel(error.to_string())
    }
}

impl From<RecordError> for MeshError {
    fn from(error: RecordError) -> Self {
        Self::Record(error.to_string())
    }
}

/// Why [`crate::tunnel::bootstrap::Bootstrap`] did not do what an input asked for. The machine goes on in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    // ---- the other side ----
    /// A datagram is not in its canonical form.
    #[error("bootstrap datagram: {0}")]
    Invalid(#[from] CodecError),
    /// A record is not what it should be.
    #[error("the record that a node told is not valid: {0}")]
    Record(String),
    /// An answer to a question that we have not asked there, or not any more.
    #[error("an answer to a question that was not asked, or is answered")]
    NoQuestion,
    /// Another peer is at the address.
    #[error("the node at this address is {peer}, and not the one that is sought: correct the address, or the peer id")]
    OtherPeer {
        /// Who it is.
        peer: PeerId,
    },
    /// The node knows no record of the peer.
    #[error("no node that was asked knows {peer}: it may belong to another network")]
    Unknown {
        /// The peer.
        peer: PeerId,
    },
    /// A record is older than the one that is known.
    #[error("peer {peer} brings a record that is older than the one that is known")]
    OldRecord {
        /// The peer.
        peer: PeerId,
    },
    /// The node does not have the key that its record names.
    #[error("the node does not have the key {hash} that its record names")]
    NoKey {
        /// The hash.
        hash: Hash,
    },
    /// The key that came is another one.
    #[error(
        "the key that came does not have the hash {hash} of its owner's record: it was changed on the way, and is fetched anew"
    )]
    KeyHash {
        /// The hash that it should have.
        hash: Hash,
    },
    /// A chunk is too long or too short for its place.
    #[error("chunk {number} of a key came with {found} bytes")]
    ChunkLength {
        /// Its number.
        number: u16,
        /// The length found.
        found: usize,
    },
    /// Nobody answers.
    #[error("nobody answers: check the address, and that its UDP port is open")]
    Silent,

    // ---- the state of this node ----
    /// Too many questions from one network, or from all.
    #[error("more questions than are answered in a second")]
    OverRate,
    /// Too much is wanted at the same time.
    #[error("more than {max} {what} at the same time")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },

    // ---- the caller's input ----
    /// No address to ask at.
    #[error("no address of the peer is known")]
    NoAddress,
    /// The peer id is not made of an ed25519 key.
    #[error("peer id {peer} does not hold an ed25519 key")]
    NoIdentity {
        /// The peer.
        peer: PeerId,
    },
}

impl From<RecordError> for BootstrapError {
    fn from(error: RecordError) -> Self {
        Self::Record(error.to_string())
    }
}

/// Why a connection inside a tunnel did not come about, or ended. libp2p passes it on as text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathError {
    /// No peer that may speak has the address.
    #[error("no tunnel leads to {0}")]
    NoTunnel(Ipv6Addr),
    /// The peer was given up.
    #[error("the peer at the tunnel's other end does not answer any more")]
    Lost,
    /// The handshake took too long.
    #[error("the handshake inside the tunnel took too long")]
    HandshakeTimeout,
    /// The peer's certificate names no peer id.
    #[error("the peer's certificate cannot be used: {0}")]
    Certificate(String),
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The connection could not be begun.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// A port inside the tunnel, or a certificate of our own.
    #[error(transparent)]
    Io(#[from] io::Error),
}
