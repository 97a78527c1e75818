//! Starting, steering and stopping a tunnel.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use quinn::udp::RecvMeta;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
};

use super::{
    LinkStats, PresharedKey, SideDatagram, TunnelConfig, TunnelCounters, TunnelEvent, TunnelKey, TunnelPeer,
    core::{Core, Outlets},
    datagram::MAX_SIDE_DATAGRAM,
    device::Device,
    link::Link,
    outgoing::Replies,
    passage,
    ports::Delivery,
    quic,
    socket::{OuterSocket, RECEIVE_BATCH, RECEIVE_BUFFER},
};
use crate::{Limits, TransportFactory, TunnelError, members::common::lock};

/// System calls between two looks at whether other tasks want to run.
const READS_IN_A_ROW: usize = 16;
/// Wait after an unexpected error of the socket, which must not make a task spin.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// What comes out of a tunnel beside the connections. Each queue is bounded; what finds it full is dropped and counted.
#[derive(Debug)]
pub struct TunnelQueues {
    /// Datagrams of Rosenpass.
    pub rosenpass: mpsc::Receiver<SideDatagram>,
    /// Datagrams of the bootstrap.
    pub bootstrap: mpsc::Receiver<SideDatagram>,
    /// What happens to the links.
    pub events: mpsc::Receiver<TunnelEvent>,
}

/// A running tunnel: one UDP socket and the peers behind it. Clones steer the same one.
/// When the last is dropped, or by [`Tunnel::stop`], it ends.
#[derive(Clone, Debug)]
pub struct Tunnel {
    core: Arc<Core>,
    tasks: Arc<Tasks>,
    listen: SocketAddr,
    echo: Arc<AtomicU16>,
}

impl Tunnel {
    /// Binds the socket, makes the device where one is wanted, and starts the engine, without peers.
    ///
    /// # Errors
    /// [`TunnelError::Listen`] where the port stays busy for [`super::TunnelLimits::bind_patience`] or cannot be bound;
    /// [`TunnelError::NoCapability`] and [`TunnelError::Device`] where there can be no device.
    pub async fn start(config: TunnelConfig) -> Result<(Self, TunnelQueues), TunnelError> {
        let socket = Arc::new(OuterSocket::bind(&config).await?);
        let failed = |error: io::Error| TunnelError::Listen { address: config.listen, reason: error.to_string() };
        let listen = socket.local_addr().map_err(failed)?;
        let device = match &config.device {
            Some(name) => Some(Arc::new(Device::open(name, config.secret.public().overlay()).await?)),
            None => None,
        };
        let (rosenpass, rosenpass_queue) = mpsc::channel(config.limits.side_queue.max(1));
        let (bootstrap, bootstrap_queue) = mpsc::channel(config.limits.side_queue.max(1));
        let (events, event_queue) = mpsc::channel(config.limits.event_queue.max(1));
        let outlets = Outlets { rosenpass, bootstrap, events };
        let core = Arc::new(Core::new(config, Arc::clone(&socket), device.clone(), outlets));
        let mut tasks = vec![
            tokio::spawn(receive(Arc::clone(&core), Arc::clone(&socket))),
            tokio::spawn(keep_time(Arc::clone(&core), Arc::clone(&socket))),
        ];
        tasks.extend(device.map(|device| tokio::spawn(passage::carry(Arc::clone(&core), device, socket))));
        let tunnel = Self { core, tasks: Arc::new(Tasks(Mutex::new(tasks))), listen, echo: Arc::default() };
        Ok((tunnel, TunnelQueues { rosenpass: rosenpass_queue, bootstrap: bootstrap_queue, events: event_queue }))
    }

    /// Our static public key.
    #[must_use]
    pub fn key(&self) -> TunnelKey {
        self.core.key
    }

    /// Our address inside the tunnels.
    #[must_use]
    pub fn overlay(&self) -> Ipv6Addr {
        self.core.overlay
    }

