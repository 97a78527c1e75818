//! What the engine's effects are carried out with: disk, network, listeners. The node has one implementation, tests another.

use bytes::Bytes;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::engine::{CommittedBlock, Input, MessageId, PeerNumber, Report, SignMark, Ticket, Verdict};
use pyralog_consensus::tx::TxError;

use super::engine_queue::QueuedBundle;
use crate::error::Result;

/// Carries out effects in their order. Whatever must become durable reports its ticket by
/// [`pyralog_consensus::engine::Input::Durable`] later.
pub trait Ports {
    /// Appends to the consensus WAL.
    ///
    /// # Errors
    /// The storage failed: the node stops. So for all that follow.
    fn wal_append(&mut self, ticket: Ticket, bytes: Bytes) -> Result<()>;
    /// Empties the WAL.
    ///
    /// # Errors
    /// As [`Ports::wal_append`].
    fn wal_reset(&mut self, height: u64) -> Result<()>;
    /// Replaces the signer mark.
    ///
    /// # Errors
    /// As [`Ports::wal_append`].
    fn mark(&mut self, ticket: Ticket, mark: SignMark) -> Result<()>;
    /// Persists a block.
    ///
    /// # Errors
    /// As [`Ports::wal_append`].
    fn commit(&mut self, ticket: Ticket, block: Box<CommittedBlock>) -> Result<()>;
    /// The number of the engine among those that these ports have carried out effects of.
    fn generation(&self) -> u64;
    /// Publishes a consensus message.
    fn gossip(&mut self, bytes: Bytes);
    /// Judges a received message.
    fn verdict(&mut self, id: MessageId, verdict: Verdict);
    /// Blocks from `height` on are missing; somebody claims `target`.
    fn need_sync(&mut self, height: u64, target: u64);
    /// A peer misbehaved.
    fn penalise(&mut self, peer: PeerNumber, reason: &'static str);
    /// A height is committed and executed.
    fn new_height(&mut self, height: u64);
    /// Keeps a bundle until [`Ports::tx_answer`], gives the input for the engine.
    fn take_in(&mut self, given: QueuedBundle) -> Input;
    /// The answer to a bundle that was taken in.
    fn tx_answer(&mut self, reply: u64, result: std::result::Result<Vec<CheckedTx>, TxError>);
    /// For logs and metrics.
    fn report(&mut self, report: Report);
}
