//! The network: nodes, links and time in one thread.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use pyralog_consensus::block::ValueId;
use pyralog_consensus::engine::{
    CommittedBlock, Effect, EngineConfig, Input, MessageId, PeerNumber, Report, SignerState, Ticket, Timer, Verdict,
    WireMessage,
};
use pyralog_consensus::genesis::Genesis;
use pyralog_crypto::Decode;

use super::audit::{Audit, Broken};
use super::byzantine::Byzantine;
use super::load::Load;
use super::node::Node;
use super::observer::Observer;
use super::outcome::{Counts, Rule};
use super::plan::{Fault, Links, MS, Plan};
use super::random::{Random, Stream};
use super::setting::{GENESIS, all_accounts, genesis};
use super::trace::Trace;

/// What happens at a node.
pub(super) enum Event {
    Start,
    Gossip { from: usize, bytes: Bytes },
    Timer { timer: Timer, generation: u64 },
    Synced(Ticket),
    BlocksWanted { by: usize, height: u64 },
    Block { from: usize, block: Bytes, commit: Bytes },
    Claim { from: usize, height: u64 },
    Submit { reply: u64, bundle: Vec<Bytes> },
}

/// What happens at all.
pub(super) enum Happening {
    /// At a node, unless it has died since (a start: unless it runs).
    Node {
        node: usize,
        life: u64,
        event: Event,
    },
    Fault(Fault),
    PartitionEnds(u64),
    Heal,
    Load,
    Tick,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) genesis: Genesis,
    /// Nanoseconds since the start.
    pub(super) now: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) audit: Audit,
    pub(super) trace: Trace,
    pub(super) counts: Counts,
    pub(super) links: Links,
    /// Sides of the partitions that exist, by number.
    pub(super) partitions: BTreeMap<u64, Vec<bool>>,
    pub(super) disk_luck: Random,
    pub(super) byzantine: Option<Byzantine>,
    pub(super) load: Load,
    /// The height that all honest nodes must pass, once everything is healed.
    pub(super) target: Option<u64>,
    observer: Observer,
    pub(super) network: Random,
    events: BTreeMap<(u64, u64), Happening>,
    count: u64,
    /// The message that is being judged: whose forwarding, and its bytes.
    judged: Option<(usize, Bytes)>,
}

impl World {
    /// `config`: the settings of each node's engine.
    pub(super) fn new(plan: Plan, config: impl Fn(usize) -> EngineConfig) -> Result<Self> {
        let genesis = genesis(&plan)?;
        let node = |i: usize| Node::new(i, &genesis, config(i), plan.clocks.get(i).copied().unwrap_or(0));
        let nodes: Vec<_> = (0..plan.nodes()).map(node).collect();
        let honest = nodes.iter().enumerate().filter(|(i, _)| !plan.is_byzantine(*i)).map(|(_, node)| node.address);
        let mut world = Self {
            observer: Observer::new(honest),
            audit: Audit::new(&genesis, all_accounts(plan.nodes()))?,
            trace: Trace::new(),
            counts: Counts::default(),
            links: plan.links,
            partitions: BTreeMap::new(),
            disk_luck: Random::new(plan.seed, Stream::Disk),
            network: Random::new(plan.seed, Stream::Network),
            byzantine: Byzantine::new(&plan),
            load: Load::new(&plan),
            target: None,
            now: 0,
            events: BTreeMap::new(),
            count: 0,
            judged: None,
            genesis,
            nodes,
            plan,
        };
        world.schedule();
        Ok(world)
    }

    fn schedule(&mut self) {
        for node in 0..self.nodes.len() {
            let after = self.network.between(0, 100 * MS);
            self.post(node, after, Event::Start);
        }
        for (at, fault) in self.plan.faults.clone() {
            self.later(at, Happening::Fault(fault));
        }
        self.later(self.plan.chaos, Happening::Heal);
        self.later(self.plan.load_every, Happening::Load);
        self.later(500 * MS, Happening::Tick);
    }

    /// Takes the next thing that happens; `None` if nothing ever will.
    pub(super) fn next(&mut self) -> Option<Happening> {
        let ((at, _), happening) = self.events.pop_first()?;
        self.now = self.now.max(at);
        Some(happening)
    }

