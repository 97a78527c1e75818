//! Starting and stopping the tunnels.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use pyralog_crypto::Signer;
use pyralog_p2p::{self as p2p, Mesh, MeshConfig, TunnelConfig};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::addresses::{Addresses, multiaddr};
use super::files::{KeyFiles, keep_records, records};
use super::keys::{pair, seed};
use super::meet;
use super::peers::PeerFiles;
use crate::config::{Config, PostQuantum, TunnelMode};
use crate::error::{Error, Result};
use crate::home::Home;

/// Port of QUIC inside the tunnels. Each node has an address of its own there, so it is the same for all.
const INNER_PORT: u16 = 26656;
/// How often the records of peers are saved: a node that was killed finds them again.
const SAVE: Duration = Duration::from_secs(60);

/// The running tunnels of a node.
#[derive(Clone, Debug)]
pub struct Tunnels {
    pub(super) mesh: Mesh,
    home: Home,
    saving: AbortHandle,
}

impl Tunnels {
    /// Opens the keys and binds the socket; `None` where the node has no tunnels. `number` is the number of the start.
    ///
    /// # Errors
    /// A setting or a key that is wrong, or a socket that cannot be bound.
    pub async fn start(
        home: &Home,
        config: &Config,
        passphrase: &[u8],
        identity: Arc<dyn Signer + Send + Sync>,
        network: &str,
        number: u64,
    ) -> Result<Option<Self>> {
        let obfuscation = super::obfuscation::read(home, &config.tunnel)?;
        if config.tunnel.mode == TunnelMode::Off {
            return Ok(None);
        }
        let addresses = Addresses::of(&config.p2p)?;
        let seed = seed(home, passphrase)?;
        let required = config.tunnel.post_quantum == PostQuantum::Required;
        let rosenpass = if required { Some(pair(home, &seed)?) } else { None };
        let mut tunnel = TunnelConfig::new(seed.wireguard(), addresses.listen);
        tunnel.post_quantum = if required { p2p::PostQuantum::Required } else { p2p::PostQuantum::Off };
        tunnel.device = (config.tunnel.mode == TunnelMode::Tun).then(|| config.tunnel.device.clone());
        tunnel.obfuscation = obfuscation;
        let mut stock = Vec::new();
        for peer in PeerFiles::new(home).load()? {
            stock.push(peer.located(addresses.listen.is_ipv6()).await);
        }
        let mesh = Mesh::start(MeshConfig {
            tunnel,
            rosenpass,
            identity,
            network: network.to_owned(),
            port: INNER_PORT,
            addresses: addresses.announced(),
            sequence: number,
            keys: Arc::new(KeyFiles::new(home)),
            records: records(home),
            stock,
        })
        .await
        .map_err(|error| Error::Network(error.to_string()))?;
        if let Some(device) = mesh.device() {
            tracing::info!(device, overlay = %mesh.overlay(), "other programs of this machine see the tunnels");
        }
        let saving = tokio::spawn(save(mesh.clone(), home.clone())).abort_handle();
        Ok(Some(Self { mesh, home: home.clone(), saving }))
    }

    /// Has the network listen and dial inside the tunnels, and nowhere else, and meet peers there.
    pub fn carry(&self, network: &mut p2p::Config) {
        network.listen = vec![self.mesh.listen_address().to_string()];
        // What is announced of the tunnels stands in our record.
        network.external.clear();
        network.protocols.push(meet::protocol());
        network.transport = Some(self.mesh.transport(&network.limits));
    }

    /// Our address inside the tunnels.
    pub fn overlay(&self) -> Ipv6Addr {
        self.mesh.overlay()
    }

    /// Where others reach the socket, as multiaddresses for their `p2p.bootstrap`.
    pub fn addresses(&self) -> Vec<String> {
        self.mesh.addresses().iter().map(multiaddr).collect()
    }

    /// Stops them. Close the network first.
    pub async fn stop(&self) {
        self.saving.abort();
        let records = self.mesh.records().await;
        if !records.is_empty() {
            keep_records(&self.home, &records);
        }
        self.mesh.stop().await;
    }
}

async fn save(mesh: Mesh, home: Home) {
    let mut tick = interval(SAVE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let mut saved = bytes::Bytes::new();
    loop {
        tick.tick().await;
        let records = mesh.records().await;
        if records.is_empty() || records == saved {
            continue;
        }
        let (home, bytes) = (home.clone(), records.clone());
        // A failure is logged there, and a panic would be the write's own.
        let _ = tokio::task::spawn_blocking(move || keep_records(&home, &bytes)).await;
        saved = records;
    }
}
