//! The transport that brings about a tunnel before it connects inside.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::handle::Mesh;
use crate::members::common::lock;
use crate::tunnel::RecordAddress;
use crate::tunnel::handle::overlay_address;
use crate::tunnel::record::is_overlay;

/// A tunnel that has not come about by then is given up: record, key and key exchange take three rounds and half a MiB.
const OPEN: Duration = Duration::from_secs(20);
/// A name that is not resolved by then is none.
const RESOLVE: Duration = Duration::from_secs(5);
/// Most addresses of a name that are tried.
const RESOLVED: usize = 4;

type Inner = Boxed<(PeerId, StreamMuxerBox)>;
type Output = (PeerId, StreamMuxerBox);

/// See the [module](super).
pub(super) struct MeshTransport {
    inner: Arc<Mutex<Inner>>,
    mesh: Mesh,
}

impl MeshTransport {
    pub(super) fn new(inner: Inner, mesh: Mesh) -> Self {
        Self { inner: Arc::new(Mutex::new(inner)), mesh }
    }
}

impl Transport for MeshTransport {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = <Inner as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Output>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        lock(&self.inner).listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        lock(&self.inner).remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some((place, peer)) = parse(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (inner, mesh) = (Arc::clone(&self.inner), self.mesh.clone());
        Ok(async move {
            let at = place.resolve().await?;
            let opened = timeout(OPEN, mesh.open(peer, at)).await;
            let (ip, port) = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(io::Error::other)?;
            let address = overlay_address(ip, port).with(Protocol::P2p(peer));
            let dialling = lock(&inner).dial(address, options);
            match dialling {
                Ok(dialling) => dialling.await,
                Err(TransportError::Other(error)) => Err(error),
                Err(unsupported) => Err(io::Error::other(unsupported.to_string())),
            }
        }
        .boxed())
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut *lock(&self.inner)).poll(cx)
    }
}

/// Where a peer is dialled.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Inside its tunnel: says nothing about where that one is.
    Inside,
    /// Its tunnel's socket.
    Outside(SocketAddr),
    /// The same by name.
    Named(String, u16),
}

impl Place {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Inside => Ok(Vec::new()),
            Self::Outside(address) => Ok(vec![address]),
            Self::Named(host, port) => resolve(&host, port).await,
        }
    }
}

/// Addresses of a name.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = timeout(RESOLVE, lookup_host((host, port))).await;
    Ok(found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.take(RESOLVED).collect())
}

/// `/ip4|ip6|dns…/HOST/udp/PORT/p2p/PEER` is the tunnel's socket, `/ip6/fd…/udp/PORT/quic-v1/p2p/PEER` an address inside.
fn parse(address: &Multiaddr) -> Option<(Place, PeerId)> {
    let mut address = address.clone();
    let Some(Protocol::P2p(peer)) = address.pop() else { return None };
    let mut inside = address.clone();
    if inside.pop() == Some(Protocol::QuicV1) {
        let overlay = RecordAddress::socket(&inside).is_some_and(|inside| is_overlay(inside.ip()));
        return overlay.then_some((Place::Inside, peer));
    }
    let place = match RecordAddress::from_multiaddr(&address)? {
        RecordAddress::Ip(address) => Place::Outside(address),
        RecordAddress::Name(host, port) => Place::Named(host, port),
    };
    Some((place, peer))
}

#[cfg(test)]
#[path = "transport_test.rs"]
mod tests;
