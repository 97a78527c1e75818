//! The task that has all state of a mesh.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::StaticPublicKey;
use tokio::sync::mpsc;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::clock::{os_rng, uptime};
use super::config::{KeyCache, MeshConfig};
use super::exchange::{Exchange, Task};
use super::handle::Command;
use super::peer::{Peer, Stage};
use super::status::{LinkPeer, LinkStatus};
use super::steps::KEEPALIVE;
use super::stock::Stocks;
use crate::tunnel::bootstrap::{self, Bootstrap, Effect, Input};
use crate::tunnel::link::RIVAL;
use crate::tunnel::rosenpass::{self, KeyId, OutputKey};
use crate::tunnel::{
    PeerRecord, PeerRecords, PresharedKey, SideDatagram, SignedPeerRecord, Tunnel, TunnelEvent, TunnelKey, TunnelPeer,
    TunnelQueues,
};
use crate::{BootstrapError, MeshError};

/// A peer with which there is no tunnel for this long is forgotten, unless somebody waits.
const FORGET: Duration = Duration::from_secs(600);
/// How often it is looked for such peers.
const SWEEP: Duration = Duration::from_secs(30);

/// What the driver is made of.
pub(super) struct Parts {
    pub tunnel: Tunnel,
    /// For tasks of the driver's own.
    pub commands: mpsc::WeakSender<Command>,
    pub exchange: Option<Exchange>,
    pub key: Option<StaticPublicKey>,
}

/// What the driver reads.
pub(super) struct Inlets {
    pub queues: TunnelQueues,
    pub commands: mpsc::Receiver<Command>,
    pub effects: Option<mpsc::Receiver<rosenpass::Effect>>,
}

/// See the [module](super).
pub(super) struct Driver {
    pub(super) tunnel: Tunnel,
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) exchange: Option<Exchange>,
    pub(super) bootstrap: Bootstrap,
    pub(super) keys: Arc<dyn KeyCache>,
    pub(super) me: PeerId,
    pub(super) most: usize,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// Whose link is that of a WireGuard key.
    pub(super) owners: BTreeMap<TunnelKey, PeerId>,
    /// Who takes part in the key exchange under a name.
    pub(super) exchanging: BTreeMap<KeyId, PeerId>,
    /// Peers without a peer id.
    pub(super) stock: Stocks,
    /// When the bootstrap wants to be called.
    wake: Option<Duration>,
    /// What it has come to, and is not looked at yet.
    due: VecDeque<Effect>,
    swept: Instant,
}

impl Driver {
    pub(super) fn new(config: MeshConfig, parts: Parts) -> Result<Self, MeshError> {
        let Parts { tunnel, commands, exchange, key } = parts;
        let record = PeerRecord {
            identity: config.identity.public_key(),
            tunnel: tunnel.key(),
            rosenpass: key.as_ref().map(hash_of),
            sequence: config.sequence,
            port: config.port,
            addresses: config.addresses,
        };
        let own = SignedPeerRecord::sign(record, &config.network, &*config.identity)?;
        let limits = bootstrap::Limits { records: config.tunnel.limits.peers, ..bootstrap::Limits::DEFAULTS };
        let mut driver = Self {
            bootstrap: Bootstrap::new(config.network.clone(), limits),
            me: own.peer(),
            most: config.tunnel.limits.peers,
            commands,
            exchange,
            tunnel,
            keys: config.keys,
            peers: BTreeMap::new(),
            owners: BTreeMap::new(),
            exchanging: BTreeMap::new(),
            stock: Stocks::default(),
            wake: None,
            due: VecDeque::new(),
            swept: Instant::now(),
        };
        let name = key.as_ref().filter(|_| !config.stock.is_empty()).map(KeyId::of);
        config.stock.into_iter().try_for_each(|peer| driver.welcome(peer, name))?;
        driver.step(Input::Publish(Box::new(own), key));
        driver.remember(config.records.as_deref(), &config.network, limits.records);
        Ok(driver)
    }

    /// Records of the last start tell where peers are, until they say so themselves.
    fn remember(&mut self, records: Option<&[u8]>, network: &str, most: usize) {
        match records.map(|bytes| PeerRecords::decode(bytes, network, most)) {
            None => {}
            Some(Ok(records)) => records.iter().for_each(|record| self.step(Input::Learn(Box::new(record.clone())))),
            Some(Err(error)) => {
                tracing::warn!(%error, "the stored peer records are unreadable: starting with none");
            }
        }
    }

