//! How the driver comes to a tunnel with a peer, and gives it up.

use std::net::SocketAddr;

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::StaticPublicKey;
use tokio::sync::mpsc;

use super::driver::{Driver, hash_of};
use super::exchange::Task;
use super::handle::Command;
use super::peer::{Peer, Stage, Waiting};
use super::transport::resolve;
use crate::MeshError;
use crate::tunnel::bootstrap::Input;
use crate::tunnel::rosenpass::{KeyId, PeerSettings};
use crate::tunnel::{SignedPeerRecord, TunnelKey, TunnelPeer};

/// Seconds between keepalives on a quiet link: a NAT forgets its ports after 30 s, and an operator sees that the link lives.
pub(super) const KEEPALIVE: u16 = 25;
/// Peers that are asked for the record of another one.
const ASKED: usize = 8;

impl Driver {
    pub(super) fn open(&mut self, id: PeerId, at: Vec<SocketAddr>, reply: Waiting) {
        let refused = if id == self.me { Some(MeshError::Own) } else { self.full(&id) };
        if let Some(error) = refused {
            // Whoever does not wait any more needs no answer.
            let _ = reply.send(Err(error));
            return;
        }
        let known = self.bootstrap.records().get(&id).cloned();
        let new = !self.peers.contains_key(&id);
        let peer = self.peers.entry(id).or_insert_with(Peer::new);
        let moved = peer.note(at);
        if let (Stage::Open, Some(place)) = (peer.stage, peer.place()) {
            let _ = reply.send(Ok(place));
            return;
        }
        peer.waiting.push(reply);
        peer.record = peer.record.take().or(known);
        // It learns of us by this, too; so it is done whatever we know of it.
        self.seek(id);
        if moved {
            self.follow(id);
        }
        if new && self.peers.get(&id).is_some_and(|peer| peer.record.is_some()) {
            self.advance(id);
        }
    }

    /// What is under way with a peer goes on at the addresses that are known now.
    pub(super) fn follow(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let hash = peer.record.as_ref().and_then(|record| record.record().rosenpass);
        match (peer.stage, hash, peer.exchange) {
            (Stage::Fetching, Some(hash), _) => self.step(Input::Fetch(hash, peer.endpoints())),
            (Stage::Exchanging, _, Some(name)) => self.tell(Task::Endpoints(name, peer.endpoints())),
            _ => {}
        }
    }

    /// Why there is no place for one more peer.
    pub(super) fn full(&self, id: &PeerId) -> Option<MeshError> {
        let full = self.peers.len() + self.stock.len() >= self.most && !self.peers.contains_key(id);
        full.then_some(MeshError::TooManyPeers { most: self.most })
    }

    /// Asks for the record of a peer: itself, and where nobody knows where it is, those with which there are tunnels.
    pub(super) fn seek(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let mut at = peer.endpoints();
        if at.is_empty() {
            let links = self.tunnel.links();
            let nodes = links.iter().filter(|link| link.admitted && !self.stock.has(&link.key));
            at.extend(nodes.filter_map(|link| link.endpoint).take(ASKED));
        }
        let names = peer.names();
        self.step(Input::Seek(id, at));
        if !names.is_empty() {
            tokio::spawn(locate(self.commands.clone(), id, names));
        }
    }

