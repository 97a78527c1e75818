//! The effects of the engine on the real disk and network.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use pyralog_cluster_core::{Completion, Core, Event, Mark, Wal};
use pyralog_consensus::block::ChainState;
use pyralog_consensus::engine::{
    CommittedBlock, Input, MessageId, PeerNumber, Report, SignMark, SignerState, Ticket, Verdict,
};
use pyralog_crypto::codec::{Decode, Encode};
use tokio::sync::mpsc::UnboundedSender;

use super::engine_handle::{EngineHandle, LoopEvent, Responder, TxAnswer};
use super::engine_queue::QueuedBundle;
use super::shared::{Shared, lock};
use super::{NetCommand, Ports};
use crate::chain::{BlockRecord, ChainReader};
use crate::error::{Error, Result};
use crate::signing::{Wal as Rests, state_text};
use crate::store::CoreChain;

/// See the module.
pub struct NodePorts {
    wal: Wal,
    mark: Mark,
    store: pyralog_cluster_core::Chain,
    chain: CoreChain,
    engine: EngineHandle,
    network: UnboundedSender<NetCommand>,
    shared: Arc<Shared>,
    /// Decided blocks until their height is announced.
    decided: BTreeMap<u64, (Arc<BlockRecord>, Arc<ChainState>)>,
    /// Who waits for which answer of the mempool.
    waiting: HashMap<u64, QueuedBundle>,
    replies: u64,
    /// Where what is signed becomes durable.
    rests_on: Rests,
    generation: u64,
    /// Writes of this node's disk that are not durable yet.
    open: Arc<Open>,
    /// The height of the last mark.
    marked: u64,
}

/// Counts what is not durable yet, and remembers whether something never will be.
#[derive(Default)]
struct Open(Mutex<(usize, bool)>, Condvar);

impl Open {
    fn add(&self) {
        lock(&self.0).0 += 1;
    }

    fn is_empty(&self) -> bool {
        lock(&self.0).0 == 0
    }

    /// Waits until nothing is open, and answers whether all became durable.
    fn wait(&self) -> bool {
        let mut open = lock(&self.0);
        while open.0 > 0 {
            open = self.1.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        !open.1
    }
}

/// Ends with the completion that holds it, also where that is dropped uncalled.
struct Opened {
    of: Arc<Open>,
    is_durable: bool,
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut open = lock(&self.of.0);
        *open = (open.0 - 1, open.1 || !self.is_durable);
        self.of.1.notify_all();
    }
}

impl NodePorts {
    /// Ports over an open store.
    pub fn new(
        core: &Core,
        chain: CoreChain,
        engine: EngineHandle,
        network: UnboundedSender<NetCommand>,
        shared: Arc<Shared>,
        rests_on: Rests,
    ) -> Self {
        Self {
            wal: core.wal().clone(),
            mark: core.mark().clone(),
            store: core.chain().clone(),
            chain,
            engine,
            network,
            shared,
            decided: BTreeMap::new(),
            waiting: HashMap::new(),
            replies: 0,
            rests_on,
            generation: 0,
            open: Arc::default(),
            marked: core.mark().get().and_then(|mark| SignMark::from_bytes(&mark).ok()).map_or(0, |mark| mark.height),
        }
    }

    fn durable(&self, ticket: Ticket) -> Completion {
        let (engine, generation) = (self.engine.clone(), self.generation);
        self.open.add();
        let mut opened = Opened { of: Arc::clone(&self.open), is_durable: false };
        Box::new(move |event| {
            match event {
                Event::Durable { .. } => {
                    opened.is_durable = true;
                    engine.send(LoopEvent::Durable(generation, ticket));
                }
                other => {
                    if let Err(reason) = other.durable() {
                        engine.send(LoopEvent::Failed(Error::Storage(reason.to_string())));
                    }
                }
            }
            drop(opened);
        })
    }

