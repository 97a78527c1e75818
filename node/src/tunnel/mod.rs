//! The tunnels of a node: their keys, where they listen, what they keep on disk, and what an operator sees of them.
//!
//! ```text
//! tunnel.obfuscation ─▶ what datagrams look like
//! keys/tunnel.key ─▶ WireGuard key, Rosenpass pair      data/tunnel/: the pair, keys of peers, records of peers
//! p2p.listen ─▶ the one UDP socket ─▶ a record that we sign: keys, addresses ─▶ p2p::Mesh ─▶ the network's transport
//! ```

mod addresses;
mod files;
mod keys;
mod obfuscation;
mod start;
mod status;

pub use start::Tunnels;
pub use status::{TunnelMetrics, TunnelPeer, TunnelPeers};