    /// Until every [`super::Mesh`] is gone.
    pub(super) async fn run(mut self, inlets: Inlets) {
        let Inlets { mut queues, mut commands, mut effects } = inlets;
        loop {
            let next = self.wake.map(|at| at.saturating_sub(uptime())).unwrap_or(SWEEP).min(SWEEP);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(SideDatagram { from, data }) = queues.bootstrap.recv() => {
                    self.step(Input::Datagram { from, bytes: &data });
                }
                Some(SideDatagram { from, data }) = queues.rosenpass.recv() => {
                    if let Some(exchange) = &mut self.exchange {
                        exchange.take_datagram(from, data);
                    }
                }
                Some(event) = queues.events.recv() => self.event(event),
                Some(effect) = next_effect(&mut effects) => self.exchanged(effect),
                () = sleep(next) => self.step(Input::Wake),
            }
            self.settle();
            if let Some(exchange) = &mut self.exchange {
                exchange.flush();
            }
            self.sweep();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open(peer, at, reply) => self.open(peer, at, reply),
            Command::Located(peer, at) => self.located(peer, at),
            // Whoever does not wait any more needs no answer.
            Command::Links(reply) => drop(reply.send(self.links())),
            Command::Records(reply) => drop(reply.send(self.bootstrap.records().encode())),
        }
    }

    /// Calls the bootstrap, and does what it wants done.
    pub(super) fn step(&mut self, input: Input<'_>) {
        let mut effects = VecDeque::from(self.bootstrap.step(uptime(), &mut os_rng(), input));
        self.wake = None;
        while let Some(effect) = effects.pop_front() {
            match effect {
                // What cannot be sent is lost, as the network may lose it.
                Effect::Send { to, bytes } => drop(self.tunnel.send_side(to, &bytes)),
                Effect::WakeAt(at) => self.wake = Some(at),
                other => self.due.push_back(other),
            }
        }
    }

    /// What the bootstrap has come to. Each may call it again.
    fn settle(&mut self) {
        while let Some(effect) = self.due.pop_front() {
            match effect {
                Effect::Found { record, from } => self.found(*record, from),
                Effect::Introduced { record, from } => self.introduced(*record, from),
                Effect::Key { hash, key } => self.fetched(&hash, &key),
                Effect::NotFound { peer, error } => self.not_found(peer, error),
                Effect::NotFetched { hash, error } => self.not_fetched(&hash, &error),
                Effect::Refused { from, error } => {
                    tracing::debug!(%from, %error, "a bootstrap datagram was not answered")
                }
                Effect::Send { .. } | Effect::WakeAt(_) => {}
            }
        }
    }

    fn found(&mut self, record: SignedPeerRecord, from: SocketAddr) {
        let id = record.peer();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        // Another peer may have told it.
        if peer.endpoints().contains(&from) {
            peer.note([from]);
        }
        self.renew(id, record);
    }

    fn introduced(&mut self, record: SignedPeerRecord, from: SocketAddr) {
        let id = record.peer();
        if let Some(error) = self.full(&id) {
            // Strangers can cause many of these.
            tracing::debug!(peer = %id, %error, "a peer is refused");
            return;
        }
        let peer = self.peers.entry(id).or_insert_with(Peer::new);
        let moved = peer.note([from]);
        self.renew(id, record);
        if moved {
            self.follow(id);
        }
    }

    /// Takes a record in. Where it names other keys than the one before, everything begins anew.
    fn renew(&mut self, id: PeerId, record: SignedPeerRecord) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let keys = |signed: &SignedPeerRecord| (signed.record().tunnel, signed.record().rosenpass);
        let before = peer.record.as_ref();
        if before.is_some_and(|before| before.record().sequence > record.record().sequence) {
            return;
        }
        let (other_keys, restarted) = before.map_or((false, false), |before| {
            (keys(before) != keys(&record), before.record().sequence < record.record().sequence)
        });
        self.step(Input::Learn(Box::new(record.clone())));
        if other_keys {
            self.restart(id);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.record = Some(record);
        let (endpoints, exchange, stage) = (peer.endpoints(), peer.exchange, peer.stage);
        match (stage, exchange) {
            (Stage::Exchanging | Stage::Open, Some(name)) => {
                self.tell(Task::Endpoints(name, endpoints));
                if restarted {
                    // It has forgotten our key.
                    self.tell(Task::Renew(name));
                }
            }
            _ => self.advance(id),
        }
    }

    fn fetched(&mut self, hash: &Hash, key: &StaticPublicKey) {
        self.keys.store(hash, key);
        for (id, record) in self.fetching(hash) {
            self.admit(id, &record, Some(key.clone()));
        }
    }

    fn not_fetched(&mut self, hash: &Hash, error: &BootstrapError) {
        for (id, _) in self.fetching(hash) {
            self.fail(id, &error.clone().into());
        }
    }

    fn fetching(&self, hash: &Hash) -> Vec<(PeerId, SignedPeerRecord)> {
        let fetching = self.peers.iter().filter(|(_, peer)| peer.stage == Stage::Fetching);
        let records = fetching.filter_map(|(id, peer)| Some((*id, peer.record.clone()?)));
        records.filter(|(_, record)| record.record().rosenpass == Some(*hash)).collect()
    }

    fn not_found(&mut self, id: PeerId, error: BootstrapError) {
        let Some(peer) = self.peers.get(&id) else { return };
        // Whose record is known may be on the way all the same.
        if peer.stage == Stage::Seeking {
            self.fail(id, &error.into());
        }
    }

    /// What the key exchange has come to.
    fn exchanged(&mut self, effect: rosenpass::Effect) {
        match effect {
            rosenpass::Effect::Send { to, bytes } => drop(self.tunnel.send_side(to, &bytes)),
            rosenpass::Effect::NewKey { peer, key, endpoint, .. } => self.keyed(peer, &key, endpoint),
            rosenpass::Effect::KeyExpired { peer } => self.expired(peer),
            rosenpass::Effect::Refused { from, error } => {
                tracing::debug!(from = ?from, %error, "a key exchange was refused");
            }
            _ => {}
        }
    }

    fn keyed(&mut self, name: KeyId, key: &OutputKey, endpoint: SocketAddr) {
        if self.keyed_stock(&name, key) {
            return;
        }
        let Some(id) = self.exchanging.get(&name).copied() else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(tunnel) = peer.record.as_ref().map(|record| record.record().tunnel) else { return };
        if self.tunnel.is_rival(&tunnel, endpoint) {
            tracing::warn!(peer = %id, from = %endpoint, "{RIVAL}");
            return;
        }
        if self.tunnel.link_stats(&tunnel).is_some_and(|link| link.last_handshake.is_none()) {
            // Until there is a session the key exchange knows best where the peer is.
            peer.note([endpoint]);
            let link = TunnelPeer { key: tunnel, endpoint: Some(endpoint), keepalive: Some(KEEPALIVE) };
            drop(self.tunnel.set_peer(&link));
        }
        let preshared = PresharedKey::new(Zeroizing::new(*key.as_bytes()));
        if self.tunnel.set_preshared_key(&tunnel, preshared).is_ok() {
            self.opened(id);
        }
    }

    fn expired(&mut self, name: KeyId) {
        if self.expired_stock(&name) {
            return;
        }
        let Some(id) = self.exchanging.get(&name).copied() else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.enter(Stage::Exchanging);
        let tunnel = peer.record.as_ref().map(|record| record.record().tunnel);
        tracing::warn!(peer = %id, "the post-quantum key of a peer is too old and none came in its place: nothing passes until one does");
        drop(tunnel.map(|tunnel| self.tunnel.forget_preshared_key(&tunnel)));
    }

    fn event(&mut self, event: TunnelEvent) {
        match event {
            TunnelEvent::Established { key } => {
                if let Some(peer) = self.owner(key) {
                    peer.is_proven = true;
                }
            }
            TunnelEvent::Moved { key, endpoint } => {
                let moved = self.owner(key).and_then(|peer| {
                    peer.note([endpoint]);
                    Some((peer.exchange?, peer.endpoints()))
                });
                if let Some((name, endpoints)) = moved {
                    self.tell(Task::Endpoints(name, endpoints));
                }
            }
            TunnelEvent::Lost { key } => self.lost(key),
            // Counted by the tunnel.
            _ => {}
        }
    }

    fn owner(&mut self, key: TunnelKey) -> Option<&mut Peer> {
        self.peers.get_mut(self.owners.get(&key)?)
    }

    /// A peer does not answer. It may have been started again, and know neither us nor our key.
    fn lost(&mut self, key: TunnelKey) {
        if self.lost_stock(&key) {
            return;
        }
        let Some(id) = self.owners.get(&key).copied() else { return };
        self.seek(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(name) = peer.exchange {
            peer.enter(Stage::Exchanging);
            self.tell(Task::Renew(name));
        }
    }

    /// Forgets peers with which there has been no tunnel for long.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let old = |peer: &Peer| peer.stage != Stage::Open && peer.waiting.is_empty() && peer.since.elapsed() >= FORGET;
        let old: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| old(peer)).map(|(id, _)| *id).collect();
        old.into_iter().for_each(|id| self.forget(id));
    }

    fn links(&self) -> Vec<LinkStatus> {
        let status = |(id, peer): (&PeerId, &Peer)| LinkStatus {
            peer: LinkPeer::Node(*id),
            stats: peer.record.as_ref().and_then(|record| self.tunnel.link_stats(&record.record().tunnel)),
            since: peer.since.elapsed(),
            stage: peer.stage.word(),
        };
        self.peers.iter().map(status).chain(self.stock.links(&self.tunnel)).collect()
    }
}

async fn next_effect(effects: &mut Option<mpsc::Receiver<rosenpass::Effect>>) -> Option<rosenpass::Effect> {
    match effects {
        Some(effects) => effects.recv().await,
        // Without a key exchange there are none, ever.
        None => std::future::pending().await,
    }
}

/// The hash by which a record names its Rosenpass key.
pub(super) fn hash_of(key: &StaticPublicKey) -> Hash {
    Hash(*blake3::hash(key.as_bytes()).as_bytes())
}
