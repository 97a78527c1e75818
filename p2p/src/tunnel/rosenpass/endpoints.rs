//! Where a peer may be.

use std::net::SocketAddr;

/// Addresses of one peer that count.
const MOST: usize = 8;
/// Datagrams of a handshake that go to the proven address before the others are tried as well.
const LOYALTY: u32 = 2;

/// The address at which a peer was last proven to be, and those that the caller has named.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    proven: Option<SocketAddr>,
    named: Vec<SocketAddr>,
}

impl Endpoints {
    pub(super) fn new(named: Vec<SocketAddr>) -> Self {
        let mut endpoints = Self::default();
        endpoints.name(named);
        endpoints
    }

    pub(super) fn name(&mut self, mut named: Vec<SocketAddr>) {
        named.truncate(MOST);
        self.named = named;
    }

    /// The peer has proven to be here.
    pub(super) fn prove(&mut self, at: SocketAddr) {
        self.proven = Some(at);
    }

    pub(super) fn is_proven(&self, at: SocketAddr) -> bool {
        self.proven == Some(at)
    }

    /// Where to send the datagram number `sent` of a handshake, counted from 0.
    pub(super) fn choose(&self, sent: u32) -> Option<SocketAddr> {
        if let (Some(proven), true) = (self.proven, sent < LOYALTY) {
            return Some(proven);
        }
        let all: Vec<_> = self.proven.iter().chain(self.named.iter().filter(|at| !self.is_proven(**at))).collect();
        all.get(sent as usize % all.len().max(1)).map(|at| **at)
    }
}
