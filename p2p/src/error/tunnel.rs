//! What can go wrong with tunnels.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::error::{CodecError, SignatureError, SignerError};

use crate::TunnelKey;

/// An error of a [`crate::Tunnel`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    // ---- the caller's input ----
    /// The UDP socket could not be bound.
    #[error(
        "cannot listen on UDP {address} for tunnels: {reason} (stop the program that uses the port, or choose another one with \
         p2p.listen, --p2p-listen)"
    )]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// The system's answer.
        reason: String,
    },
    /// The process may not make a network device.
    #[error(
        "cannot make the network device {name}: the program lacks the capability CAP_NET_ADMIN (give it with `setcap cap_net_admin+ep \
         pyralogd`, or do without a device: tunnel.mode = \"userspace\", --tunnel-mode userspace)"
    )]
    NoCapability {
        /// Its name.
        name: String,
    },
    /// There can be no such network device.
    #[error("cannot make the network device {name}: {reason}")]
    Device {
        /// Its name.
        name: String,
        /// Why, and what mends it.
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
    /// It names a Rosenpass key that a peer has which its operator set.
    #[error("peer {peer} names a Rosenpass key that belongs to another peer")]
    ExchangeKeyTaken {
        /// The peer.
        peer: PeerId,
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

    /// A peer without a peer id that cannot be one.
    #[error("the peer {name}: {reason}")]
    Stock {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },

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
