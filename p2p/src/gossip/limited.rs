//! The router behind a rate limit for each peer.
//!
//! Gossipsub tells the application about new messages only; repetitions, control messages and subscriptions cost work
//! too, so the limit stands between a connection and the router, where all of them pass.
//!
//! It also mends what the router gets wrong where a peer was killed and started again while a connection of its earlier process still stands, as one
//! over QUIC does for a while. The router takes the new connection for a second way to a peer that knows everything, never says what we are
//! subscribed to, and so the peer's messages do not come here for as long as it is connected; and what we send goes into the dead connection.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub,
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};

use crate::{Limits, bucket::PeerBuckets};

use super::{Router, paths::Paths};

#[cfg(test)]
mod tests;

/// What a connection reports to the router.
type FromConnection = THandlerOutEvent<Router>;

/// Peers whose use is remembered.
const MAX_PEERS: usize = 4_096;

/// What the limited router reports.
#[derive(Debug)]
pub(crate) enum Event {
    /// From gossipsub itself.
    Router(gossipsub::Event),
    /// The peer ran over its rate this many times since the last report; those RPCs were dropped unseen.
    OverRate(PeerId, u64),
}

/// Gossipsub with a budget of units and bytes for each peer.
pub(crate) struct LimitedGossip {
    pub(crate) router: Router,
    units: PeerBuckets,
    bytes: PeerBuckets,
    /// One entry per peer at most.
    over: VecDeque<(PeerId, u64)>,
    paths: Paths,
    /// To be closed.
    closing: VecDeque<(PeerId, ConnectionId)>,
}

impl LimitedGossip {
    pub(crate) fn new(router: Router, limits: &Limits) -> Self {
        Self {
            router,
            units: PeerBuckets::new(limits.gossip_rate, MAX_PEERS),
            bytes: PeerBuckets::new(limits.gossip_bytes, MAX_PEERS),
            over: VecDeque::new(),
            paths: Paths::default(),
            closing: VecDeque::new(),
        }
    }

    /// A connection of a peer has ended and others have not: says once more what we are subscribed to. It may have been said where nobody hears it.
    /// Saying it twice does nothing.
    fn greet(&mut self, closed: &ConnectionClosed<'_>) {
        // The router says it to whoever was not connected before. Of the connection it reads the address only, and takes that back when it hears
        // of the end.
        self.router.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: closed.peer_id,
            connection_id: closed.connection_id,
            endpoint: closed.endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
    }

    fn admit(&mut self, peer: PeerId, event: &FromConnection, now: Instant) -> bool {
        let FromConnection::Message { rpc, invalid_messages } = event else { return true };
        let messages = rpc.messages.len() + invalid_messages.len();
        let units = 1 + messages + rpc.subscriptions.len() + rpc.control_msgs.len();
        let valid: usize = rpc.messages.iter().map(|message| message.data.len()).sum();
        let invalid: usize = invalid_messages.iter().map(|(message, _)| message.data.len()).sum();
        // Both are charged whatever the other says: a peer over one rate does not save the other.
        let units = self.units.take(peer, units as u64, now);
        let bytes = self.bytes.take(peer, (valid + invalid) as u64, now);
        units && bytes
    }

    fn report(&mut self, peer: PeerId) {
        match self.over.iter_mut().find(|(known, _)| *known == peer) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.over.push_back((peer, 1)),
        }
    }
}

impl NetworkBehaviour for LimitedGossip {
    type ConnectionHandler = THandler<Router>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.router.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.router.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.router.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.router.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(opened) => {
                self.paths.opened(opened.peer_id, opened.connection_id, Instant::now());
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.paths.closed(&closed.peer_id, closed.connection_id);
                if closed.remaining_established > 0 {
                    self.greet(closed);
                }
            }
            _ => {}
        }
        self.router.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        if self.admit(peer, &event, Instant::now()) {
            if matches!(&event, FromConnection::Message { rpc, .. } if !rpc.subscriptions.is_empty()) {
                let left = self.paths.left_behind(&peer, connection);
                self.closing.extend(left.into_iter().map(|id| (peer, id)));
            }
            self.router.on_connection_handler_event(peer, connection, event);
        } else {
            self.report(peer);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer, count)) = self.over.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(Event::OverRate(peer, count)));
        }
        if let Some((peer_id, id)) = self.closing.pop_front() {
            tracing::debug!(peer = %peer_id, "closing a connection of an earlier process of the peer");
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) });
        }
        self.router.poll(cx).map(|event| event.map_out(Event::Router))
    }
}
