//! The node as its APIs see it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::tx::TxError;
use pyralog_crypto::PublicKey;
use pyralog_p2p::{Direction, Handle, PeerId, PeerInfo};
use tokio::sync::broadcast;

use crate::backend::{Backend, Identity, Live, Peer, Pending, StateAnswer};
use crate::chain::{BlockRecord, ChainReader};
use crate::driver::{EngineHandle, Shared};
use crate::store::{CoreChain, LedgerView};

/// See the module.
pub struct NodeBackend {
    pub(super) identity: Identity,
    pub(super) chain: CoreChain,
    pub(super) ledger: LedgerView,
    pub(super) engine: EngineHandle,
    pub(super) shared: Arc<Shared>,
    pub(super) network: Handle,
}

impl Backend for NodeBackend {
    fn chain(&self) -> &dyn ChainReader {
        &self.chain
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn live(&self) -> Live {
        self.shared.live()
    }

    fn peers(&self) -> BoxFuture<'_, Vec<Peer>> {
        Box::pin(async { self.network.peers().await.unwrap_or_default().into_iter().map(peer).collect() })
    }

    fn pending(&self, limit: usize) -> Pending {
        self.shared.pool.read(|pool| Pending {
            count: pool.transactions(),
            bytes: pool.bytes(),
            txs: pool.unconfirmed(limit),
        })
    }

    fn submit(&self, bundle: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<CheckedTx>, TxError>> {
        Box::pin(self.engine.submit(bundle))
    }

    fn check(&self, tx: Bytes) -> BoxFuture<'_, Result<CheckedTx, TxError>> {
        Box::pin(async move { self.ledger.check(&tx) })
    }

    fn state(&self, name: &[u8], height: Option<u64>, prove: bool) -> Result<StateAnswer, String> {
        self.ledger.state(name, height, prove)
    }

    fn blocks(&self) -> broadcast::Receiver<Arc<BlockRecord>> {
        self.shared.blocks.subscribe()
    }
}

fn peer(info: PeerInfo) -> Peer {
    Peer {
        id: info.peer_id.to_string(),
        key: key_of(&info.peer_id),
        address: info.address.to_string(),
        remote: socket_address(&info.address.to_string()),
        outbound: info.direction == Direction::Outbound,
        agent: info.agent,
        score: info.score,
        since: info.connected_since,
    }
}

/// The Ed25519 key inside a peer id: an identity multihash over the key's protobuf form (libp2p specs, peer-ids).
fn key_of(peer: &PeerId) -> Option<PublicKey> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20])?;
    key.try_into().ok().map(PublicKey)
}

/// The IP address and port that a multiaddress begins with.
fn socket_address(address: &str) -> Option<SocketAddr> {
    let mut parts = address.split('/').skip(1);
    let (family, ip, _transport, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !matches!(family, "ip4" | "ip6") {
        return None;
    }
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_addresses_and_keys_are_read() {
        assert_eq!(socket_address("/ip4/127.0.0.1/tcp/26656"), Some("127.0.0.1:26656".parse().unwrap()));
        assert_eq!(socket_address("/ip6/::1/udp/9/quic-v1"), Some("[::1]:9".parse().unwrap()));
        assert_eq!(socket_address("/dns/a/tcp/1"), None);
        assert_eq!(socket_address(""), None);
        let peer: PeerId = "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K".parse().unwrap();
        let key = key_of(&peer).unwrap();
        assert_ne!(key.0, [0; 32]);
    }
}
