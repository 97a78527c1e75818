//! The swarm task: one task owns the swarm and all state, so nothing here is shared and nothing is locked.

mod commands;
mod connections;
mod exchanges;
mod messages;
mod upkeep;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub::TopicHash,
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use crate::{
    Error,
    bans::BanList,
    behaviour::{Behaviour, BehaviourEvent},
    bucket::{PeerBuckets, TokenBucket},
    budget::Budget,
    config::Settings,
    discovery::{address_book::AddressBook, dialer::Dialer},
    handle::Command,
    limits::Rate,
    metrics::Metrics,
    outbox::Outbox,
    peers::Peers,
};

use exchanges::Exchanges;

/// How often time is looked at: redials, bans, scores, silent peers.
const TICK: Duration = Duration::from_millis(100);
/// Time for connections to close at shutdown.
const FAREWELL: Duration = Duration::from_secs(2);
/// Peers whose bans, rates and violations are remembered.
const MAX_REMEMBERED: usize = 4_096;

/// Everything of the running network.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    settings: Settings,
    /// Configured names, shared with every event.
    topic_names: Vec<Arc<str>>,
    protocol_names: Vec<Arc<str>>,
    topic_hashes: Vec<TopicHash>,
    topics: HashMap<TopicHash, usize>,
    metrics: Arc<Metrics>,
    commands: mpsc::Receiver<Command>,
    outbox: Outbox,
    peers: Peers,
    bans: BanList,
    dialer: Dialer,
    book: AddressBook,
    loopback: bool,
    gossip_budget: Budget,
    exchanges: Exchanges,
    request_rate: PeerBuckets,
    violations: PeerBuckets,
    dials: HashMap<ConnectionId, oneshot::Sender<Result<(), Error>>>,
    listeners: Vec<ListenerId>,
    ticks: u64,
    /// Peers can cause warnings at will; this many are written.
    warnings: TokenBucket,
}

