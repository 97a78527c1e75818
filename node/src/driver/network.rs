//! Between the peer-to-peer network and the engine: gossip in with verdicts, gossip out, transactions in batches, requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pyralog_consensus::engine::{Input, MessageId, PeerNumber, Verdict};
use pyralog_crypto::codec::{Decode, Encode};
use pyralog_p2p as p2p;
use pyralog_p2p::{Event, MessageRef, PeerId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::engine_handle::{EngineHandle, GossipGroup, Judged};
use super::engine_queue::Permit;
use super::offers::{Offers, PAUSE};
use super::shared::{Shared, lock};
use super::sync::Sync;
use super::wire::{
    CONSENSUS_TOPIC, MAX_GOSSIP_BUNDLES, MAX_SYNC_REQUEST_BYTES, MAX_SYNC_RESPONSE_BYTES, MAX_TX_GOSSIP_BYTES,
    SYNC_PROTOCOL, TX_TOPIC, TxGossip,
};
use crate::cluster::Book as Members;
use crate::config::P2pConfig;
use crate::keys::random;
use crate::store::CoreChain;
use crate::tunnel::{MEET_PROTOCOL, Meetings};

/// Messages that wait for the engine's verdict; more are ignored.
const MAX_JUDGING: usize = 8_192;
/// Transactions are collected so long before they are sent on.
const TX_FLUSH: Duration = Duration::from_millis(10);
/// A batch is sent at once when it has so many bytes.
const TX_BATCH_BYTES: usize = 256 << 10;

/// Something for the network.
#[derive(Debug)]
pub enum NetCommand {
    /// Publish a consensus message.
    Consensus(Bytes),
    /// Send a bundle on to the mempools of others; its permit is given back when it is in a message.
    Txs(Vec<Bytes>, Option<Permit>),
    /// The engine judged a message.
    Verdict(MessageId, Verdict),
    /// The mempool judged a message.
    TxVerdict(MessageRef, bool),
    /// A peer misbehaved.
    Penalise(PeerNumber, &'static str),
    /// Blocks are missing.
    NeedSync {
        /// From this height on.
        height: u64,
        /// Up to what somebody claims.
        target: u64,
    },
}

/// What the node asks of the peer-to-peer network.
pub fn p2p_config(seed: [u8; 32], chain_id: &str, config: &P2pConfig, address_book: Option<Bytes>) -> p2p::Config {
    let mut out = p2p::Config::new(seed, chain_id);
    out.agent = concat!("pyralogd/", env!("CARGO_PKG_VERSION")).to_owned();
    out.listen = config.listen.clone();
    out.external = config.external.clone();
    out.bootstrap = config.bootstrap.clone();
    out.topics = vec![
        p2p::TopicSpec::new(CONSENSUS_TOPIC, pyralog_consensus::engine::MAX_MESSAGE_BYTES),
        p2p::TopicSpec::new(TX_TOPIC, MAX_TX_GOSSIP_BYTES),
    ];
    out.protocols = vec![p2p::ProtocolSpec::new(SYNC_PROTOCOL, MAX_SYNC_REQUEST_BYTES, MAX_SYNC_RESPONSE_BYTES)];
    out.limits.max_connections = u32::try_from(2 * config.max_peers).unwrap_or(u32::MAX);
    out.limits.max_incoming = u32::try_from(config.max_peers + config.max_peers / 2).unwrap_or(u32::MAX);
    out.limits.max_outgoing = u32::try_from(config.max_peers).unwrap_or(u32::MAX);
    out.address_book = address_book;
    out
}

/// Numbers of peers and of messages that are being judged.
#[derive(Default)]
struct Book {
    numbers: HashMap<PeerId, u64>,
    peers: BTreeMap<u64, PeerId>,
    next_peer: u64,
    judging: HashMap<u64, MessageRef>,
    next_message: u64,
}

/// Peers whose numbers are remembered: connected ones, and some that were.
const MAX_NUMBERED: usize = 4_096;

impl Book {
    fn number(&mut self, peer: PeerId) -> PeerNumber {
        if let Some(number) = self.numbers.get(&peer) {
            return PeerNumber(*number);
        }
        self.next_peer += 1;
        self.numbers.insert(peer, self.next_peer);
        self.peers.insert(self.next_peer, peer);
        while self.peers.len() > MAX_NUMBERED {
            if let Some((_, oldest)) = self.peers.pop_first() {
                self.numbers.remove(&oldest);
            }
        }
        PeerNumber(self.next_peer)
    }
}

/// The bridge: one task hears the network, one speaks to it.
#[derive(Clone)]
pub struct Network {
    handle: p2p::Handle,
    engine: EngineHandle,
    commands: mpsc::UnboundedSender<NetCommand>,
    shared: Arc<Shared>,
    sync: Sync,
    meetings: Option<Meetings>,
    book: Arc<Mutex<Book>>,
}

impl Network {
    /// Starts the tasks; they are to be aborted when the network has shut down.
    pub fn start(
        handle: p2p::Handle,
        events: mpsc::Receiver<Event>,
        commands: (mpsc::UnboundedSender<NetCommand>, mpsc::UnboundedReceiver<NetCommand>),
        engine: EngineHandle,
        chain: CoreChain,
        shared: Arc<Shared>,
        members: Members,
        meetings: Option<Meetings>,
    ) -> Vec<AbortHandle> {
        let book: Arc<Mutex<Book>> = Arc::default();
        let numbers = Arc::clone(&book);
        let (sync, mut tasks) = {
            let shared = Arc::clone(&shared);
            Sync::start(handle.clone(), engine.clone(), chain, shared, members, move |peer| lock(&numbers).number(peer))
        };
        tasks.extend(meetings.as_ref().map(Meetings::start));
        let network = Self { handle, engine, commands: commands.0, shared, sync, meetings, book };
        tasks.push(tokio::spawn(network.clone().receive(events)).abort_handle());
        tasks.push(tokio::spawn(network.clone().offer_again()).abort_handle());
        tasks.push(tokio::spawn(network.send(commands.1)).abort_handle());
        tasks
    }

    async fn receive(self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Gossip { topic, message, source, data } if &*topic == CONSENSUS_TOPIC => {
                    self.consensus(message, source, data);
                }
                Event::Gossip { message, data, .. } => self.transactions(message, &data),
                Event::Request { peer, protocol, data, reply } if &*protocol == MEET_PROTOCOL => match &self.meetings {
                    Some(meetings) => meetings.serve(peer, &data, reply),
                    None => reply.refuse(),
                },
                Event::Request { peer, data, reply, .. } => self.sync.serve(peer, data, reply),
                Event::Connected(peer) => {
                    self.shared.peer_came();
                    self.sync.connected(peer.peer_id);
                }
                Event::Disconnected { peer } => {
                    self.shared.peer_went();
                    self.sync.disconnected(peer);
                }
                // Listening, and what later versions tell: the network logs it itself.
                _ => {}
            }
        }
    }

    fn consensus(&self, message: MessageRef, source: PeerId, bytes: Bytes) {
        let mut book = lock(&self.book);
        if book.judging.len() >= MAX_JUDGING {
            self.shared.metrics.gossip_dropped.inc();
            return;
        }
        book.next_message += 1;
        let (id, peer) = (MessageId(book.next_message), book.number(source));
        book.judging.insert(id.0, message);
        drop(book);
        if !self.engine.offer(Input::Gossip { id, peer, bytes }) {
            lock(&self.book).judging.remove(&id.0);
            self.shared.metrics.gossip_dropped.inc();
        }
    }

    fn transactions(&self, message: MessageRef, data: &[u8]) {
        let Ok(gossip) = TxGossip::from_bytes(data) else {
            let _ = self.commands.send(NetCommand::TxVerdict(message, false));
            return;
        };
        let commands = self.commands.clone();
        let message = Mutex::new(Some(message));
        let group = GossipGroup::new(gossip.bundles.len(), move |judged| {
            let Some(message) = lock(&message).take() else { return };
            match judged {
                Judged::Taken => drop(commands.send(NetCommand::TxVerdict(message, true))),
                // What we do not take may still be good elsewhere, so nobody is blamed: not forwarding is enough.
                Judged::NotTaken => {}
                Judged::Never => drop(commands.send(NetCommand::TxVerdict(message, false))),
            }
        });
        self.engine.gossip(gossip.bundles, &group);
    }

    async fn send(self, mut commands: mpsc::UnboundedReceiver<NetCommand>) {
        let mut batch = TxGossip::default();
        let (mut bytes, mut flush_at) = (0, Instant::now());
        loop {
            let command = tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => command,
                    None => return,
                },
                () = sleep_until(flush_at), if !batch.bundles.is_empty() => {
                    self.publish(TX_TOPIC, std::mem::take(&mut batch).to_bytes().into()).await;
                    bytes = 0;
                    continue;
                }
            };
            match command {
                NetCommand::Consensus(message) => self.publish(CONSENSUS_TOPIC, message).await,
                NetCommand::Txs(bundle, _permit) => {
                    if batch.bundles.is_empty() {
                        flush_at = Instant::now() + TX_FLUSH;
                    }
                    bytes += bundle.iter().map(Bytes::len).sum::<usize>();
                    batch.bundles.push(bundle);
                    if bytes >= TX_BATCH_BYTES || batch.bundles.len() >= MAX_GOSSIP_BUNDLES {
                        self.publish(TX_TOPIC, std::mem::take(&mut batch).to_bytes().into()).await;
                        bytes = 0;
                    }
                }
                NetCommand::Verdict(id, verdict) => {
                    let message = lock(&self.book).judging.remove(&id.0);
                    if let Some(message) = message {
                        let _ = self.handle.verdict(message, translate(verdict)).await;
                    }
                }
                NetCommand::TxVerdict(message, good) => {
                    let verdict = if good { p2p::Verdict::Accept } else { p2p::Verdict::Reject };
                    let _ = self.handle.verdict(message, verdict).await;
                }
                NetCommand::Penalise(number, reason) => {
                    let peer = lock(&self.book).peers.get(&number.0).copied();
                    if let Some(peer) = peer {
                        tracing::warn!(%peer, reason, "a peer misbehaved");
                        self.sync.distrust(peer);
                        let _ = self.handle.ban(peer, reason).await;
                    }
                }
                NetCommand::NeedSync { height, target } => self.sync.need(height, target),
            }
        }
    }

    /// Offers again what blocks go without. The numbers of two nodes differ, so that none of them is silent where the other has spoken.
    async fn offer_again(self) {
        let mut height = self.shared.height.subscribe();
        let mut attempt = random().map_or(0, u32::from_be_bytes);
        let (mut offers, mut next) = (Offers::default(), Instant::now());
        while height.changed().await.is_ok() {
            let is_due = Instant::now() >= next && self.shared.live().peers > 0;
            let bundles = self.shared.pool.read(|pool| {
                offers.block(pool);
                if is_due { offers.choose(pool) } else { Vec::new() }
            });
            if bundles.is_empty() {
                continue;
            }
            next = Instant::now() + PAUSE;
            attempt = attempt.checked_add(1).unwrap_or(1);
            tracing::debug!(bundles = bundles.len(), attempt, "blocks go without them: offering transactions again");
            self.publish(TX_TOPIC, TxGossip { attempt, bundles }.to_bytes().into()).await;
        }
    }

    async fn publish(&self, topic: &str, bytes: Bytes) {
        match self.handle.publish(topic, bytes).await {
            // Alone, or said already: the engine repeats what matters, and what waits in the mempool is offered again.
            Ok(()) | Err(p2p::Error::NoPeers(_) | p2p::Error::Duplicate(_) | p2p::Error::Closed) => {}
            Err(error) => {
                self.shared.metrics.gossip_dropped.inc();
                tracing::debug!(%error, topic, "a message was not published");
            }
        }
    }
}

fn translate(verdict: Verdict) -> p2p::Verdict {
    match verdict {
        Verdict::Accept => p2p::Verdict::Accept,
        Verdict::Ignore => p2p::Verdict::Ignore,
        Verdict::Reject => p2p::Verdict::Reject,
    }
}
