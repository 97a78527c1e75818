//! What a mesh needs to know.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::kem::{StaticKeyPair, StaticPublicKey};
use pyralog_crypto::{Hash, Signer};

use super::stock::StockPeer;
use crate::tunnel::{RecordAddress, TunnelConfig};

/// Rosenpass keys of other peers, by their BLAKE3 hash: half a MiB each, so that they are not fetched again at each start. A cache: what it loses is
/// fetched again. Called in the driver's task, so it answers within milliseconds.
pub trait KeyCache: Send + Sync + 'static {
    /// The key with this hash. What is returned is checked.
    fn load(&self, hash: &Hash) -> Option<Vec<u8>>;
    /// Keeps a key.
    fn store(&self, hash: &Hash, key: &StaticPublicKey);
}

/// A cache that keeps nothing.
impl KeyCache for () {
    fn load(&self, _: &Hash) -> Option<Vec<u8>> {
        None
    }

    fn store(&self, _: &Hash, _: &StaticPublicKey) {}
}

/// Everything that [`super::Mesh::start`] needs.
pub struct MeshConfig {
    /// The tunnel. Where it requires post-quantum keys, `rosenpass` is needed.
    pub tunnel: TunnelConfig,
    /// Our Rosenpass keys.
    pub rosenpass: Option<StaticKeyPair>,
    /// Signs our record: the ed25519 key that our peer id is made of.
    pub identity: Arc<dyn Signer + Send + Sync>,
    /// The network's id, as in [`crate::Config::network`].
    pub network: String,
    /// UDP port of QUIC inside the tunnels.
    pub port: u16,
    /// Where others reach our socket, the best first; port 0 stands for the one that it gets. With none it is the socket's own address, where that is one;
    /// else others wait until we come to them.
    pub addresses: Vec<RecordAddress>,
    /// The number of our record. One that is not above the last one of this identity is not believed, so it rises with each start.
    pub sequence: u64,
    /// Keys of others.
    pub keys: Arc<dyn KeyCache>,
    /// What [`super::Mesh::records`] gave before the last stop. An unreadable one is logged and left out.
    pub records: Option<Bytes>,
    /// Peers without a peer id.
    pub stock: Vec<StockPeer>,
}

impl fmt::Debug for MeshConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeshConfig")
            .field("tunnel", &self.tunnel)
            .field("network", &self.network)
            .field("port", &self.port)
            .field("addresses", &self.addresses)
            .field("sequence", &self.sequence)
            .field("stock", &self.stock)
            .finish_non_exhaustive()
    }
}
