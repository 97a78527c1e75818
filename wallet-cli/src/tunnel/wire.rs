//! What `GET /v1/tunnels` answers.

use serde::Deserialize;

/// All tunnels of a node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tunnels {
    pub peers: Vec<Tunnel>,
}

/// The tunnel with one peer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tunnel {
    /// `null` of a peer that was set by hand, which has a name.
    pub peer_id: Option<String>,
    pub name: Option<String>,
    pub endpoint: Option<String>,
    pub path: Option<String>,
    pub wireguard_handshake_age_s: Option<f64>,
    pub post_quantum_key_age_s: Option<f64>,
    pub rtt_ms: Option<f64>,
    pub loss: f64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}
