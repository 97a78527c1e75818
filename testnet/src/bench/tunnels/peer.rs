//! One end of a connection in this process: the node's own network, with a protocol that answers with many bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use pyralog_crypto::SigningKey;
use pyralog_crypto::kem::StaticKeyPair;
use pyralog_p2p::{
    Config, Event, Handle, KeyCache, Mesh, MeshConfig, Multiaddr, PeerId, PostQuantum, ProtocolSpec, Rate,
    RecordAddress, TunnelConfig, TunnelSeed, start,
};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// The protocol.
const PROTOCOL: &str = "bulk";
/// Bytes of an answer.
pub const ANSWER: usize = 1 << 20;
/// Answers under way at once.
pub const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const NETWORK: &str = "pyralog-bench";

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// libp2p's TCP with noise and yamux.
    Tcp,
    /// libp2p's QUIC.
    Quic,
    /// QUIC in a WireGuard tunnel with a post-quantum key.
    Tunnel,
}

/// The long-lived keys of one end.
pub struct Keys {
    seed: u8,
    tunnel: TunnelSeed,
    rosenpass: Vec<u8>,
}

impl Keys {
    /// Makes them: half a second.
    pub fn new(seed: u8) -> Result<Self> {
        let tunnel = TunnelSeed::new(Zeroizing::new([seed; 32]));
        let rosenpass = tunnel.keep(&tunnel.rosenpass()?);
        Ok(Self { seed, tunnel, rosenpass })
    }

    fn pair(&self) -> Result<StaticKeyPair> {
        self.tunnel.kept(&self.rosenpass).context("the kept pair is not read")
    }
}

/// A running end.
pub struct Peer {
    handle: Handle,
    mesh: Option<Mesh>,
    at: Multiaddr,
    serving: JoinHandle<()>,
}

impl Peer {
    /// Starts one. In a tunnel it says that it is reached at `told`, where that is given, and keeps keys of others in `keys`.
    pub async fn start(
        keys: &Keys,
        carrier: Carrier,
        told: Option<SocketAddr>,
        cache: Arc<dyn KeyCache>,
    ) -> Result<Self> {
        let mut config = Config::new([keys.seed; 32], NETWORK);
        let mut spec = ProtocolSpec::new(PROTOCOL, 64, ANSWER);
        (spec.concurrent, spec.timeout) = (2 * AT_ONCE, PATIENCE);
        config.protocols = vec![spec];
        config.limits.request_rate = Rate::new(1_000_000, 1_000_000);
        let mut mesh = None;
        match carrier {
            Carrier::Tcp => config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            Carrier::Quic => config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
            Carrier::Tunnel => {
                let started = Self::mesh(keys, told, cache).await?;
                config.listen = vec![started.listen_address().to_string()];
                config.transport = Some(started.transport(&config.limits));
                mesh = Some(started);
            }
        }
        let (handle, mut events) = start(config, &mut Registry::default()).await?;
        let at = match &mesh {
            Some(mesh) => format!("/ip4/127.0.0.1/udp/{}", mesh.local_addr().port()).parse()?,
            None => handle.listen_addrs().await?.first().context("it listens to nothing")?.clone(),
        };
        let answer = Bytes::from(vec![7; ANSWER]);
        let serving = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Request { data, reply, .. } = event {
                    // Whoever asked with one byte wants one byte.
                    let answer = if data.len() == 1 { answer.slice(..1) } else { answer.clone() };
                    // The asker may be gone.
                    let _ = reply.send(answer);
                }
            }
        });
        Ok(Self { handle, mesh, at, serving })
    }

    async fn mesh(keys: &Keys, told: Option<SocketAddr>, cache: Arc<dyn KeyCache>) -> Result<Mesh> {
        let mut tunnel = TunnelConfig::new(keys.tunnel.wireguard(), (Ipv4Addr::LOCALHOST, 0).into());
        tunnel.post_quantum = PostQuantum::Required;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970")?;
        let config = MeshConfig {
            tunnel,
            rosenpass: Some(keys.pair()?),
            identity: Arc::new(SigningKey::from_seed([keys.seed; 32])),
            network: NETWORK.to_owned(),
            port: 26_656,
            addresses: told.map(RecordAddress::Ip).into_iter().collect(),
            sequence: u64::try_from(now.as_nanos())?,
            stock: Vec::new(),
            keys: cache,
            records: None,
        };
        Ok(Mesh::start(config).await?)
    }

    /// Its identity.
    pub fn id(&self) -> PeerId {
        self.handle.local_peer_id()
    }

    /// Address and port of its tunnel.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.mesh.as_ref().map(Mesh::local_addr)
    }

    /// Connects to another one, at its own address or another one that leads there.
    pub async fn connect(&self, to: &Self, at: Option<SocketAddr>) -> Result<()> {
        let address = match at {
            Some(at) => format!("/ip4/{}/udp/{}", at.ip(), at.port()).parse()?,
            None => to.at.clone(),
        };
        Ok(self.handle.dial(to.id(), vec![address]).await?)
    }

    /// Asks for one byte.
    pub async fn byte(&self, of: PeerId) -> Result<()> {
        self.handle.request(of, PROTOCOL, vec![1]).await?;
        Ok(())
    }

    /// Asks for so many answers of [`ANSWER`] bytes, [`AT_ONCE`] at once.
    pub async fn answers(&self, of: PeerId, count: usize) -> Result<()> {
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..AT_ONCE {
            let handle = self.handle.clone();
            let share = count / AT_ONCE + usize::from(lane < count % AT_ONCE);
            lanes.spawn(async move {
                for _ in 0..share {
                    handle.request(of, PROTOCOL, vec![1, 2]).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.context("a task of this process failed")??;
        }
        Ok(())
    }

    /// Stops it.
    pub async fn stop(self) {
        self.handle.shutdown().await;
        if let Some(mesh) = &self.mesh {
            mesh.stop().await;
        }
        self.serving.abort();
    }
}