    /// The name of the device, where there is one.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        self.core.device().map(|device| device.name().to_owned())
    }

    /// Address and port of the socket.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.listen
    }

    /// What to put into [`crate::Config::listen`]: port `port` of our address inside the tunnels.
    #[must_use]
    pub fn listen_address(&self, port: u16) -> Multiaddr {
        overlay_address(self.overlay(), port)
    }

    /// What to put into [`crate::Config::transport`]: QUIC inside the tunnels, and nothing else. A node whose configuration
    /// has this transport cannot reach anybody outside them.
    #[must_use]
    pub fn transport(&self, limits: &Limits) -> TransportFactory {
        let (core, limits) = (Arc::clone(&self.core), limits.clone());
        Box::new(move |keypair| quic::boxed(core, keypair, &limits))
    }

    /// Adds a peer or changes its endpoint and keepalive. Where post-quantum keys are required it may speak only after
    /// [`Tunnel::set_preshared_key`].
    ///
    /// # Errors
    /// [`TunnelError::OwnKey`], [`TunnelError::TooManyPeers`].
    pub fn set_peer(&self, peer: &TunnelPeer) -> Result<(), TunnelError> {
        if peer.key == self.core.key {
            return Err(TunnelError::OwnKey);
        }
        let (link, new) = self.core.table.insert(peer)?;
        if !new {
            link.lock().change(peer);
        } else if !self.core.needs_key() {
            self.core.admit(&link, None);
        }
        self.core.poke.notify_one();
        Ok(())
    }

    /// Removes a peer with its sessions and its key; its connections end. Whether there was one.
    pub fn remove_peer(&self, key: &TunnelKey) -> bool {
        let Some(link) = self.core.table.remove(key) else { return false };
        link.lost.send_modify(|times| *times += 1);
        true
    }

    /// Sets a peer's preshared key. The first one lets it speak, and begins a handshake where its endpoint is known. A later
    /// one is used from the next handshake on: running sessions go on, so no packet is lost.
    ///
    /// # Errors
    /// [`TunnelError::UnknownPeer`].
    pub fn set_preshared_key(&self, key: &TunnelKey, preshared: PresharedKey) -> Result<(), TunnelError> {
        let link = self.link(key)?;
        let first = !link.lock().is_admitted();
        self.core.admit(&link, Some(preshared));
        if first {
            self.send(self.core.initiate(&link));
        }
        Ok(())
    }

    /// Forgets a peer's key and sessions. Where post-quantum keys are required nothing passes until the next key.
    ///
    /// # Errors
    /// [`TunnelError::UnknownPeer`].
    pub fn forget_preshared_key(&self, key: &TunnelKey) -> Result<(), TunnelError> {
        let link = self.link(key)?;
        link.lock().silence();
        if !self.core.needs_key() {
            self.core.admit(&link, None);
        }
        Ok(())
    }

    /// Begins a handshake with a peer now, whatever the age of its session. Sessions go on until it has succeeded.
    ///
    /// # Errors
    /// [`TunnelError::UnknownPeer`].
    pub fn rekey(&self, key: &TunnelKey) -> Result<(), TunnelError> {
        let link = self.link(key)?;
        self.send(self.core.initiate(&link));
        Ok(())
    }

    /// Round trip of an ICMPv6 echo inside the tunnel; `None` where no answer came in time.
    ///
    /// # Errors
    /// [`TunnelError::UnknownPeer`].
    pub async fn ping(&self, key: &TunnelKey, patience: Duration) -> Result<Option<Duration>, TunnelError> {
        let link = self.link(key)?;
        let mut pongs = self.core.pongs.subscribe();
        let sequence = self.echo.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        self.send(self.core.echo(&link, sequence));
        let answered = tokio::time::timeout(patience, async {
            loop {
                match pongs.recv().await {
                    Ok(pong) if pong == (link.overlay, sequence) => return true,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        });
        Ok(answered.await.unwrap_or(false).then(|| began.elapsed()))
    }

    /// Sends a datagram of Rosenpass or of the bootstrap; `data` begins with a byte of its protocol's range.
    ///
    /// # Errors
    /// [`TunnelError::Side`] where it is too long or of no such protocol, [`TunnelError::Closed`].
    pub fn send_side(&self, to: SocketAddr, data: &[u8]) -> Result<(), TunnelError> {
        let known = data.first().is_some_and(|first| super::SideProtocol::of(*first).is_some());
        if !known || data.len() > MAX_SIDE_DATAGRAM {
            return Err(TunnelError::Side { size: data.len(), max: MAX_SIDE_DATAGRAM });
        }
        let socket = self.core.socket().ok_or(TunnelError::Closed)?;
        // A full socket loses the datagram, as the network may; its protocol repeats.
        match &self.core.disguise {
            None => drop(socket.try_send(to, data, data.len())),
            Some(disguise) => disguise.each(data, None, |wire| drop(socket.try_send(to, wire, wire.len()))),
        }
        Ok(())
    }

    /// Statistics of all links, by key.
    #[must_use]
    pub fn links(&self) -> Vec<LinkStats> {
        let now = Instant::now();
        let mut links: Vec<_> = self.core.table.all().iter().map(|link| link.lock().stats(now)).collect();
        links.sort_by_key(|link| link.key);
        links
    }

    /// Statistics of one link.
    #[must_use]
    pub fn link_stats(&self, key: &TunnelKey) -> Option<LinkStats> {
        self.core.table.by_key(key).map(|link| link.lock().stats(Instant::now()))
    }

    /// Whether something that comes from there would displace a peer that is heard from elsewhere.
    pub(crate) fn is_rival(&self, key: &TunnelKey, from: SocketAddr) -> bool {
        self.core.table.by_key(key).is_some_and(|link| link.lock().is_rival(from, Instant::now()))
    }

    /// What came to the socket and went nowhere.
    #[must_use]
    pub fn counters(&self) -> TunnelCounters {
        self.core.counters.read()
    }

    /// Stops the engine. Connections inside end by their timers; close the network first.
    pub async fn stop(&self) {
        self.core.close();
        let tasks = std::mem::take(&mut *lock(&self.tasks.0));
        for task in tasks {
            task.abort();
            // An aborted task answers with that.
            let _ = task.await;
        }
    }

    fn link(&self, key: &TunnelKey) -> Result<Arc<Link>, TunnelError> {
        self.core.table.by_key(key).ok_or(TunnelError::UnknownPeer { key: *key })
    }

    fn send(&self, replies: Replies) {
        let Some(socket) = self.core.socket() else { return };
        for (to, packet) in replies {
            // What a full socket does not take is repeated by WireGuard's timers.
            let _ = socket.try_send(to, &packet, packet.len());
        }
    }
}

/// What runs for a tunnel.
#[derive(Debug)]
struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in lock(&self.0).drain(..) {
            task.abort();
        }
    }
}

