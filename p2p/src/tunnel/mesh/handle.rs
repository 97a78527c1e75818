//! Starting, asking and stopping a mesh.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, Transport};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::config::MeshConfig;
use super::driver::{Driver, Inlets, Parts};
use super::exchange::Exchange;
use super::peer::Place;
use super::status::LinkStatus;
use super::transport::MeshTransport;
use crate::members::common::lock;
use crate::tunnel::{PostQuantum, RecordAddress, Tunnel, TunnelCounters, TunnelKey};
use crate::{Limits, MeshError, TransportFactory};

/// Calls that wait for the driver.
const COMMANDS: usize = 256;

/// What the driver is asked.
pub(super) enum Command {
    /// Bring about the tunnel to a peer, which may be at these addresses.
    Open(PeerId, Vec<SocketAddr>, oneshot::Sender<Result<Place, MeshError>>),
    /// A peer may be at these addresses, which its names were resolved to.
    Located(PeerId, Vec<SocketAddr>),
    /// How all stand.
    Links(oneshot::Sender<Vec<LinkStatus>>),
    /// The records of all peers.
    Records(oneshot::Sender<Vec<u8>>),
}

/// A running mesh. Clones steer the same one; it ends with the last, or by [`Mesh::stop`].
#[derive(Clone, Debug)]
pub struct Mesh {
    tunnel: Tunnel,
    commands: mpsc::Sender<Command>,
    port: u16,
    addresses: Arc<[RecordAddress]>,
    driver: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Mesh {
    /// Binds the tunnel's socket, signs our record, and begins to answer those who ask for it.
    ///
    /// # Errors
    /// [`MeshError::NoKeys`] where post-quantum keys are required and there are none, [`MeshError::Tunnel`] where the socket cannot be bound,
    /// [`MeshError::Record`] where the record cannot be signed.
    pub async fn start(config: MeshConfig) -> Result<Self, MeshError> {
        let needs_keys = config.tunnel.post_quantum == PostQuantum::Required;
        if needs_keys && config.rosenpass.is_none() {
            return Err(MeshError::NoKeys);
        }
        let (tunnel, queues) = Tunnel::start(config.tunnel.clone()).await?;
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let port = config.port;
        let (mut config, mut exchange, mut effects, mut key) = (config, None, None, None);
        let bound = tunnel.local_addr();
        if config.addresses.is_empty() && !bound.ip().is_unspecified() {
            config.addresses.push(RecordAddress::Ip(bound));
        }
        for address in &mut config.addresses {
            match address {
                RecordAddress::Ip(address) if address.port() == 0 => address.set_port(bound.port()),
                RecordAddress::Name(_, port) if *port == 0 => *port = bound.port(),
                _ => {}
            }
        }
        let addresses = config.addresses.clone().into();
        if let Some(keys) = config.rosenpass.take().filter(|_| needs_keys) {
            key = Some(keys.public.clone());
            let (started, queue) = Exchange::start(keys).map_err(|error| MeshError::Thread(error.to_string()))?;
            (exchange, effects) = (Some(started), Some(queue));
        }
        let parts = Parts { tunnel: tunnel.clone(), commands: commands.downgrade(), exchange, key };
        let inlets = Inlets { queues, commands: command_queue, effects };
        let driver = tokio::spawn(Driver::new(config, parts)?.run(inlets));
        Ok(Self { tunnel, commands, port, addresses, driver: Arc::new(Mutex::new(Some(driver))) })
    }

    /// Our WireGuard public key.
    #[must_use]
    pub fn key(&self) -> TunnelKey {
        self.tunnel.key()
    }

    /// Our address inside the tunnels.
    #[must_use]
    pub fn overlay(&self) -> Ipv6Addr {
        self.tunnel.overlay()
    }

    /// The name of the network device, where there is one.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        self.tunnel.device()
    }

    /// Address and port of the socket.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.tunnel.local_addr()
    }

    /// Where our record says that others reach the socket.
    #[must_use]
    pub fn addresses(&self) -> &[RecordAddress] {
        &self.addresses
    }

    /// What to put into [`crate::Config::listen`].
    #[must_use]
    pub fn listen_address(&self) -> Multiaddr {
        self.tunnel.listen_address(self.port)
    }

    /// What to put into [`crate::Config::transport`]. A node whose configuration has this transport reaches nobody outside its tunnels.
    #[must_use]
    pub fn transport(&self, limits: &Limits) -> TransportFactory {
        let (inner, mesh) = (self.tunnel.transport(limits), self.clone());
        Box::new(move |keypair| Ok(MeshTransport::new(inner(keypair)?, mesh).boxed()))
    }

    /// Brings about the tunnel to a peer, at these addresses or those that others tell. Where it can be reached inside.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, peer: PeerId, at: Vec<SocketAddr>) -> Result<(Ipv6Addr, u16), MeshError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Open(peer, at, reply)).await.map_err(|_| MeshError::Closed)?;
        answer.await.map_err(|_| MeshError::Closed)?
    }

    /// All tunnels: nodes by peer id, then the peers without one.
    pub async fn links(&self) -> Vec<LinkStatus> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Links(reply)).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// What came to the socket and went nowhere.
    #[must_use]
    pub fn counters(&self) -> TunnelCounters {
        self.tunnel.counters()
    }

    /// The records of all peers, for [`MeshConfig::records`] of the next start.
    pub async fn records(&self) -> Bytes {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Records(reply)).await.is_err() {
            return Bytes::new();
        }
        answer.await.unwrap_or_default().into()
    }

    /// Stops the driver and the tunnel. Close the network first.
    pub async fn stop(&self) {
        let driver = lock(&self.driver).take();
        if let Some(driver) = driver {
            driver.abort();
            // An aborted task answers with that.
            let _ = driver.await;
        }
        self.tunnel.stop().await;
    }
}
