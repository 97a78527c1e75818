//! Listening and dialling inside the tunnels.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    identity::Keypair,
    multiaddr::Protocol,
};
use quinn::{Connecting, Endpoint, Incoming, TokioRuntime, rustls::pki_types::CertificateDer};

use super::{config::QuicConfig, muxer::Muxer, socket::OverlaySocket};
use crate::{
    Limits,
    error::PathError,
    transport::HANDSHAKE,
    tunnel::{core::Core, handle::overlay_address, link::Link},
};

/// Server name of every connection; certificates are checked by the key in them and not by a name.
const SERVER_NAME: &str = "l";

type Upgrade = BoxFuture<'static, Result<(PeerId, Muxer), PathError>>;

/// The transport. Addresses are `/ip6/<overlay address>/udp/<port>/quic-v1`, with `/p2p/<peer id>` where the peer is known.
pub(crate) struct TunnelTransport {
    core: Arc<Core>,
    config: QuicConfig,
    listeners: HashMap<ListenerId, Listener>,
    /// For dials while nothing listens.
    dialer: Option<Endpoint>,
    events: VecDeque<TransportEvent<Upgrade, PathError>>,
    waker: Option<Waker>,
}

struct Listener {
    endpoint: Endpoint,
    address: Multiaddr,
    accept: Fuse<BoxFuture<'static, Option<Incoming>>>,
}

impl TunnelTransport {
    pub(crate) fn new(core: Arc<Core>, keypair: &Keypair, limits: &Limits) -> io::Result<Self> {
        let config = QuicConfig::new(keypair, limits, &core.config.secret)?;
        Ok(Self { core, config, listeners: HashMap::new(), dialer: None, events: VecDeque::new(), waker: None })
    }

    fn endpoint(&self, port: u16, serves: bool) -> io::Result<(Endpoint, u16)> {
        let socket = OverlaySocket::bind(&self.core, port)?;
        let port = socket.port();
        let server = serves.then(|| self.config.server.clone());
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new_with_abstract_socket(self.config.endpoint.clone(), server, Arc::new(socket), runtime)?;
        Ok((endpoint, port))
    }

    fn dialing_endpoint(&mut self) -> io::Result<Endpoint> {
        if let Some(listener) = self.listeners.values().next() {
            return Ok(listener.endpoint.clone());
        }
        if let Some(dialer) = &self.dialer {
            return Ok(dialer.clone());
        }
        let (endpoint, _) = self.endpoint(0, false)?;
        Ok(self.dialer.insert(endpoint).clone())
    }

    fn connect(&mut self, ip: Ipv6Addr, port: u16, peer: Option<PeerId>) -> Result<Upgrade, PathError> {
        let link = self.core.table.by_overlay(&ip).filter(|link| link.lock().is_admitted());
        let link = link.ok_or(PathError::NoTunnel(ip))?;
        let config = self.config.client(peer)?;
        let connecting = self.dialing_endpoint()?.connect_with(config, (ip, port).into(), SERVER_NAME)?;
        Ok(finish(connecting, link).boxed())
    }
}

impl Transport for TunnelTransport {
    type Output = (PeerId, Muxer);
    type Error = PathError;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<PathError>> {
        let port = match parse(&address) {
            Some((ip, port, None)) if ip == self.core.overlay || ip.is_unspecified() => port,
            _ => return Err(TransportError::MultiaddrNotSupported(address)),
        };
        let (endpoint, port) = self.endpoint(port, true).map_err(|error| TransportError::Other(error.into()))?;
        let address = overlay_address(self.core.overlay, port);
        self.events.push_back(TransportEvent::NewAddress { listener_id: id, listen_addr: address.clone() });
        self.listeners.insert(id, Listener { accept: accept(&endpoint), endpoint, address });
        self.wake();
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(listener) = self.listeners.remove(&id) else { return false };
        // Its connections go on; only new ones are refused.
        listener.endpoint.set_server_config(None);
        self.events.push_back(TransportEvent::ListenerClosed { listener_id: id, reason: Ok(()) });
        self.wake();
        true
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Upgrade, TransportError<PathError>> {
        let Some((ip, port, peer)) = parse(&address).filter(|(ip, port, _)| is_overlay(*ip) && *port != 0) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        self.connect(ip, port, peer).map_err(TransportError::Other)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Upgrade, PathError>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        let this = &mut *self;
        for (&listener_id, listener) in &mut this.listeners {
            while let Poll::Ready(Some(incoming)) = listener.accept.poll_unpin(cx) {
                listener.accept = accept(&listener.endpoint);
                // The peer was removed a moment ago.
                let Some((link, from)) = sender(&this.core, &incoming) else {
                    incoming.refuse();
                    continue;
                };
                return Poll::Ready(TransportEvent::Incoming {
                    listener_id,
                    upgrade: async move { finish(incoming.accept()?, link).await }.boxed(),
                    local_addr: listener.address.clone(),
                    send_back_addr: from,
                });
            }
        }
        this.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl TunnelTransport {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn accept(endpoint: &Endpoint) -> Fuse<BoxFuture<'static, Option<Incoming>>> {
    let endpoint = endpoint.clone();
    async move { endpoint.accept().await }.boxed().fuse()
}

fn sender(core: &Core, incoming: &Incoming) -> Option<(Arc<Link>, Multiaddr)> {
    let SocketAddr::V6(from) = incoming.remote_address() else { return None };
    Some((core.table.by_overlay(from.ip())?, overlay_address(*from.ip(), from.port())))
}

/// Waits for the handshake, for at most [`HANDSHAKE`], and not for a peer that is given up meanwhile.
async fn finish(connecting: Connecting, link: Arc<Link>) -> Result<(PeerId, Muxer), PathError> {
    let mut lost = link.lost.subscribe();
    let connection = tokio::select! {
        connected = tokio::time::timeout(HANDSHAKE, connecting) => connected.map_err(|_| PathError::HandshakeTimeout)??,
        _ = lost.changed() => return Err(PathError::Lost),
    };
    let identity = connection.peer_identity().and_then(|identity| identity.downcast::<Vec<CertificateDer<'_>>>().ok());
    let certificates = identity.ok_or_else(|| PathError::Certificate("there is none".into()))?;
    let certificate = certificates.first().ok_or_else(|| PathError::Certificate("there is none".into()))?;
    let certificate =
        libp2p_tls::certificate::parse(certificate).map_err(|error| PathError::Certificate(error.to_string()))?;
    Ok((certificate.peer_id(), Muxer::new(connection, lost)))
}

/// Host, port and peer of an address of this transport's form.
fn parse(address: &Multiaddr) -> Option<(Ipv6Addr, u16, Option<PeerId>)> {
    let mut parts = address.iter();
    let (Protocol::Ip6(ip), Protocol::Udp(port), Protocol::QuicV1) = (parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    let peer = match parts.next() {
        None => None,
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    parts.next().is_none().then_some((ip, port, peer))
}

fn is_overlay(ip: Ipv6Addr) -> bool {
    ip.octets()[0] == 0xfd
}

#[cfg(test)]
#[path = "transport_test.rs"]
mod tests;