/// What [`Driver::new`] is made of.
pub(crate) struct Parts {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: mpsc::Sender<crate::Event>,
    pub(crate) book: AddressBook,
    pub(crate) loopback: bool,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { swarm, settings, metrics, commands, events, book, loopback } = parts;
        let limits = &settings.limits;
        let now = Instant::now();
        let mut dialer = Dialer::new(limits.redial_min, limits.redial_max);
        for (peer, address) in &settings.bootstrap {
            if peer != swarm.local_peer_id() {
                dialer.add_bootstrap(*peer, address.clone(), now);
            }
        }
        let names = |names: &mut dyn Iterator<Item = &String>| names.map(|name| Arc::from(name.as_str())).collect();
        let wire = settings.topics.iter().map(|spec| TopicHash::from_raw(settings.wire_topic(&spec.name)));
        let topic_hashes: Vec<_> = wire.collect();
        Self {
            topic_names: names(&mut settings.topics.iter().map(|spec| &spec.name)),
            protocol_names: names(&mut settings.protocols.iter().map(|spec| &spec.name)),
            topics: topic_hashes.iter().cloned().enumerate().map(|(index, hash)| (hash, index)).collect(),
            topic_hashes,
            outbox: Outbox::new(events),
            peers: Peers::default(),
            bans: BanList::new(limits.ban_time, limits.max_ban_time, MAX_REMEMBERED),
            dialer,
            gossip_budget: Budget::new(limits.gossip_in_flight_bytes),
            exchanges: Exchanges::default(),
            request_rate: PeerBuckets::new(limits.request_rate, MAX_REMEMBERED),
            violations: PeerBuckets::new(limits.violations, MAX_REMEMBERED),
            dials: HashMap::new(),
            listeners: Vec::new(),
            ticks: 0,
            warnings: TokenBucket::new(Rate::new(1, 20), now),
            swarm,
            settings,
            metrics,
            commands,
            book,
            loopback,
        }
    }

    /// Binds every listen address; returns once each has told its real address.
    pub(crate) async fn listen(&mut self) -> Result<(), Error> {
        let addresses = self.settings.listen.clone();
        let mut waiting: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for address in addresses {
            let failed = |reason: String| Error::Listen { address: address.to_string(), reason };
            let id = self.swarm.listen_on(address.clone()).map_err(|error| failed(error.to_string()))?;
            self.listeners.push(id);
            waiting.insert(id, address);
        }
        while !waiting.is_empty() {
            let event = self.swarm.select_next_some().await;
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    waiting.remove(listener_id);
                }
                SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                    if let Some(address) = waiting.remove(listener_id) {
                        let reason = reason.as_ref().err().map_or("closed at once".to_owned(), ToString::to_string);
                        return Err(Error::Listen { address: address.to_string(), reason });
                    }
                }
                _ => {}
            }
            self.on_swarm(event);
        }
        Ok(())
    }

    /// Runs until shutdown is asked for, every handle is gone, or the node has dropped the events. Returns who waits
    /// for the end.
    pub(crate) async fn run(mut self) -> Option<oneshot::Sender<Result<(), Error>>> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = self.outbox.sender();
        let waiter = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown { answer }) => break Some(answer),
                    Some(command) => self.on_command(command),
                    None => break None,
                },
                _ = tick.tick() => {
                    self.on_tick(Instant::now());
                    if events.is_closed() {
                        break None;
                    }
                }
                // Room in the event queue: send what was kept back.
                place = events.reserve(), if self.outbox.is_waiting() => {
                    // There never will be any, and this would be ready for ever.
                    if place.is_err() {
                        break None;
                    }
                    drop(place);
                    self.outbox.flush();
                }
            }
        };
        if events.is_closed() {
            tracing::info!("nobody reads the network's events any more: shutting it down");
        }
        self.close().await;
        waiter
    }

    /// Stops listening, says goodbye to every peer, and tells the node as far as it still reads.
    async fn close(&mut self) {
        self.commands.close();
        self.swarm.behaviour_mut().members.end();
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        for peer in self.peers.all() {
            // An error says that it is disconnected already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let farewell = async {
            while self.swarm.network_info().num_peers() > 0 {
                if let SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } = self.swarm.select_next_some().await
                {
                    self.on_closed(peer_id, connection_id);
                }
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
        tracing::info!("network stopped");
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, cause = cause.map(|cause| cause.to_string()), "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_dial_failed(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_refused(&send_back_addr, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.outbox.tell(crate::Event::Listening { address });
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                let reason = reason.err().map(|error| error.to_string());
                tracing::warn!(?addresses, reason, "no longer listening");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Kad(event) => self.metrics.record(&event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Requests(event) => self.on_exchange(event),
            BehaviourEvent::Bans(never) | BehaviourEvent::Members(never) => match never {},
            BehaviourEvent::Connections(never) | BehaviourEvent::Memory(never) => match never {},
        }
    }

    /// Whether the peer is a member of our own cluster: the rules made for strangers do not hold for it.
    fn is_member(&self, peer: &PeerId) -> bool {
        self.swarm.behaviour().members.contains(peer)
    }

    /// Bans a peer for its own conduct or at the node's wish, unless it is one of our own.
    fn ban(&mut self, peer: PeerId, reason: &str) {
        if peer == *self.swarm.local_peer_id() {
            return;
        }
        if self.is_member(&peer) {
            tracing::warn!(%peer, reason, "a member of this cluster is not banned");
            return;
        }
        let Some(length) = self.bans.ban(peer, Instant::now()) else { return };
        tracing::warn!(%peer, reason, seconds = length.as_secs(), "peer banned");
        self.metrics.banned.inc();
        self.violations.reset(&peer);
        self.dialer.drop_known(&peer);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kad.remove_peer(&peer);
        behaviour.bans.block_peer(peer);
    }

    fn may_warn(&mut self) -> bool {
        self.warnings.take(1, Instant::now())
    }
}
