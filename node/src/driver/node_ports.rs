//! The effects of the engine on the real disk and network.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use pyralog_cluster_core::{Completion, Core, Event, Mark, Wal};
use pyralog_consensus::block::ChainState;
use pyralog_consensus::engine::{
    CommittedBlock, Input, MessageId, PeerNumber, Report, SignMark, SignerState, Ticket, Verdict,
};
use pyralog_crypto::codec::Encode;
use tokio::sync::mpsc::UnboundedSender;

use super::engine_handle::{EngineHandle, LoopEvent, Responder, TxAnswer};
use super::engine_queue::QueuedBundle;
use super::shared::Shared;
use super::{NetCommand, Ports};
use crate::chain::BlockRecord;
use crate::error::{Error, Result};
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
}

impl NodePorts {
    /// Ports over an open store.
    pub fn new(
        core: &Core,
        chain: CoreChain,
        engine: EngineHandle,
        network: UnboundedSender<NetCommand>,
        shared: Arc<Shared>,
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
        }
    }

    fn durable(&self, ticket: Ticket) -> Completion {
        let engine = self.engine.clone();
        Box::new(move |event| match event {
            Event::Durable { .. } => engine.input(Input::Durable(ticket)),
            other => {
                if let Err(reason) = other.durable() {
                    engine.send(LoopEvent::Failed(Error::Storage(reason.to_string())));
                }
            }
        })
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
        self.wal.append_then(bytes, self.durable(ticket)).map(|_| ()).map_err(storage)
    }

    fn wal_reset(&mut self, height: u64) -> Result<()> {
        self.wal.reset(height).map(|_| ()).map_err(storage)
    }

    fn mark(&mut self, ticket: Ticket, mark: SignMark) -> Result<()> {
        self.mark.put_then(mark.to_bytes().into(), self.durable(ticket)).map(|_| ()).map_err(storage)
    }

    fn commit(&mut self, ticket: Ticket, block: Box<CommittedBlock>) -> Result<()> {
        let put = self.chain.put(&block).map_err(|e| Error::Storage(e.to_string()))?;
        self.store.put_block_then(put, self.durable(ticket)).map_err(storage)?;
        self.decided.insert(block.height, (Arc::new(BlockRecord::of(&block)), Arc::clone(&block.chain)));
        Ok(())
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
                    SignerState::Suspended { .. } | SignerState::Abstaining { .. } => tracing::error!(%state, "signer"),
                    _ => tracing::info!(%state, "signer"),
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
