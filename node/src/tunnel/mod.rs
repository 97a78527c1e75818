//! The tunnels of a node: their keys, where they listen, what they keep on disk, and what an operator sees of them.
//!
//! ```text
//! keys/tunnel.key ─▶ WireGuard key, Rosenpass pair      data/tunnel/: the pair, keys of peers, records of peers
//! p2p.listen ─▶ the one UDP socket ─▶ a record that we sign: keys, addresses ─▶ p2p::Mesh ─▶ the network's transport
//! ```

mod addresses;
mod files;
mod keys;
mod meet;
mod start;
mod status;

pub use meet::{Meet, Meetings, PROTOCOL as MEET_PROTOCOL, Seen};
pub use start::Tunnels;
pub use status::{TunnelMetrics, TunnelPeer, TunnelPeers};
