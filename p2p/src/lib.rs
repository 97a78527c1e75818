//! The network of Pyralog: a libp2p swarm that carries opaque bytes between the members of one network.
//!
//! [`start`] takes a [`Config`] and gives a [`Handle`] (to publish, ask, judge, dial, ban) and a queue of [`Event`]s
//! (gossip, requests, peers that come and go). One task owns the swarm; nothing is shared behind a lock.
//!
//! - **Carriers**: TCP with noise and yamux, QUIC, or an injected transport ([`TransportFactory`]). Peers are dialled
//!   by [`PeerId`]; addresses come from the configuration, from signed peer records (kept across restarts by
//!   [`Handle::address_book`]) and from a private Kademlia.
//! - **Gossip**: gossipsub v1.1 with anonymous messages whose id is the hash of topic and data. Every message waits for the
//!   node's [`Verdict`]; peers are scored by what they hand over.
//! - **Requests**: opaque request/response protocols, each with its sizes, concurrency and time.
//! - **Member links**: long-lived streams among the members of one cluster, in two lanes, for Raft, replication and
//!   catch-up ([`MemberLinks`], from [`Handle::members`]). A node that names no members does not speak them.
//! - **Tunnels**: [`tunnel::rosenpass`] agrees with peers on keys that withstand quantum computers, without I/O.
//! - **Tunnels**: WireGuard without privileges, with QUIC inside it as the swarm's transport ([`Tunnel`]).
//! - **Bounds**: everything a peer can cause has a limit in [`Limits`]. A slow node makes no queue grow: requests are
//!   refused, gossip is ignored, both counted. A peer over its rate is dropped first and banned for a time next.
//!
//! What runs over the wire belongs to one network: the network id is part of every protocol and topic name, and identify
//! disconnects whoever announces another one.
//!
//! Foreign types in this interface: [`PeerId`], [`Multiaddr`], [`Bytes`](bytes::Bytes), tokio's channels,
//! `prometheus_client`'s registry, and libp2p's `Keypair` and boxed transport in [`TransportFactory`].

mod bans;
mod behaviour;
mod bucket;
mod budget;
mod config;
mod discovery;
mod driver;
mod error;
mod event;
mod gossip;
mod handle;
mod limits;
mod members;
mod metrics;
mod outbox;
mod peers;
mod requests;
mod start;
mod transport;
pub mod tunnel;

pub use libp2p::{Multiaddr, PeerId};

pub use bucket::PeerBuckets;
pub use config::{
    Config, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_NETWORK_BYTES, MAX_SPECS, ProtocolSpec, TopicSpec, TransportFactory,
    parse_peer_address,
};
pub use discovery::address_book::check_address_book;
pub use error::{
    BootstrapError, Error, MeshError, ObfuscationError, RecordError, RosenpassError, SendError, TunnelError,
};
pub use event::{Direction, Event, MessageRef, PeerInfo, Verdict};
pub use handle::Handle;
pub use limits::{Limits, Rate};
pub use members::{
    Lane, LaneEvents, LaneLimits, MAX_MEMBER_MESSAGE, MemberEvent, MemberEvents, MemberLimits, MemberLinks,
    check_member_frames,
};
pub use requests::{Reply, check_request_frame, check_response_frame};
pub use start::start;
pub use transport::secure;
pub use tunnel::{
    INNER_MTU, KeyCache, LinkPeer, LinkStats, LinkStatus, MAX_KEPT_PAIR_BYTES, MAX_OBFUSCATION_TEXT,
    MAX_RECORD_ADDRESSES, MAX_RECORD_BYTES, MAX_SIDE_DATAGRAM, Mesh, MeshConfig, Obfuscation, PeerRecord, PeerRecords,
    PostQuantum, PresharedKey, RecordAddress, RecordChange, SideDatagram, SideProtocol, SignedPeerRecord, StockPeer,
    Tunnel, TunnelConfig, TunnelCounters, TunnelEvent, TunnelKey, TunnelLimits, TunnelPeer, TunnelQueues, TunnelSecret,
    TunnelSeed, check_inner_packet, check_obfuscated_datagram, check_tunnel_datagram, obfuscated_datagram,
};
