//! Peers without a peer id: stock WireGuard, with a stock Rosenpass beside it.
//!
//! Their operator sets them; no record names them, and they take no part in the network. What passes is what an operator of WireGuard expects: packets of
//! their own overlay address. Keys are theirs alone: a record that names one of them is refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use pyralog_crypto::kem::StaticPublicKey;
use zeroize::Zeroizing;

use super::driver::Driver;
use super::exchange::Task;
use super::peer::Stage;
use super::status::{LinkPeer, LinkStatus};
use super::steps::KEEPALIVE;
use crate::MeshError;
use crate::tunnel::rosenpass::{KeyId, OutputKey, PeerSettings};
use crate::tunnel::{PresharedKey, Tunnel, TunnelKey, TunnelPeer};

/// A peer that was set by hand.
#[derive(Clone, Debug)]
pub struct StockPeer {
    /// Its name, for people. No other peer has it.
    pub name: String,
    /// Its WireGuard public key.
    pub key: TunnelKey,
    /// Its Rosenpass public key; needed where post-quantum keys are required, and of no use elsewhere.
    pub rosenpass: Option<StaticPublicKey>,
    /// Where its WireGuard is; `None` waits for it to speak first.
    pub endpoint: Option<SocketAddr>,
    /// Where its Rosenpass is: a program of its own, so another port; `None` waits for it to speak first.
    pub rosenpass_endpoint: Option<SocketAddr>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Stocks {
    peers: BTreeMap<TunnelKey, Stock>,
    /// Who takes part in the key exchange under a name.
    exchanging: BTreeMap<KeyId, TunnelKey>,
}

#[derive(Debug)]
struct Stock {
    name: String,
    exchange: Option<KeyId>,
    stage: Stage,
    /// Since when.
    since: Instant,
}

impl Stocks {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether a WireGuard key is one of theirs.
    pub(super) fn has(&self, key: &TunnelKey) -> bool {
        self.peers.contains_key(key)
    }

    /// Whether a Rosenpass key is one of theirs.
    pub(super) fn exchanges(&self, name: &KeyId) -> bool {
        self.exchanging.contains_key(name)
    }

    pub(super) fn links(&self, tunnel: &Tunnel) -> impl Iterator<Item = LinkStatus> {
        self.peers.iter().map(|(key, stock)| LinkStatus {
            peer: LinkPeer::Stock(stock.name.clone()),
            stats: tunnel.link_stats(key),
            since: stock.since.elapsed(),
            stage: stock.stage.word(),
        })
    }

    fn enter(&mut self, key: &TunnelKey, stage: Stage) {
        if let Some(stock) = self.peers.get_mut(key).filter(|stock| stock.stage != stage) {
            (stock.stage, stock.since) = (stage, Instant::now());
        }
    }
}

impl Driver {
    /// Lets a stock peer in; `own` is our name in the key exchange.
    pub(super) fn welcome(&mut self, peer: StockPeer, own: Option<KeyId>) -> Result<(), MeshError> {
        let refused = |reason: &str| MeshError::Stock { name: peer.name.clone(), reason: reason.to_owned() };
        let named = self.stock.peers.values().any(|other| other.name == peer.name);
        if named || self.stock.has(&peer.key) {
            return Err(refused("another peer has its name or its WireGuard key"));
        }
        let exchange = match (self.exchange.is_some(), &peer.rosenpass) {
            (false, _) => None,
            (true, Some(key)) => Some((KeyId::of(key), key.clone())),
            (true, None) => return Err(refused("it has no Rosenpass key, and this node requires post-quantum keys")),
        };
        let name = exchange.as_ref().map(|(name, _)| *name);
        if name.is_some_and(|name| Some(name) == own || self.stock.exchanges(&name)) {
            return Err(refused("its Rosenpass key is our own, or another peer's"));
        }
        let link = TunnelPeer { key: peer.key, endpoint: peer.endpoint, keepalive: Some(KEEPALIVE) };
        self.tunnel.set_peer(&link).map_err(|error| refused(&error.to_string()))?;
        let stage = if name.is_some() { Stage::Exchanging } else { Stage::Open };
        self.stock.peers.insert(peer.key, Stock { name: peer.name, exchange: name, stage, since: Instant::now() });
        if let Some((name, public_key)) = exchange {
            self.stock.exchanging.insert(name, peer.key);
            let endpoints = peer.rosenpass_endpoint.into_iter().collect();
            self.tell(Task::Add(Box::new(PeerSettings { public_key, pre_shared_key: None, endpoints })));
        }
        Ok(())
    }

    /// The key exchange has a key; whether it is a stock peer's. Where its Rosenpass is says nothing about its WireGuard.
    pub(super) fn keyed_stock(&mut self, name: &KeyId, key: &OutputKey) -> bool {
        let Some(tunnel) = self.stock.exchanging.get(name).copied() else { return false };
        let preshared = PresharedKey::new(Zeroizing::new(*key.as_bytes()));
        if self.tunnel.set_preshared_key(&tunnel, preshared).is_ok() {
            self.stock.enter(&tunnel, Stage::Open);
        }
        true
    }

    /// A key is too old; whether it is a stock peer's.
    pub(super) fn expired_stock(&mut self, name: &KeyId) -> bool {
        let Some(tunnel) = self.stock.exchanging.get(name).copied() else { return false };
        self.stock.enter(&tunnel, Stage::Exchanging);
        tracing::warn!(peer = %tunnel, "the post-quantum key of a stock peer is too old and none came in its place: nothing passes until one does");
        drop(self.tunnel.forget_preshared_key(&tunnel));
        true
    }

    /// A peer does not answer; whether it is a stock one. Its Rosenpass may have been started again, and not know our key.
    pub(super) fn lost_stock(&mut self, key: &TunnelKey) -> bool {
        let Some(stock) = self.stock.peers.get(key) else { return false };
        if let Some(name) = stock.exchange {
            self.tell(Task::Renew(name));
        }
        true
    }
}
