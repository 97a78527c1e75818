//! One peer, as far as the driver has come with it.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::MeshError;
use crate::tunnel::rosenpass::KeyId;
use crate::tunnel::{RecordAddress, SignedPeerRecord};

/// Most addresses of a peer that are tried.
const MAX_ENDPOINTS: usize = 8;

/// Address and port of QUIC inside the tunnel.
pub(super) type Place = (Ipv6Addr, u16);
/// Whoever waits for the tunnel.
pub(super) type Waiting = oneshot::Sender<Result<Place, MeshError>>;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its record is sought.
    Seeking,
    /// Its Rosenpass key is fetched.
    Fetching,
    /// Keys are exchanged.
    Exchanging,
    /// Packets pass.
    Open,
}

impl Stage {
    /// For operators.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Seeking => "seeking",
            Self::Fetching => "fetching",
            Self::Exchanging => "exchanging",
            Self::Open => "open",
        }
    }
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub stage: Stage,
    pub record: Option<SignedPeerRecord>,
    /// Where it was seen, or is said to be by whoever dials; the newest first.
    seen: Vec<SocketAddr>,
    pub waiting: Vec<Waiting>,
    /// Its name in the key exchange, once it takes part.
    pub exchange: Option<KeyId>,
    /// Whether a WireGuard session was ever agreed upon: it holds the key that its record names.
    pub is_proven: bool,
    /// Since when it is at this stage.
    pub since: Instant,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Seeking,
            record: None,
            seen: Vec::new(),
            waiting: Vec::new(),
            exchange: None,
            is_proven: false,
            since: Instant::now(),
        }
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            (self.stage, self.since) = (stage, Instant::now());
        }
    }

    /// It is, or may be, at these addresses. Whether it is sought elsewhere, or in another order, than before.
    pub(super) fn note(&mut self, at: impl IntoIterator<Item = SocketAddr>) -> bool {
        let before = self.endpoints();
        for address in at {
            self.seen.retain(|known| *known != address);
            self.seen.insert(0, address);
        }
        self.seen.truncate(MAX_ENDPOINTS);
        self.endpoints() != before
    }

    /// It may be at these, too: they are tried behind those that are known.
    pub(super) fn add(&mut self, at: Vec<SocketAddr>) {
        for address in at {
            if !self.seen.contains(&address) {
                self.seen.push(address);
            }
        }
        self.seen.truncate(MAX_ENDPOINTS);
    }

    /// Where it may be, the likeliest first. Names of its record are not among them: whoever dials resolves them.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        let named = self.record.iter().flat_map(|signed| &signed.record().addresses);
        let ips = named.filter_map(|address| match address {
            RecordAddress::Ip(address) => Some(*address),
            RecordAddress::Name(..) => None,
        });
        let mut all = self.seen.clone();
        for address in ips {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all.truncate(MAX_ENDPOINTS);
        all
    }

    /// Names of its record, with their ports.
    pub(super) fn names(&self) -> Vec<(String, u16)> {
        let named = self.record.iter().flat_map(|signed| &signed.record().addresses);
        let name = |address: &RecordAddress| match address {
            RecordAddress::Ip(_) => None,
            RecordAddress::Name(host, port) => Some((host.clone(), *port)),
        };
        named.filter_map(name).collect()
    }

    /// Where QUIC listens inside its tunnel.
    pub(super) fn place(&self) -> Option<Place> {
        let record = self.record.as_ref()?.record();
        Some((record.tunnel.overlay(), record.port))
    }

    /// Tells whoever waits.
    pub(super) fn answer(&mut self, result: impl Fn() -> Result<Place, MeshError>) {
        for waiting in self.waiting.drain(..) {
            // Whoever does not wait any more needs no answer.
            let _ = waiting.send(result());
        }
    }
}
