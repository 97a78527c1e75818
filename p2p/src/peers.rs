//! The connections there are, by peer.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant, SystemTime},
};

use libp2p::{Multiaddr, PeerId, core::ConnectedPoint, multiaddr::Protocol, swarm::ConnectionId};

use crate::{Direction, PeerInfo};

#[cfg(test)]
mod tests;

#[derive(Debug)]
struct Connection {
    address: Multiaddr,
    direction: Direction,
    since: SystemTime,
}

/// A peer with at least one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    connections: BTreeMap<ConnectionId, Connection>,
    /// When the first of the present connections began.
    began: Instant,
    /// Its agent text once it has shown that it belongs to the network.
    agent: Option<String>,
    round_trip: Option<Duration>,
}

/// All connected peers, those still to be identified included.
#[derive(Debug, Default)]
pub(crate) struct Peers(HashMap<PeerId, Peer>);

impl Peers {
    /// A connection began.
    pub(crate) fn opened(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint, now: Instant) {
        let mut address = endpoint.get_remote_address().clone();
        if let Some(Protocol::P2p(_)) = address.iter().last() {
            address.pop();
        }
        let connection = Connection {
            address,
            direction: if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound },
            since: SystemTime::now(),
        };
        let peer = self.0.entry(peer).or_insert_with(|| Peer {
            connections: BTreeMap::new(),
            began: now,
            agent: None,
            round_trip: None,
        });
        peer.connections.insert(id, connection);
    }

    /// A connection ended. Returns whether it was the last one of a peer that had been identified, `None` while others
    /// remain.
    pub(crate) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> Option<bool> {
        let entry = self.0.get_mut(peer)?;
        entry.connections.remove(&id);
        if !entry.connections.is_empty() {
            return None;
        }
        self.0.remove(peer).map(|gone| gone.agent.is_some())
    }

    /// The peer belongs to the network. Returns whether that is news.
    pub(crate) fn identified(&mut self, peer: &PeerId, agent: &str) -> bool {
        let Some(entry) = self.0.get_mut(peer) else { return false };
        entry.agent.replace(clean(agent)).is_none()
    }

    /// Whether the peer is connected and belongs to the network.
    pub(crate) fn is_identified(&self, peer: &PeerId) -> bool {
        self.0.get(peer).is_some_and(|entry| entry.agent.is_some())
    }

    pub(crate) fn set_round_trip(&mut self, peer: &PeerId, time: Duration) {
        if let Some(entry) = self.0.get_mut(peer) {
            entry.round_trip = Some(time);
        }
    }

    /// Peers that have been connected since before `deadline` without saying who they are.
    pub(crate) fn silent_since(&self, deadline: Instant) -> Vec<PeerId> {
        let silent = |entry: &Peer| entry.agent.is_none() && entry.began <= deadline;
        self.0.iter().filter(|(_, entry)| silent(entry)).map(|(peer, _)| *peer).collect()
    }

    /// Every peer with a connection.
    pub(crate) fn all(&self) -> Vec<PeerId> {
        self.0.keys().copied().collect()
    }

    /// Every peer that is identified.
    pub(crate) fn members(&self) -> Vec<PeerId> {
        self.0.iter().filter(|(_, entry)| entry.agent.is_some()).map(|(peer, _)| *peer).collect()
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.0.contains_key(peer)
    }

    /// How many identified peers come by each direction: (inbound, outbound).
    pub(crate) fn count(&self) -> (usize, usize) {
        let inbound = |entry: &Peer| entry.first().is_some_and(|first| first.direction == Direction::Inbound);
        let members = self.0.values().filter(|entry| entry.agent.is_some());
        members.fold(
            (0, 0),
            |(inward, outward), entry| {
                if inbound(entry) { (inward + 1, outward) } else { (inward, outward + 1) }
            },
        )
    }

    /// What there is to say of an identified peer.
    pub(crate) fn info(&self, peer: &PeerId, score: f64) -> Option<PeerInfo> {
        let entry = self.0.get(peer)?;
        let (agent, first) = (entry.agent.clone()?, entry.first()?);
        Some(PeerInfo {
            peer_id: *peer,
            address: first.address.clone(),
            direction: first.direction,
            agent,
            score,
            connected_since: first.since,
            round_trip: entry.round_trip,
        })
    }
}

impl Peer {
    /// The oldest connection: ids only grow.
    fn first(&self) -> Option<&Connection> {
        self.connections.values().next()
    }
}

/// A peer's text for logs and screens: no control characters, at most 128 bytes.
pub(crate) fn clean(text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut end = clean.len().min(128);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean.truncate(end);
    clean
}
