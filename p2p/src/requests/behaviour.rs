//! Several request/response protocols as one behaviour: libp2p's own handles one set of limits and one timeout only.

use std::task::{Context, Poll};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    request_response as rr,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, handler::multi::MultiHandler,
    },
};

use super::codec::{Codec, Request, Response};

type One = rr::Behaviour<Codec>;

/// An event of the protocol with this index.
pub(crate) type Event = (usize, rr::Event<Request, Response>);

/// The protocols in the order of the configuration; an index stands for a protocol.
pub(crate) struct Requests {
    protocols: Vec<One>,
    /// Where the next poll starts, so that a busy protocol does not starve the others.
    next: usize,
}

impl Requests {
    pub(crate) fn new(protocols: Vec<One>) -> Self {
        Self { protocols, next: 0 }
    }

    pub(crate) fn get_mut(&mut self, protocol: usize) -> Option<&mut One> {
        self.protocols.get_mut(protocol)
    }

    fn handlers(
        &mut self,
        build: impl FnMut(&mut One) -> Result<THandler<One>, ConnectionDenied>,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handlers = self.protocols.iter_mut().map(build).collect::<Result<Vec<_>, _>>()?;
        MultiHandler::try_from_iter(handlers.into_iter().enumerate()).map_err(ConnectionDenied::new)
    }
}

impl NetworkBehaviour for Requests {
    type ConnectionHandler = MultiHandler<usize, THandler<One>>;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handlers(|one| one.handle_established_inbound_connection(id, peer, local, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handlers(|one| one.handle_established_outbound_connection(id, peer, address, role, port))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        for one in &mut self.protocols {
            one.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (protocol, event): THandlerOutEvent<Self>,
    ) {
        if let Some(one) = self.protocols.get_mut(protocol) {
            one.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        for step in 0..self.protocols.len() {
            let index = (self.next + step) % self.protocols.len();
            if let Poll::Ready(event) = self.protocols[index].poll(cx) {
                self.next = index + 1;
                return Poll::Ready(event.map_out(|event| (index, event)).map_in(|event| (index, event)));
            }
        }
        Poll::Pending
    }
}