    /// Whether no signature of this node is above what is decided.
    pub fn is_between_heights(&self) -> bool {
        self.marked <= self.chain.height() && self.open.is_empty()
    }

    /// Waits until all that was written is durable, and publishes the blocks among it.
    ///
    /// # Errors
    /// The storage failed.
    pub fn settle(&mut self) -> Result<()> {
        if !self.open.wait() {
            return Err(Error::Storage("what the consensus engine wrote did not become durable".into()));
        }
        for height in self.decided.keys().copied().collect::<Vec<_>>() {
            self.new_height(height);
        }
        Ok(())
    }

    /// Carries out the effects of another engine from now on.
    pub fn begin(&mut self, rests_on: Rests) {
        self.generation += 1;
        self.rests_on = match rests_on {
            Rests::Quorum(quorum) => Rests::Quorum(quorum.of(self.generation)),
            other => other,
        };
    }

    fn publish(&self, record: &BlockRecord) {
        let metrics = &self.shared.metrics;
        metrics.height.set(record.height() as i64);
        metrics.block_txs.inc_by(record.txs().len() as u64);
        metrics.block_bytes.inc_by(record.meta.block_size);
        let signed = record.commit.signatures.iter().filter(|signature| signature.is_commit()).count();
        metrics.missing_validators.set((record.commit.signatures.len() - signed) as i64);
        metrics.validators.set(record.meta.validators.len() as i64);
        metrics.validators_power.set(record.meta.validators.total_power() as i64);
        metrics.byzantine_validators.set(record.block.evidence.iter().count() as i64);
    }
}

fn storage(error: pyralog_cluster_core::Error) -> Error {
    Error::Storage(error.to_string())
}

impl Ports for NodePorts {
    fn wal_append(&mut self, ticket: Ticket, bytes: Bytes) -> Result<()> {
        match &self.rests_on {
            Rests::Quorum(quorum) => quorum.entry(ticket, &bytes),
            Rests::Nowhere => {
                self.engine.send(LoopEvent::Durable(self.generation, ticket));
                Ok(())
            }
            Rests::Own => self.wal.append_then(bytes, self.durable(ticket)).map(|_| ()).map_err(storage),
        }
    }

    fn wal_reset(&mut self, height: u64) -> Result<()> {
        match &self.rests_on {
            Rests::Quorum(quorum) => quorum.reset(height),
            Rests::Nowhere => Ok(()),
            Rests::Own => self.wal.reset(height).map(|_| ()).map_err(storage),
        }
    }

    fn mark(&mut self, ticket: Ticket, mark: SignMark) -> Result<()> {
        self.marked = mark.height;
        match &self.rests_on {
            Rests::Quorum(quorum) => quorum.mark(ticket, &mark),
            // Without a key there is none; one on the disk does no harm.
            Rests::Nowhere | Rests::Own => {
                self.mark.put_then(mark.to_bytes().into(), self.durable(ticket)).map(|_| ()).map_err(storage)
            }
        }
    }