    /// Names of a peer's record lead to these addresses.
    pub(super) fn located(&mut self, id: PeerId, at: Vec<SocketAddr>) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.stage != Stage::Open) else { return };
        peer.add(at);
        let (endpoints, exchange) = (peer.endpoints(), peer.exchange);
        match exchange {
            Some(name) => self.tell(Task::Endpoints(name, endpoints)),
            None => self.step(Input::Seek(id, endpoints)),
        }
    }

    /// Takes the next step with a peer whose record is known.
    pub(super) fn advance(&mut self, id: PeerId) {
        let needs_key = self.exchange.is_some();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(record) = peer.record.clone() else { return };
        if peer.stage != Stage::Seeking {
            return;
        }
        if !needs_key {
            return self.admit(id, &record, None);
        }
        let Some(hash) = record.record().rosenpass else {
            return self.fail(id, &MeshError::PeerWithoutKey { peer: id });
        };
        peer.enter(Stage::Fetching);
        let at = peer.endpoints();
        match self.keys.load(&hash).and_then(|bytes| checked(&hash, bytes)) {
            Some(key) => self.admit(id, &record, Some(key)),
            None => self.step(Input::Fetch(hash, at)),
        }
    }

    /// Makes a peer known to the tunnel and, with a key, to the key exchange.
    pub(super) fn admit(&mut self, id: PeerId, record: &SignedPeerRecord, key: Option<StaticPublicKey>) {
        let tunnel = record.record().tunnel;
        let name = key.as_ref().map(KeyId::of);
        if name.is_some_and(|name| self.stock.exchanges(&name)) {
            return self.fail(id, &MeshError::ExchangeKeyTaken { peer: id });
        }
        if let Err(error) = self.claim(id, tunnel) {
            return self.fail(id, &error);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let endpoints = peer.endpoints();
        let link = TunnelPeer { key: tunnel, endpoint: endpoints.first().copied(), keepalive: Some(KEEPALIVE) };
        if let Err(error) = self.tunnel.set_peer(&link) {
            return self.fail(id, &error.into());
        }
        peer.enter(Stage::Exchanging);
        let (Some(key), Some(name)) = (key, name) else { return self.opened(id) };
        if let Some(other) = self.exchanging.get(&name).copied().filter(|other| *other != id) {
            // Both name it as theirs. Whoever has the secret key comes again.
            self.forget(other);
        }
        self.exchanging.insert(name, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.exchange = Some(name);
        let settings = PeerSettings { public_key: key, pre_shared_key: None, endpoints };
        self.tell(Task::Add(Box::new(settings)));
    }

    /// A record does not prove that its peer holds the WireGuard key in it; a session with it does. What the operator set needs no proof.
    fn claim(&mut self, id: PeerId, key: TunnelKey) -> Result<(), MeshError> {
        if self.stock.has(&key) {
            return Err(MeshError::KeyTaken { peer: id, key });
        }
        match self.owners.get(&key).copied() {
            Some(other) if other != id => {
                if self.peers.get(&other).is_some_and(|other| other.is_proven) {
                    return Err(MeshError::KeyTaken { peer: id, key });
                }
                self.forget(other);
            }
            _ => {}
        }
        self.owners.insert(key, id);
        Ok(())
    }

    /// Packets pass.
    pub(super) fn opened(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(place) = peer.place() else { return };
        peer.enter(Stage::Open);
        peer.answer(|| Ok(place));
    }

    /// Gives a peer up that has no tunnel.
    pub(super) fn fail(&mut self, id: PeerId, error: &MeshError) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        tracing::debug!(peer = %id, %error, "no tunnel");
        peer.answer(|| Err(error.clone()));
        if peer.stage != Stage::Open {
            self.forget(id);
        }
    }

    /// Drops everything of a peer but its record.
    pub(super) fn forget(&mut self, id: PeerId) {
        self.restart(id);
        self.step(Input::Abandon(id));
        if let Some(mut peer) = self.peers.remove(&id) {
            peer.answer(|| Err(MeshError::GivenUp { peer: id }));
        }
    }

    /// Drops a peer's link and its part in the key exchange: it begins anew.
    pub(super) fn restart(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.enter(Stage::Seeking);
        (peer.is_proven, peer.record) = (false, None);
        let name = peer.exchange.take();
        let links: Vec<TunnelKey> = self.owners.iter().filter(|(_, of)| **of == id).map(|(key, _)| *key).collect();
        for key in links {
            self.owners.remove(&key);
            self.tunnel.remove_peer(&key);
        }
        if let Some(name) = name.filter(|name| self.exchanging.get(name) == Some(&id)) {
            self.exchanging.remove(&name);
            self.tell(Task::Remove(name));
        }
    }

    pub(super) fn tell(&mut self, task: Task) {
        if let Some(exchange) = &mut self.exchange {
            exchange.tell(task);
        }
    }
}

/// A key from the cache, if it is the right one.
fn checked(hash: &Hash, bytes: Vec<u8>) -> Option<StaticPublicKey> {
    let key = StaticPublicKey::from_bytes(bytes).ok()?;
    (hash_of(&key) == *hash).then_some(key)
}

/// Resolves the names of a peer's record.
async fn locate(driver: mpsc::WeakSender<Command>, id: PeerId, names: Vec<(String, u16)>) {
    let mut at = Vec::new();
    for (host, port) in names {
        if let Ok(found) = resolve(&host, port).await {
            at.extend(found);
        }
    }
    if let Some(driver) = driver.upgrade().filter(|_| !at.is_empty()) {
        // Whoever has stopped needs none.
        let _ = driver.send(Command::Located(id, at)).await;
    }
}
