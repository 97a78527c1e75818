//! The mesh: who a node has tunnels with, and how they come about.
//!
//! [`Mesh::start`] takes keys, an identity and an address; [`Mesh::transport`] gives the swarm a transport that brings about the tunnel to whoever is
//! dialled, and then connects inside it.
//!
//! ```text
//! dial ─▶ record of the peer (bootstrap) ─▶ its Rosenpass key (bootstrap, or cache) ─▶ key exchange ─▶ WireGuard ─▶ QUIC inside
//! ```
//!
//! A peer is dialled by its peer id, at an address of its tunnel from outside (`/ip4/192.0.2.1/udp/51820/p2p/…`) or at its address inside
//! (`/ip6/fd…/udp/26656/quic-v1/p2p/…`), as others tell it: then the nodes with which there are tunnels are asked for its record. Whoever asks for
//! our record brings its own, and becomes a peer, up to [`TunnelLimits::peers`](super::TunnelLimits::peers). Peers without a peer id are set by hand
//! ([`StockPeer`]).
//!
//! Two tasks and a thread: the tunnel has the sockets, the driver has all state here, and the thread computes Rosenpass' key exchange, which takes
//! milliseconds a step.

mod clock;
mod config;
mod driver;
mod exchange;
mod handle;
mod peer;
mod status;
mod steps;
mod stock;
mod transport;

pub(in crate::tunnel) use clock::os_rng;
pub use config::{KeyCache, MeshConfig};
pub use handle::Mesh;
pub use status::{LinkPeer, LinkStatus};
pub use stock::StockPeer;
