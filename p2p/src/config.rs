//! What the node says about its network, checked once at the start.

use std::{collections::BTreeSet, fmt, io, time::Duration};

use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    identity::Keypair,
    multiaddr::Protocol,
};
use zeroize::Zeroizing;

use crate::{Error, Limits, limits::Rate};

#[cfg(test)]
mod tests;

/// Longest network id in bytes.
pub const MAX_NETWORK_BYTES: usize = 128;
/// Longest topic or protocol name in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most topics, and most protocols.
pub const MAX_SPECS: usize = 16;
/// No gossip message, request or response can be configured longer than this.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Builds the transport that carries everything: authenticated, multiplexed connections that name the remote
/// [`PeerId`]. Tunnels slide in here. The key pair is the node's identity.
pub type TransportFactory = Box<dyn FnOnce(&Keypair) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> + Send + 'static>;

/// A gossip topic. Every message on it waits for the node's [`crate::Verdict`] before it is forwarded.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSpec {
    /// Name, unique among the topics: 1 to 64 of `a-z A-Z 0-9 . _ - /`.
    pub name: String,
    /// Longest message in bytes.
    pub max_size: usize,
    /// How much conduct on this topic counts in a peer's score, above 0; 1.0 is usual.
    pub weight: f64,
}

impl TopicSpec {
    /// A topic of weight 1.
    pub fn new(name: impl Into<String>, max_size: usize) -> Self {
        Self { name: name.into(), max_size, weight: 1.0 }
    }
}

/// A request/response protocol of opaque bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolSpec {
    /// Name, unique among the protocols: 1 to 64 of `a-z A-Z 0-9 . _ - /`.
    pub name: String,
    /// Longest request in bytes.
    pub max_request: usize,
    /// Longest response in bytes.
    pub max_response: usize,
    /// Requests of one peer served at one time; also our own to one peer at one time.
    pub concurrent: usize,
    /// Time for the whole exchange, at both ends.
    pub timeout: Duration,
}

impl ProtocolSpec {
    /// A protocol with 4 requests per peer at one time and 10 s for each.
    pub fn new(name: impl Into<String>, max_request: usize, max_response: usize) -> Self {
        Self { name: name.into(), max_request, max_response, concurrent: 4, timeout: Duration::from_secs(10) }
    }
}

/// Everything that [`crate::start`] needs.
pub struct Config {
    /// Seed of the ed25519 peer key (RFC 8032 secret key), 32 bytes.
    pub secret_seed: Zeroizing<[u8; 32]>,
    /// The network's id: the chain id, or more. Peers of another network are disconnected. 1 to 128 of
    /// `a-z A-Z 0-9 . _ -`.
    pub network: String,
    /// Name and version of this program, told to peers.
    pub agent: String,
    /// Multiaddrs to listen on: `/ip4/…/tcp/…`, `/ip4/…/udp/…/quic-v1`. Port 0 takes a free one.
    pub listen: Vec<String>,
    /// Addresses under which others reach this node, where they differ from the listen addresses.
    pub external: Vec<String>,
    /// Peers to stay connected with: multiaddrs that end in `/p2p/<peer id>`.
    pub bootstrap: Vec<String>,
    /// Gossip topics, all subscribed.
    pub topics: Vec<TopicSpec>,
    /// Request/response protocols, all served.
    pub protocols: Vec<ProtocolSpec>,
    /// Every bound.
    pub limits: Limits,
    /// What [`crate::Handle::address_book`] gave before the last stop. An unreadable one is logged and left out.
    pub address_book: Option<Bytes>,
    /// The transport; `None` is TCP (noise, yamux) and QUIC with DNS names.
    pub transport: Option<TransportFactory>,
}

impl Config {
    /// A network without topics and protocols that listens on nothing.
    pub fn new(secret_seed: [u8; 32], network: impl Into<String>) -> Self {
        Self {
            secret_seed: Zeroizing::new(secret_seed),
            network: network.into(),
            agent: concat!("pyralog/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen: Vec::new(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            topics: Vec::new(),
            protocols: Vec::new(),
            limits: Limits::DEFAULTS,
            address_book: None,
            transport: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("network", &self.network)
            .field("agent", &self.agent)
            .field("listen", &self.listen)
            .field("external", &self.external)
            .field("bootstrap", &self.bootstrap)
            .field("topics", &self.topics)
            .field("protocols", &self.protocols)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The parsed form: addresses are addresses, names are unique, limits make sense together.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) network: String,
    pub(crate) agent: String,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) external: Vec<Multiaddr>,
    pub(crate) bootstrap: Vec<(PeerId, Multiaddr)>,
    pub(crate) topics: Vec<TopicSpec>,
    pub(crate) protocols: Vec<ProtocolSpec>,
    pub(crate) limits: Limits,
}

impl Settings {
    pub(crate) fn check(config: &Config) -> Result<Self, Error> {
        check_network(&config.network)?;
        if config.agent.is_empty() || config.agent.len() > 128 {
            return Err(Error::config("agent", "must have 1 to 128 bytes"));
        }
        check_names("topics", config.topics.iter().map(|topic| topic.name.as_str()))?;
        check_names("protocols", config.protocols.iter().map(|protocol| protocol.name.as_str()))?;
        for topic in &config.topics {
            check_size("topics", &topic.name, "max_size", topic.max_size)?;
            if !(topic.weight > 0.0 && topic.weight <= 100.0) {
                return Err(Error::config("topics", format!("{}: weight must be above 0 and at most 100", topic.name)));
            }
        }
        for protocol in &config.protocols {
            check_protocol(protocol, &config.limits)?;
        }
        check_limits(config)?;
        Ok(Self {
            network: config.network.clone(),
            agent: config.agent.clone(),
            listen: parse_all("listen", &config.listen)?,
            external: parse_all("external", &config.external)?,
            bootstrap: config
                .bootstrap
                .iter()
                .map(|text| parse_peer_address(text).map_err(|reason| Error::config("bootstrap", reason)))
                .collect::<Result<_, _>>()?,
            topics: config.topics.clone(),
            protocols: config.protocols.clone(),
            limits: config.limits.clone(),
        })
    }

