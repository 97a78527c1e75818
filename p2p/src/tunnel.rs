//! Tunnels: WireGuard without privileges, and QUIC inside it.
//!
//! [`Tunnel::start`] binds one UDP socket. WireGuard packets on it go to the engine, datagrams of Rosenpass and of the
//! bootstrap to [`TunnelQueues`]. Peers are set, keyed and removed while it runs. [`Tunnel::transport`] gives the swarm a
//! transport whose connections run inside the tunnels, so that every protocol of the node does.
//!
//! - **Engine**: the WireGuard protocol is `gotatun`'s state machine, one per peer. Around it stands no device of many tasks
//!   but a table: whoever sends encrypts in its own task, one task receives, one keeps time.
//! - **Admission**: a peer is a WireGuard public key that was set ([`Tunnel::set_peer`]); who may be one is the node's to
//!   say, by signed [`PeerRecord`]s. Handshakes of other keys are refused and counted. Where [`PostQuantum::Required`], a peer
//!   has no state machine before its first preshared key: there is nothing that could let a packet through.
//! - **Inside**: each key has one address ([`TunnelKey::overlay`]). Packets are IPv6 of at most [`INNER_MTU`] bytes; UDP goes
//!   to the port's reader, echo requests are answered, all else is dropped. With a device ([`TunnelConfig::device`]) all but
//!   the datagrams to our own ports goes to the system, which sends to the peers' addresses in turn.
//! - **Dead peers**: a process that was killed says nothing over UDP. The system's report of a closed port, or silence,
//!   raises a doubt; a peer that does not answer a handshake then is lost, and its connections are closed at once.
//! - **Obfuscation**: off, or [`Obfuscation`]: then no datagram goes out that looks like one of these, and others are not heard.
//! - **Bounds**: [`TunnelLimits`]. Nothing that a stranger sends reaches a decoder of this crate; nothing that a peer sends
//!   makes a queue grow without end or panics.

mod admission;
pub mod bootstrap;
mod config;
mod core;
mod datagram;
#[cfg_attr(not(target_os = "linux"), path = "tunnel/device_elsewhere.rs")]
mod device;
mod event;
mod fuzz;
mod handle;
mod ip;
mod keys;
mod link;
mod mesh;
mod meter;
mod obfuscation;
mod outgoing;
mod passage;
mod ports;
mod quic;
mod record;
mod records;
mod refused;
pub mod rosenpass;
mod seed;
mod socket;
mod stats;
mod table;
mod vigil;

pub use config::{PostQuantum, TunnelConfig, TunnelLimits, TunnelPeer};
pub use datagram::{MAX_SIDE_DATAGRAM, SideDatagram, SideProtocol};
pub use event::TunnelEvent;
pub use fuzz::{check_inner_packet, check_obfuscated_datagram, check_tunnel_datagram, obfuscated_datagram};
pub use handle::{Tunnel, TunnelQueues};
pub use ip::INNER_MTU;
pub use keys::{PresharedKey, TunnelKey, TunnelSecret};
pub use mesh::{KeyCache, LinkPeer, LinkStatus, Mesh, MeshConfig, StockPeer};
pub use obfuscation::{MAX_OBFUSCATION_TEXT, Obfuscation};
pub use record::{MAX_RECORD_ADDRESSES, MAX_RECORD_BYTES, PeerRecord, RecordAddress, SignedPeerRecord};
pub use records::{PeerRecords, RecordChange};
pub use seed::{MAX_KEPT_PAIR_BYTES, TunnelSeed};
pub use stats::{LinkStats, TunnelCounters};