/// The multiaddr of a port inside the tunnels.
pub(crate) fn overlay_address(address: Ipv6Addr, port: u16) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Ip6(address)).with(Protocol::Udp(port)).with(Protocol::QuicV1)
}

async fn receive(core: Arc<Core>, socket: Arc<OuterSocket>) {
    let mut memory = vec![0; RECEIVE_BATCH * RECEIVE_BUFFER];
    let mut metas = [RecvMeta::default(); RECEIVE_BATCH];
    let mut replies = Replies::new();
    loop {
        match socket.ready().await {
            Ok(ready) if ready.is_error() => {
                for endpoint in socket.refused() {
                    core.refused(endpoint);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the tunnel's socket is broken");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
        for _ in 0..READS_IN_A_ROW {
            let mut buffers: Vec<_> = memory.chunks_mut(RECEIVE_BUFFER).map(IoSliceMut::new).collect();
            match socket.try_recv(&mut buffers, &mut metas) {
                Ok(count) => {
                    let mut delivery = Delivery::new(&core.ports, &core.counters).with_device(core.device());
                    for (buffer, meta) in buffers.iter_mut().zip(&metas).take(count) {
                        let joined = buffer.get_mut(..meta.len).unwrap_or_default();
                        core.receive(meta.addr, joined, meta.stride, &mut delivery, &mut replies);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The report of a peer's closed port; what it says comes by the error queue.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::debug!(%error, "nothing can be received");
                    tokio::time::sleep(AFTER_ERROR).await;
                    break;
                }
            }
            for (to, packet) in replies.drain(..) {
                socket.send(to, &packet).await;
            }
        }
        tokio::task::consume_budget().await;
    }
}

async fn keep_time(core: Arc<Core>, socket: Arc<OuterSocket>) {
    let mut replies = Replies::new();
    loop {
        let wait = core.tick(&mut replies);
        for (to, packet) in replies.drain(..) {
            socket.send(to, &packet).await;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = core.poke.notified() => {}
        }
    }
}