    /// The name under which identify announces the network.
    pub(crate) fn protocol_version(&self) -> String {
        format!("/pyralog/{}/1", self.network)
    }

    /// A protocol name that only nodes of this network use.
    pub(crate) fn stream_protocol(&self, kind: &str, name: &str) -> Result<StreamProtocol, Error> {
        StreamProtocol::try_from_owned(format!("/pyralog/{}/{kind}/{name}", self.network))
            .map_err(|error| Error::config("protocols", error.to_string()))
    }

    /// The topic's name on the wire.
    pub(crate) fn wire_topic(&self, name: &str) -> String {
        format!("/pyralog/{}/topic/{name}", self.network)
    }
}

/// Splits a multiaddr that ends in `/p2p/<peer id>` into the peer and the rest.
///
/// # Errors
/// A sentence that says what is wrong with the address.
pub fn parse_peer_address(text: &str) -> Result<(PeerId, Multiaddr), String> {
    let mut address: Multiaddr = text.parse().map_err(|error| format!("`{text}` is no multiaddr: {error}"))?;
    match address.pop() {
        Some(Protocol::P2p(peer)) if !address.is_empty() => Ok((peer, address)),
        _ => Err(format!("`{text}` must be a full address that ends in /p2p/<peer id>")),
    }
}

fn parse_all(field: &'static str, texts: &[String]) -> Result<Vec<Multiaddr>, Error> {
    texts
        .iter()
        .map(|text| {
            text.parse::<Multiaddr>()
                .map_err(|error| Error::config(field, format!("`{text}` is no multiaddr: {error}")))
        })
        .collect()
}

fn check_network(network: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if network.is_empty() || network.len() > MAX_NETWORK_BYTES || !network.bytes().all(allowed) {
        return Err(Error::config("network", "must have 1 to 128 of the characters a-z A-Z 0-9 . _ -"));
    }
    Ok(())
}

fn check_names<'a>(field: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(allowed) {
            return Err(Error::config(field, format!("name `{name}` must have 1 to 64 of a-z A-Z 0-9 . _ - /")));
        }
        if !seen.insert(name) {
            return Err(Error::config(field, format!("`{name}` stands there twice")));
        }
    }
    if seen.len() > MAX_SPECS {
        return Err(Error::config(field, format!("more than {MAX_SPECS}")));
    }
    Ok(())
}

fn check_size(field: &'static str, name: &str, what: &str, size: usize) -> Result<(), Error> {
    if size == 0 || size > MAX_MESSAGE_BYTES {
        return Err(Error::config(field, format!("{name}: {what} must be 1 to {MAX_MESSAGE_BYTES} bytes")));
    }
    Ok(())
}

fn check_protocol(protocol: &ProtocolSpec, limits: &Limits) -> Result<(), Error> {
    check_size("protocols", &protocol.name, "max_request", protocol.max_request)?;
    check_size("protocols", &protocol.name, "max_response", protocol.max_response)?;
    if protocol.concurrent == 0 || protocol.concurrent > 256 {
        return Err(Error::config("protocols", format!("{}: concurrent must be 1 to 256", protocol.name)));
    }
    if protocol.timeout.is_zero() {
        return Err(Error::config("protocols", format!("{}: timeout must be above zero", protocol.name)));
    }
    if protocol.max_request > limits.request_in_flight_bytes {
        let reason = format!("must be at least the max_request of {} ({})", protocol.name, protocol.max_request);
        return Err(Error::config("limits.request_in_flight_bytes", reason));
    }
    Ok(())
}

fn check_limits(config: &Config) -> Result<(), Error> {
    let limits = &config.limits;
    let largest = config.topics.iter().map(|topic| topic.max_size).max().unwrap_or(0);
    if limits.gossip_in_flight_bytes < largest {
        return Err(Error::config("limits.gossip_in_flight_bytes", "is less than the largest topic's max_size"));
    }
    if limits.gossip_bytes.burst < largest as u64 {
        return Err(Error::config("limits.gossip_bytes", "its burst is less than the largest topic's max_size"));
    }
    let positive: [(&'static str, bool); 9] = [
        ("limits.event_queue", limits.event_queue > 0),
        ("limits.command_queue", limits.command_queue > 0),
        ("limits.max_connections", limits.max_connections > 0),
        ("limits.max_per_peer", limits.max_per_peer > 0),
        // Gossip, identify, ping and Kademlia alone need this many.
        ("limits.max_streams (at least 16)", limits.max_streams >= 16 && limits.max_streams <= 4_096),
        ("limits.gossip_send_queue", limits.gossip_send_queue > 0),
        ("limits.redial_min", !limits.redial_min.is_zero()),
        ("limits.ban_time", !limits.ban_time.is_zero()),
        ("limits.ping_interval", !limits.ping_interval.is_zero()),
    ];
    for (field, holds) in positive {
        if !holds {
            return Err(Error::config(field, "is too small or too large"));
        }
    }
    limits.members.check()?;
    let rates: [(&'static str, Rate, u64); 3] = [
        ("limits.gossip_rate", limits.gossip_rate, 2),
        ("limits.request_rate", limits.request_rate, 1),
        ("limits.violations", limits.violations, 1),
    ];
    for (field, rate, least) in rates {
        if rate.burst < least {
            return Err(Error::config(field, format!("its burst must be at least {least}")));
        }
    }
    Ok(())
}
