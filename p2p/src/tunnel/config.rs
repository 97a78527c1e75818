//! What a tunnel needs to know, and its bounds.

use std::{net::SocketAddr, time::Duration};

use super::{Obfuscation, TunnelKey, TunnelSecret};

/// Whether traffic waits for a key that withstands quantum computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostQuantum {
    /// Peers speak as soon as they are set, with WireGuard's own key exchange.
    Off,
    /// No packet passes to or from a peer before its first preshared key is set.
    Required,
}

/// Everything that [`crate::Tunnel::start`] needs.
#[derive(Clone, Debug)]
pub struct TunnelConfig {
    /// The static secret key.
    pub secret: TunnelSecret,
    /// Address and port of the one UDP socket. `[::]` serves IPv4 as well; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether traffic waits for post-quantum keys.
    pub post_quantum: PostQuantum,
    /// Name of a network device by which other programs of this machine see the tunnels, such as `pyra0`, or `pyra%d` for the first one that is free.
    /// It needs CAP_NET_ADMIN; `None` needs nothing.
    pub device: Option<String>,
    /// What datagrams look like on the wire; `None` is as their protocols have it. The same in the whole network.
    pub obfuscation: Option<Obfuscation>,
    /// Every bound.
    pub limits: TunnelLimits,
}

impl TunnelConfig {
    /// A tunnel that requires post-quantum keys, without obfuscation, with the default limits.
    #[must_use]
    pub fn new(secret: TunnelSecret, listen: SocketAddr) -> Self {
        let (post_quantum, limits) = (PostQuantum::Required, TunnelLimits::DEFAULTS);
        Self { secret, listen, post_quantum, device: None, obfuscation: None, limits }
    }
}

/// A peer as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPeer {
    /// Its WireGuard public key.
    pub key: TunnelKey,
    /// Where it can be reached; `None` waits for it to speak first. A packet that it sends from elsewhere moves the
    /// endpoint there (roaming).
    pub endpoint: Option<SocketAddr>,
    /// Seconds between keepalives on a quiet link, for peers behind NAT; `None` sends none.
    pub keepalive: Option<u16>,
}

/// What strangers and peers may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelLimits {
    /// Peers at one time.
    pub peers: usize,
    /// Handshake messages per second from one IP address before it must prove by a cookie that it is there.
    pub handshakes_per_address: u64,
    /// Handshake messages per second from everywhere before all must prove it.
    pub handshakes: u64,
    /// Handshake messages with a proof per second that are worked on at all; each costs about 0.1 ms.
    pub handshakes_hard: u64,
    /// Datagrams that wait on one overlay port for its reader.
    pub port_queue: usize,
    /// Datagrams of Rosenpass, and of the bootstrap, that wait for their reader.
    pub side_queue: usize,
    /// Events that wait for their reader.
    pub event_queue: usize,
    /// Echo requests answered per second.
    pub echoes: u64,
    /// Kernel buffer of the UDP socket in each direction, bytes; the system may grant less.
    pub socket_buffer: usize,
    /// How long a busy UDP port is tried again before the start fails: one that was just given up can be busy still.
    pub bind_patience: Duration,
    /// A peer whose system says that nobody listens on its port is gone unless it answers within this time, or within
    /// three round trips where that is longer.
    pub refused_after: Duration,
    /// A peer that says nothing for this long although it was sent data is asked for a handshake, and is gone where it
    /// stays silent for the same time again.
    pub silent_after: Duration,
}

impl TunnelLimits {
    /// The values used where the operator says nothing.
    pub const DEFAULTS: Self = Self {
        peers: 1_024,
        handshakes_per_address: 100,
        handshakes: 200,
        handshakes_hard: 1_000,
        port_queue: 4_096,
        side_queue: 512,
        event_queue: 256,
        echoes: 100,
        socket_buffer: 4 << 20,
        bind_patience: Duration::from_secs(3),
        refused_after: Duration::from_millis(100),
        silent_after: Duration::from_secs(3),
    };
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
