//! A node for tests: small limits, short waits, and a reader of its events.

use std::{future::Future, time::Duration};

use libp2p::core::transport::MemoryTransport;
use prometheus_client::{encoding::text, registry::Registry};
use pyralog_p2p::{
    Config, Error, Event, Handle, Limits, MessageRef, Multiaddr, PeerId, PeerInfo, ProtocolSpec, Reply, TopicSpec,
    Verdict, secure, start,
};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::mesh;

pub const TOPIC: &str = "votes";
pub const ECHO: &str = "echo";
pub const MAX_MESSAGE: usize = 8 << 10;

/// Fails instead of hanging.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Looks again and again.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    soon(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub struct Node {
    pub handle: Handle,
    pub events: mpsc::Receiver<Event>,
    registry: Registry,
}

pub fn config(seed: u8) -> Config {
    let mut config = Config::new([seed; 32], "test-net");
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.topics = vec![TopicSpec::new(TOPIC, MAX_MESSAGE)];
    config.protocols = vec![ProtocolSpec::new(ECHO, 1 << 10, 4 << 10)];
    config.limits.redial_min = Duration::from_millis(50);
    config.limits.redial_max = Duration::from_millis(500);
    // Tests share a process with each other; its size says nothing about one of them.
    config.limits.max_process_memory = None;
    config
}

/// Lets the node live on libp2p's memory transport instead of TCP.
pub fn in_memory(config: &mut Config) {
    config.listen = vec!["/memory/0".into()];
    config.transport = Some(Box::new(|keypair| secure(MemoryTransport::default(), keypair, &Limits::DEFAULTS)));
}

/// The peer id that belongs to a seed.
pub fn peer_id(seed: u8) -> PeerId {
    libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

impl Node {
    pub async fn start(config: Config) -> Self {
        Self::try_start(config).await.unwrap()
    }

    pub async fn try_start(mut config: Config) -> Result<Self, Error> {
        // RUST_LOG=debug shows what happens; a second test finds it installed.
        let _ = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init();
        mesh::enter(&mut config).await;
        let mut registry = Registry::default();
        let (handle, events) = soon("start", start(config, &mut registry)).await?;
        Ok(Self { handle, events, registry })
    }

    /// A node that knows the others as bootstrap peers.
    pub async fn joining(seed: u8, others: &[&Node]) -> Self {
        let mut config = config(seed);
        for other in others {
            config.bootstrap.push(other.address().await);
        }
        Self::start(config).await
    }

    pub fn id(&self) -> PeerId {
        self.handle.local_peer_id()
    }

    pub async fn listen_addr(&self) -> Multiaddr {
        self.handle.listen_addrs().await.unwrap().remove(0)
    }

    /// A full address for `bootstrap`.
    pub async fn address(&self) -> String {
        format!("{}/p2p/{}", self.listen_addr().await, self.id())
    }

    pub async fn event(&mut self) -> Event {
        soon("an event", self.events.recv()).await.expect("the network has stopped")
    }

    /// Skips events until `pick` takes one.
    pub async fn pick<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let event = self.events.recv().await.expect("the network has stopped");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        })
        .await
    }

    pub async fn connected(&mut self, peer: PeerId) -> PeerInfo {
        let pick = |event| match event {
            Event::Connected(info) if info.peer_id == peer => Some(info),
            _ => None,
        };
        self.pick("a connection", pick).await
    }

    pub async fn disconnected(&mut self, peer: PeerId) {
        let pick = |event| matches!(event, Event::Disconnected { peer: gone } if gone == peer).then_some(());
        self.pick("a disconnection", pick).await;
    }

    pub async fn gossip(&mut self) -> (MessageRef, PeerId, Vec<u8>) {
        let pick = |event| match event {
            Event::Gossip { message, source, data, .. } => Some((message, source, data.to_vec())),
            _ => None,
        };
        self.pick("gossip", pick).await
    }

    /// The next message, judged at once.
    pub async fn judge(&mut self, verdict: Verdict) -> Vec<u8> {
        let (message, _, data) = self.gossip().await;
        self.handle.verdict(message, verdict).await.unwrap();
        data
    }

    pub async fn request(&mut self) -> (PeerId, Vec<u8>, Reply) {
        let pick = |event| match event {
            Event::Request { peer, data, reply, .. } => Some((peer, data.to_vec(), reply)),
            _ => None,
        };
        self.pick("a request", pick).await
    }

    /// Publishes once somebody is subscribed.
    pub async fn publish(&self, data: impl Into<Vec<u8>>) {
        let data = data.into();
        soon("a subscriber", async {
            loop {
                match self.handle.publish(TOPIC, data.clone()).await {
                    Ok(()) => return,
                    Err(Error::NoPeers(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
    }

    /// The value of a counter or gauge, by the beginning of its line.
    pub fn metric(&self, name: &str) -> f64 {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).unwrap();
        let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{page}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub async fn metric_reaches(&self, name: &str, least: f64) {
        until(name, || async { self.metric(name) >= least }).await;
    }

    /// Reads and accepts everything from here on.
    pub fn accept_all(mut self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = self.events.recv().await {
                if let Event::Gossip { message, data, .. } = event {
                    let _ = self.handle.verdict(message, Verdict::Accept).await;
                    if sender.send(data.to_vec()).is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }
}