    fn commit(&mut self, ticket: Ticket, block: Box<CommittedBlock>) -> Result<()> {
        if let Rests::Quorum(quorum) = &self.rests_on {
            // Before the WAL of its height is emptied: whoever signs next may have no other way to it.
            quorum.block(block.height, &block.block_bytes, &block.commit_bytes())?;
        }
        let put = self.chain.put(&block).map_err(|e| Error::Storage(e.to_string()))?;
        self.store.put_block_then(put, self.durable(ticket)).map_err(storage)?;
        self.decided.insert(block.height, (Arc::new(BlockRecord::of(&block)), Arc::clone(&block.chain)));
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn gossip(&mut self, bytes: Bytes) {
        let _ = self.network.send(NetCommand::Consensus(bytes));
    }

    fn verdict(&mut self, id: MessageId, verdict: Verdict) {
        let _ = self.network.send(NetCommand::Verdict(id, verdict));
    }

    fn need_sync(&mut self, height: u64, target: u64) {
        let _ = self.network.send(NetCommand::NeedSync { height, target });
    }

    fn penalise(&mut self, peer: PeerNumber, reason: &'static str) {
        let _ = self.network.send(NetCommand::Penalise(peer, reason));
    }

    fn new_height(&mut self, height: u64) {
        let Some((record, state)) = self.decided.remove(&height) else { return };
        self.publish(&record);
        self.chain.publish(Arc::clone(&record), state);
        self.shared.update(|live| {
            live.height = height + 1;
            live.round = 0;
            live.last_commit = Some(SystemTime::now());
        });
        self.shared.height.send_replace(height);
        // An error says that nobody subscribes.
        let _ = self.shared.blocks.send(record);
    }

    fn take_in(&mut self, given: QueuedBundle) -> Input {
        self.replies += 1;
        let bundle = given.txs.clone();
        self.waiting.insert(self.replies, given);
        Input::Tx { reply: self.replies, bundle }
    }

    fn tx_answer(&mut self, reply: u64, result: TxAnswer) {
        let Some(QueuedBundle { txs, responder, permit }) = self.waiting.remove(&reply) else { return };
        if result.is_err() {
            self.shared.metrics.mempool_refused.inc();
        } else if matches!(responder, Responder::Local(_)) {
            // With its permit: what the network does not send on yet holds back what comes after it.
            let _ = self.network.send(NetCommand::Txs(txs, permit));
        }
        responder.answer(result);
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Round { height, round, proposer, ours } => {
                self.shared.metrics.round.set(i64::from(round));
                self.shared.update(|live| {
                    (live.height, live.round, live.proposer) = (height, round, Some(proposer));
                    live.round_start = SystemTime::now();
                });
                match round {
                    0 => tracing::debug!(height, round, %proposer, ours, "round begins"),
                    _ => tracing::info!(height, round, %proposer, ours, "another round begins"),
                }
            }
            Report::Decided { height, round, hash, txs, signatures, synced } => {
                tracing::info!(height, round, %hash, txs, signatures, synced, "block");
            }
            Report::Untimely { height, round } => {
                tracing::warn!(
                    height,
                    round,
                    "the proposal's time is too far from our clock; prevoting nil. Check the clock if this goes on"
                );
            }
            Report::InvalidBlock { height, reason } => {
                tracing::warn!(height, reason, "the proposed block is invalid; prevoting nil");
            }
            Report::Equivocation { validator, height } => {
                self.shared.metrics.equivocations.inc();
                tracing::warn!(%validator, height, "a validator signed twice; evidence waits for a block");
            }
            Report::Signer { state, watching } => {
                self.shared.update(|live| (live.signer, live.watching) = (state, watching));
                self.shared.metrics.signer_active.set(i64::from(state == SignerState::Active));
                match state {
                    // The driver of a cluster says whose it is, or that it is nobody's.
                    SignerState::Suspended { seen } if matches!(self.rests_on, Rests::Quorum(_)) => {
                        self.shared.saw_strange(seen);
                        tracing::warn!(
                            %seen,
                            "this member signs nothing more for its cluster: a signature with the cluster's key was seen that it did not make; whose it is \
                             is said as soon as pyralog.signer says it, or in a few seconds"
                        );
                    }
                    SignerState::Suspended { .. } | SignerState::Abstaining { .. } => tracing::error!(%state, "signer"),
                    state => tracing::info!(state = state_text(&state), "signer"),
                }
            }
            Report::Unattended { power, total } => tracing::warn!(
                power,
                total,
                "waiting to hear from validators with more than two thirds of the power before signing anything"
            ),
            Report::Replayed { height, entries } => tracing::info!(height, entries, "replayed the consensus WAL"),
            Report::CoreError(error) => tracing::debug!(error, "the consensus core refused an input"),
            Report::Rejected { peer, reason } => {
                self.shared.metrics.rejected_messages.inc();
                tracing::debug!(peer = peer.0, reason, "refused a message");
            }
            _ => {}
        }
    }
}
