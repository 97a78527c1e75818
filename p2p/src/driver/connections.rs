//! Who is connected, and whether they belong here.

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    identify, ping,
    swarm::{ConnectionId, DialError, ListenError},
};

use crate::{Error, Event, discovery::address, peers::clean};

use super::Driver;

/// Most addresses of one peer that enter the routing table.
const MAX_ADDRESSES: usize = 16;

impl Driver {
    pub(super) fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        self.peers.opened(peer, id, endpoint, Instant::now());
        if let Some(answer) = self.dials.remove(&id) {
            // The caller may have stopped waiting.
            let _ = answer.send(Ok(()));
        }
    }

    pub(super) fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(was_member) = self.peers.closed(&peer, id) else { return };
        self.dialer.lost(&peer, Instant::now());
        if was_member {
            self.outbox.tell(Event::Disconnected { peer });
        }
    }

    pub(super) fn on_dial_failed(&mut self, id: ConnectionId, peer: Option<PeerId>, error: &DialError) {
        self.metrics.dial_failures.inc();
        let Some(peer) = peer else { return };
        tracing::debug!(%peer, %error, "dial failed");
        if let DialError::WrongPeerId { obtained, address } = error
            && self.settings.bootstrap.iter().any(|(bootstrap, _)| *bootstrap == peer)
            && self.may_warn()
        {
            tracing::warn!(%address, expected = %peer, %obtained, "another peer lives at this bootstrap address");
        }
        if let Some(answer) = self.dials.remove(&id) {
            let _ = answer.send(Err(Error::Unreachable { peer, reason: error.to_string() }));
        }
        if !self.peers.contains(&peer) {
            self.dialer.lost(&peer, Instant::now());
        }
    }

    pub(super) fn on_refused(&mut self, from: &Multiaddr, error: &ListenError) {
        if matches!(error, ListenError::Denied { .. }) {
            self.metrics.refused_connections.inc();
        }
        tracing::debug!(%from, %error, "inbound connection failed");
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        self.metrics.record(&event);
        match event {
            identify::Event::Received { peer_id, info, .. } => self.on_identified(peer_id, info),
            identify::Event::Error { peer_id, error, .. } => {
                // Without an answer the peer is disconnected when its time is over.
                tracing::debug!(peer = %peer_id, %error, "identify failed");
            }
            identify::Event::Sent { .. } | identify::Event::Pushed { .. } => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let ours = self.settings.protocol_version();
        if info.protocol_version != ours || info.public_key.to_peer_id() != peer {
            return self.turn_away_stranger(peer, &info, &ours);
        }
        let kad = &mut self.swarm.behaviour_mut().kad;
        let dialable = info.listen_addrs.iter().filter(|address| address::is_dialable(address, self.loopback));
        for address in dialable.take(MAX_ADDRESSES) {
            kad.add_address(&peer, address.clone());
        }
        if let Some(record) = info.signed_peer_record {
            self.book.insert(record);
        }
        self.dialer.connected(&peer);
        if self.peers.identified(&peer, &info.agent_version) {
            let score = self.score(&peer);
            if let Some(info) = self.peers.info(&peer, score) {
                tracing::info!(%peer, address = %info.address, agent = info.agent, "peer connected");
                self.outbox.tell(Event::Connected(info));
            }
        }
    }

    fn turn_away_stranger(&mut self, peer: PeerId, info: &identify::Info, ours: &str) {
        self.metrics.wrong_network.inc();
        if self.may_warn() {
            tracing::warn!(
                %peer,
                theirs = clean(&info.protocol_version),
                ours,
                agent = clean(&info.agent_version),
                "peer of another network: disconnecting it; check [p2p] bootstrap and the genesis file",
            );
        }
        self.book.remove(&peer);
        self.dialer.drop_known(&peer);
        self.swarm.behaviour_mut().kad.remove_peer(&peer);
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        self.metrics.record(&event);
        match event.result {
            Ok(time) => self.peers.set_round_trip(&event.peer, time),
            // Old or foreign software: identify decides about it.
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                tracing::debug!(peer = %event.peer, %error, "ping failed: closing the connection");
                if self.swarm.close_connection(event.connection) {
                    self.metrics.dead.inc();
                }
            }
        }
    }

    /// The gossip score; 0 for a peer without one.
    pub(super) fn score(&self, peer: &PeerId) -> f64 {
        self.swarm.behaviour().gossip.router.peer_score(peer).unwrap_or(0.0)
    }
}
