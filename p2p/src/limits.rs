//! Every bound of the network in one place.

use std::time::Duration;

use crate::MemberLimits;

#[cfg(test)]
#[path = "limits_test.rs"]
mod tests;

/// A token bucket's shape: `per_second` tokens come back each second, at most `burst` are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens returned per second.
    pub per_second: u64,
    /// The most tokens a bucket holds, and what it starts with.
    pub burst: u64,
}

impl Rate {
    /// A rate of `per_second` with a burst of `burst`.
    pub const fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst }
    }
}

/// What one process is willing to spend on the network. [`Limits::DEFAULTS`] suits a validator among 4 to 100.
///
/// Worst-case memory of the parts that peers can drive: gossip being judged `gossip_in_flight_bytes`, requests being
/// served `request_in_flight_bytes`, answers `requests_served` times the largest response, sending per peer
/// `gossip_send_queue` times the largest topic, and 256 KiB of receive window per open stream.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound connections still in their handshake.
    pub max_pending_incoming: u32,
    /// Outbound connections still in their handshake.
    pub max_pending_outgoing: u32,
    /// Established inbound connections. Less than `max_connections`, so that attackers who dial us cannot take every
    /// place (eclipse).
    pub max_incoming: u32,
    /// Established outbound connections.
    pub max_outgoing: u32,
    /// Established connections in all.
    pub max_connections: u32,
    /// Established connections with one peer; 2, because both ends may dial at the same moment.
    pub max_per_peer: u32,
    /// New connections are refused while the process's resident memory is above this many bytes.
    pub max_process_memory: Option<usize>,
    /// Streams open at one time on one connection.
    pub max_streams: usize,
    /// A connected peer that has not told its network by then is disconnected.
    pub identify_timeout: Duration,
    /// Time between two pings of a connection.
    pub ping_interval: Duration,
    /// A ping unanswered for this long has failed. libp2p forgives the first failure and gives the next ping's stream 10 s
    /// to open, so a connection that stands still is closed about `ping_interval + ping_timeout + 10 s` later.
    pub ping_timeout: Duration,

    /// Gossip units per peer: one for each RPC and one for each message, subscription and control entry in it.
    pub gossip_rate: Rate,
    /// Gossip payload bytes per peer.
    pub gossip_bytes: Rate,
    /// Messages waiting to be sent to one peer; more are dropped (slow peer).
    pub gossip_send_queue: usize,
    /// Bytes of gossip handed to the node whose [`crate::MessageRef`] it still holds; above it gossip is ignored.
    pub gossip_in_flight_bytes: usize,

    /// Requests per peer, all protocols together.
    pub request_rate: Rate,
    /// Requests of peers being read or served at one time.
    pub requests_served: usize,
    /// Our own requests under way at one time.
    pub requests_sent: usize,
    /// Bytes of requests read and not yet answered.
    pub request_in_flight_bytes: usize,

    /// Events waiting for the node; when full, requests are refused and gossip is ignored.
    pub event_queue: usize,
    /// Commands waiting for the swarm task; when full, callers wait.
    pub command_queue: usize,

    /// How often a peer may run over `gossip_rate`, `gossip_bytes` or `request_rate` before it is banned.
    pub violations: Rate,
    /// Length of a first ban; it doubles with every further one up to `max_ban_time`.
    pub ban_time: Duration,
    /// The longest ban.
    pub max_ban_time: Duration,

    /// Known peers are dialled while fewer than this many are connected.
    pub target_peers: usize,
    /// Peers kept in the address book.
    pub known_peers: usize,
    /// First wait before a lost or unreachable bootstrap peer is dialled again; doubles with each failure.
    pub redial_min: Duration,
    /// The longest such wait.
    pub redial_max: Duration,

    /// The links between the members of a cluster.
    pub members: MemberLimits,
}

impl Limits {
    /// The values used where the operator says nothing.
    pub const DEFAULTS: Self = Self {
        max_pending_incoming: 32,
        max_pending_outgoing: 32,
        max_incoming: 96,
        max_outgoing: 64,
        max_connections: 128,
        max_per_peer: 2,
        max_process_memory: Some(4 << 30),
        max_streams: 128,
        identify_timeout: Duration::from_secs(10),
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(10),
        gossip_rate: Rate::new(2_000, 10_000),
        gossip_bytes: Rate::new(32 << 20, 128 << 20),
        gossip_send_queue: 512,
        gossip_in_flight_bytes: 64 << 20,
        request_rate: Rate::new(100, 400),
        requests_served: 64,
        requests_sent: 128,
        request_in_flight_bytes: 32 << 20,
        event_queue: 2_048,
        command_queue: 256,
        violations: Rate::new(1, 200),
        ban_time: Duration::from_secs(60),
        max_ban_time: Duration::from_secs(24 * 60 * 60),
        target_peers: 32,
        known_peers: 1_024,
        redial_min: Duration::from_millis(500),
        redial_max: Duration::from_secs(30),
        members: MemberLimits::DEFAULTS,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
