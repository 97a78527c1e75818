//! The tunnels of a node: their keys, where they listen, what they keep on disk, and what an operator sees of them.
//!
//! ```text
//! tunnel.obfuscation ─▶ what datagrams look like
//! keys/tunnel.key ─▶ WireGuard key, Rosenpass pair      data/tunnel/: the pair, keys of peers, records of peers
//! p2p.listen ─▶ the one UDP socket ─▶ a record that we sign: keys, addresses ─▶ p2p::Mesh ─▶ the network's transport
//! peers/: peers with stock programs ─────────────────────────────────────────────▶ p2p::Mesh ─▶ tunnel.device ─▶ tunnel.serve
//! ```

mod addresses;
mod export;
mod files;
mod host_port;
mod keys;
mod meet;
mod obfuscation;
mod peers;
mod start;
mod status;

pub use export::{Export, ROSENPASS_FILE, ROSENPASS_KEY_FILE, WIREGUARD_FILE};
pub use host_port::HostPort;
pub use keys::OwnKeys;
pub use meet::{Meet, Meetings, PROTOCOL as MEET_PROTOCOL, Seen};
pub use peers::{ImportedPeer, PeerFiles, rosenpass_key};
pub use start::Tunnels;
pub use status::{TunnelMetrics, TunnelPeer, TunnelPeers};