    pub(super) fn later(&mut self, after: u64, happening: Happening) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), happening);
    }

    /// Something will happen at a node as it is now.
    pub(super) fn post(&mut self, node: usize, after: u64, event: Event) {
        let life = self.nodes[node].life;
        self.later(after, Happening::Node { node, life, event });
    }

    pub(super) fn is_honest(&self, node: usize) -> bool {
        !self.plan.is_byzantine(node)
    }

    pub(super) fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().enumerate().filter(|(i, _)| self.is_honest(*i)).map(|(_, node)| node)
    }

    pub(super) fn at_node(&mut self, node: usize, life: u64, event: Event) -> Result<(), Broken> {
        if self.nodes[node].life != life {
            return Ok(());
        }
        let input = match event {
            Event::Start => return self.start(node),
            _ if !self.nodes[node].is_up() => return Ok(()),
            Event::Gossip { from, bytes } => return self.gossip_in(node, from, bytes),
            Event::Timer { timer, generation } => {
                if self.nodes[node].timers.get(&timer) != Some(&generation) {
                    return Ok(());
                }
                self.nodes[node].timers.remove(&timer);
                Input::Elapsed(timer)
            }
            Event::Synced(ticket) => {
                self.nodes[node].disk.lock().synced(ticket);
                Input::Durable(ticket)
            }
            Event::BlocksWanted { by, height } => {
                self.give_blocks(node, by, height);
                return Ok(());
            }
            Event::Block { from, block, commit } => Input::SyncBlock { peer: PeerNumber(from as u64), block, commit },
            Event::Claim { from, height } => Input::PeerHeight { peer: PeerNumber(from as u64), height },
            Event::Submit { reply, bundle } => Input::Tx { reply, bundle },
        };
        self.step(node, input)
    }

    fn start(&mut self, node: usize) -> Result<(), Broken> {
        if self.nodes[node].is_up() {
            return Ok(());
        }
        self.nodes[node]
            .start(&self.genesis)
            .map_err(|error| (Rule::Blame, format!("node {node} cannot be recovered: {error:#}")))?;
        self.counts.abstentions += u64::from(self.nodes[node].abstains());
        self.step(node, Input::Start)
    }

    fn gossip_in(&mut self, node: usize, from: usize, bytes: Bytes) -> Result<(), Broken> {
        let own = self.byzantine.as_ref().filter(|b| b.node == node);
        if own.is_some_and(|byzantine| byzantine.is_about_me(&bytes)) || !self.nodes[node].is_new(&bytes) {
            return Ok(());
        }
        self.counts.messages += 1;
        self.count += 1;
        let (id, peer) = (MessageId(self.count), PeerNumber(from as u64));
        self.judged = Some((from, bytes.clone()));
        self.step(node, Input::Gossip { id, peer, bytes })
    }

    pub(super) fn step(&mut self, node: usize, input: Input) -> Result<(), Broken> {
        let effects = self.nodes[node].step(self.now, input);
        for effect in effects {
            if let Some((left, crash, down)) = &mut self.nodes[node].fuse {
                if *left == 0 {
                    let (crash, down) = (*crash, *down);
                    self.crash(node, crash, down);
                    return Ok(());
                }
                *left -= 1;
            }
            self.trace.record(self.now, node, &effect);
            self.apply(node, effect)?;
        }
        Ok(())
    }

    fn apply(&mut self, node: usize, effect: Effect) -> Result<(), Broken> {
        match effect {
            Effect::WalAppend { ticket, bytes } => {
                self.nodes[node].disk.lock().append(ticket, bytes);
                self.sync(node, ticket);
            }
            Effect::WalReset { .. } => self.nodes[node].disk.lock().reset(),
            Effect::Mark { ticket, mark } => {
                self.nodes[node].disk.lock().set_mark(ticket, mark);
                self.sync(node, ticket);
            }
            Effect::Commit { ticket, block } => {
                self.committed(node, &block)?;
                self.nodes[node].disk.lock().commit(ticket, block);
                self.sync(node, ticket);
            }
            Effect::Gossip { bytes } => self.gossip_out(node, bytes)?,
            Effect::Verdict { verdict, .. } => return self.judge(node, verdict),
            Effect::Schedule { timer, after_ns } => {
                self.count += 1;
                let generation = self.count;
                self.nodes[node].timers.insert(timer, generation);
                self.post(node, after_ns, Event::Timer { timer, generation });
            }
            Effect::Cancel(timer) => {
                self.nodes[node].timers.remove(&timer);
            }
            Effect::NeedSync { height, .. } => {
                let peers = self.peers(node);
                let peer = peers[self.network.below(peers.len())];
                self.transmit(node, peer, || Event::BlocksWanted { by: node, height });
            }
            Effect::PenalisePeer { peer, reason } => return self.blame(node, peer.0 as usize, reason),
            Effect::TxAnswer { reply, result } => {
                let must = self.load.must_refuse(reply, self.nodes[node].height());
                if let (Some(what), true, true) = (must, result.is_ok(), self.is_honest(node)) {
                    return Err((Rule::HostileTx, format!("node {node} took {what} into its mempool")));
                }
                self.counts.refused += u64::from(must.is_some());
            }
            Effect::Fatal(error) if self.is_honest(node) => {
                return Err((Rule::Blame, format!("node {node} stopped: {error}")));
            }
            Effect::Report(report) => return self.report(node, report),
            Effect::Fatal(_) | Effect::NewHeight { .. } => {}
        }
        Ok(())
    }

    /// The disk reports the ticket after a while. Later ones may come first: a sync covers what was written before it.
    fn sync(&mut self, node: usize, ticket: Ticket) {
        let (low, high) = self.plan.sync_time;
        let after = self.disk_luck.between(low, high);
        self.post(node, after, Event::Synced(ticket));
    }

    fn committed(&mut self, node: usize, block: &CommittedBlock) -> Result<(), Broken> {
        if !self.is_honest(node) {
            return Ok(());
        }
        self.audit.committed(block, GENESIS + self.now)?;
        self.counts.synced += u64::from(block.synced);
        self.counts.late_rounds += u64::from(block.commit.round.value() > 0 && !block.synced);
        if let Some(value) = ValueId::new(block.block_id, block.block.header.time) {
            self.observer.commit(&block.commit, &value)?;
        }
        let lowest = self.honest().map(Node::height).min().unwrap_or(0);
        self.observer.forget_below(lowest);
        Ok(())
    }

    fn gossip_out(&mut self, node: usize, bytes: Bytes) -> Result<(), Broken> {
        self.nodes[node].is_new(&bytes);
        let peers = self.peers(node);
        let Self { byzantine, nodes, load, .. } = self;
        if let Some(byzantine) = byzantine.as_mut().filter(|b| b.node == node) {
            let Some(engine) = &nodes[node].engine else { return Ok(()) };
            let sent = byzantine.twist(bytes, &peers, engine.chain(), &nodes[node].disk, &load.arsenal);
            self.send_all(node, sent);
            return Ok(());
        }
        let message = WireMessage::from_bytes(&bytes)
            .map_err(|error| (Rule::Blame, format!("node {node} sent what nobody can decode: {error}")))?;
        let from = &self.nodes[node];
        let (clock, disk) = (from.latest_clock(self.now), from.disk.lock());
        self.observer.honest(from.address, &message, clock, &disk, &self.audit)?;
        drop(disk);
        self.send_all(node, peers.into_iter().map(|peer| (peer, bytes.clone())).collect());
        Ok(())
    }

    /// Sends messages; those of the Byzantine validator are noted here, in whatever form.
    pub(super) fn send_all(&mut self, node: usize, sent: Vec<(usize, Bytes)>) {
        for (peer, bytes) in sent {
            if !self.is_honest(node)
                && let Ok(message) = WireMessage::from_bytes(&bytes)
            {
                self.observer.byzantine(&message);
            }
            self.transmit(node, peer, || Event::Gossip { from: node, bytes: bytes.clone() });
        }
    }

    fn judge(&mut self, node: usize, verdict: Verdict) -> Result<(), Broken> {
        let Some((from, bytes)) = self.judged.take() else { return Ok(()) };
        match verdict {
            Verdict::Ignore => {}
            Verdict::Reject => return self.blame(node, from, "it sent a message that was rejected"),
            Verdict::Accept => {
                // In a full mesh everybody has heard it.
                let peers = if self.plan.full_mesh { Vec::new() } else { self.peers(node) };
                for peer in peers.into_iter().filter(|peer| *peer != from) {
                    self.transmit(node, peer, || Event::Gossip { from: node, bytes: bytes.clone() });
                }
            }
        }
        Ok(())
    }

    fn blame(&mut self, node: usize, peer: usize, reason: &str) -> Result<(), Broken> {
        if self.is_honest(node) && self.is_honest(peer) {
            return Err((Rule::Blame, format!("node {node} holds it against honest node {peer}: {reason}")));
        }
        self.counts.rejected += 1;
        Ok(())
    }

    fn report(&mut self, node: usize, report: Report) -> Result<(), Broken> {
        match report {
            Report::Signer { state: SignerState::Suspended { seen }, .. }
                if self.is_honest(node) && !self.nodes[node].restored =>
            {
                return Err((Rule::Blame, format!("node {node} takes a {seen} of its own for a stranger's")));
            }
            Report::Signer { state: SignerState::Suspended { .. }, .. } => {
                self.counts.suspensions += 1;
                return self.step(node, Input::SignerResume);
            }
            Report::Rejected { peer, reason } => return self.blame(node, peer.0 as usize, reason),
            Report::Equivocation { validator, .. } => {
                self.nodes[node].caught.insert(validator);
                if self.honest().any(|node| node.address == validator) {
                    return Err((Rule::DoubleSign, format!("node {node} has evidence against honest {validator}")));
                }
            }
            Report::Replayed { .. } => self.counts.replays += 1,
            Report::Untimely { .. } => self.counts.untimely += 1,
            Report::InvalidBlock { .. } => self.counts.invalid_blocks += 1,
            _ => {}
        }
        Ok(())
    }
}
