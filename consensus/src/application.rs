//! What the engine asks of the state machine above it. The calls are named after ABCI 2.0.
//!
//! Order at each height H: any number of `prepare_proposal` and `process_proposal` on the state of H-1, then `finalize_block` for the
//! decided block, then (once its writes are durable) `commit`. `check_tx` may come at any time.

use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{Address, Hash, LogId, PublicKey};
use tendermint::Time;

use crate::block::{ChainState, ValidatorAddress};
use crate::error::BlockError;
use crate::tx::TxError;

/// The replicated state machine: deterministic, no clock, no randomness, no IO besides its [`StateStore`].
pub trait Application {
    /// Checks a transaction against the last committed state, for the mempool.
    ///
    /// # Errors
    /// The reason to refuse it.
    fn check_tx(&self, tx: &[u8]) -> Result<CheckedTx, TxError>;

    /// Checks a bundle against the last committed state: one transaction, or an anchor and its companion, which pass together only.
    ///
    /// # Errors
    /// The reason to refuse it.
    fn check_bundle(&self, txs: &[Bytes]) -> Result<Vec<CheckedTx>, TxError> {
        txs.iter().map(|tx| self.check_tx(tx)).collect()
    }

    /// Chooses the transactions of a block that we propose: drops what would fail on the state of H-1, keeps the order and keeps an anchor
    /// with its companion. The answer's sizes add up to at most `max_bytes`. `ctx.block_hash` is not known yet and zero.
    fn prepare_proposal(&mut self, ctx: &BlockContext, candidates: Vec<Bytes>, max_bytes: u64) -> Vec<Bytes>;

    /// Executes every transaction in order on the state of H-1. May keep the result for `finalize_block` under `ctx.block_hash`.
    ///
    /// # Errors
    /// Any failing transaction refuses the whole block: we vote nil.
    fn process_proposal(&mut self, ctx: &BlockContext, txs: &[Bytes], evidence: &[Misbehavior])
    -> Result<(), AppError>;

    /// Executes the decided block. The base state does not change before [`Application::commit`].
    ///
    /// # Errors
    /// Any failure is fatal: more than two thirds of the stake accepted this block.
    fn finalize_block(
        &mut self,
        ctx: &BlockContext,
        txs: &[Bytes],
        evidence: &[Misbehavior],
    ) -> Result<Finalized, AppError>;

    /// The writes of `finalize_block` at `height` are durable: make them the base state.
    fn commit(&mut self, height: u64);
}

/// [`Application::check_bundle`] as a function.
pub type BundleCheck<'a> = &'a dyn Fn(&[Bytes]) -> Result<Vec<CheckedTx>, TxError>;

/// Where transactions for our proposals come from: the mempool.
pub trait TxSource: Send {
    /// Takes a bundle (one transaction, or an anchor and its companion that go in together). `check` is [`Application::check_bundle`],
    /// `height` the last committed one.
    ///
    /// # Errors
    /// Why it was not taken.
    fn submit(&mut self, height: u64, bundle: Vec<Bytes>, check: BundleCheck<'_>) -> Result<Vec<CheckedTx>, TxError>;

    /// Candidates for the next block in the order to try them; their sizes add up to at most `max_bytes`.
    fn candidates(&mut self, max_bytes: u64) -> Vec<Bytes>;

    /// The block of `height` with `txs` is committed: forget those, check the others again.
    fn committed(&mut self, height: u64, txs: &[Bytes], check: BundleCheck<'_>);

    /// How many transactions wait.
    fn len(&self) -> usize;

    /// Whether none waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`TxSource`] without transactions: every block we propose is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTxs;

impl TxSource for NoTxs {
    fn submit(
        &mut self,
        _height: u64,
        _bundle: Vec<Bytes>,
        _check: BundleCheck<'_>,
    ) -> Result<Vec<CheckedTx>, TxError> {
        Err(TxError::MempoolFull)
    }

    fn candidates(&mut self, _max_bytes: u64) -> Vec<Bytes> {
        Vec::new()
    }

    fn committed(&mut self, _height: u64, _txs: &[Bytes], _check: BundleCheck<'_>) {}

    fn len(&self) -> usize {
        0
    }
}

/// Reads of the committed state by the ledger. The node gives RocksDB, the simulator a `BTreeMap`.
pub trait StateStore: Send {
    /// The value under `key` after the last durable commit.
    ///
    /// # Errors
    /// The store failed; the node stops.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
}

/// A read of committed state failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state store failed: {0}")]
pub struct StoreError(pub String);

/// What a mempool must know of a transaction that passed [`Application::check_tx`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTx {
    /// SHA-256 of the transaction's bytes.
    pub hash: Hash,
    /// Encoded size, bytes.
    pub size: usize,
    /// Fee, upyra.
    pub fee: u64,
    /// The signers and the nonce each uses; empty for anchors and companions.
    pub signers: Vec<(Address, u64)>,
    /// For each of the signers the nonce that is next in the state the check ran on; at most the one it uses.
    pub next_nonces: Vec<u64>,
    /// The last height at which it may be in a block; `u64::MAX` where it does not expire.
    pub expiry_height: u64,
    /// For an anchor: its log and size. A later anchor of the log replaces it.
    pub anchor: Option<(LogId, u64)>,
}

/// The application refuses a block, or failed on a decided one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A transaction of the block fails.
    #[error("transaction {index} of the block fails: {error}")]
    Tx {
        /// Its position in the block.
        index: usize,
        /// Why.
        error: TxError,
    },
    /// The block as a whole breaks a rule of the ledger.
    #[error("the block breaks a rule of the ledger: {0}")]
    Block(String),
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An invariant of the ledger does not hold; the node must stop.
    #[error("ledger invariant violated: {0}")]
    Invariant(String),
}

/// The block that is being prepared or executed.
#[derive(Clone, Debug)]
pub struct BlockContext {
    /// Its height.
    pub height: u64,
    /// The time in its header.
    pub time: Time,
    /// Its proposer's address.
    pub proposer: ValidatorAddress,
    /// The hash of its header; zero in `prepare_proposal`.
    pub block_hash: Hash,
    /// The hash of the header before; zero at height 1.
    pub last_header_hash: Hash,
    /// Who signed the commit of the block before, in the order of that height's set; empty at height 1.
    pub last_commit: Vec<LastCommitVote>,
    /// The chain after height - 1.
    pub chain: Arc<ChainState>,
}

impl BlockContext {
    /// The canonical bytes that must stand in the state tree after this block: parameters and the validator sets of this height, the next
    /// and the one after with their proposer priorities, given the updates that this block makes.
    ///
    /// # Errors
    /// The updates are not applicable (see [`crate::block::ValidatorSet::update`]).
    pub fn consensus_state_after(&self, updates: &[(PublicKey, u64)]) -> Result<Vec<u8>, BlockError> {
        self.chain.consensus_state_after(updates)
    }
}

/// Whether a validator signed the block before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCommitVote {
    /// The validator.
    pub address: ValidatorAddress,
    /// Its power at that height.
    pub power: u64,
    /// Whether its precommit for the block is in the commit (a nil precommit counts as not signed).
    pub signed: bool,
}

/// What executing a block gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// Root of the state tree after the block; stands in the next header.
    pub app_hash: Hash,
    /// One result per transaction, in order.
    pub tx_results: Vec<TxResult>,
    /// New powers of validators (0 removes), in force two heights later. Each key at most once, in the order of the keys' bytes.
    pub validator_updates: Vec<(PublicKey, u64)>,
    /// Key-value writes (`None` deletes) to persist atomically with the block.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The result of one transaction. `code` is always 0 in a committed block: a failing transaction never gets into one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxResult {
    /// 0.
    pub code: u32,
    /// Returned data, covered by `last_results_hash`.
    pub data: Bytes,
    /// Covered by `last_results_hash`.
    pub gas_wanted: i64,
    /// Covered by `last_results_hash`.
    pub gas_used: i64,
    /// For people; not covered by any hash.
    pub log: String,
    /// For indexers; not covered by any hash.
    pub events: Vec<TxEvent>,
}

/// An event of a transaction: a kind and its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxEvent {
    /// Such as `transfer`.
    pub kind: String,
    /// Key and value.
    pub attributes: Vec<(String, String)>,
}

/// A proven double sign that is in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misbehavior {
    /// Who signed twice.
    pub validator: ValidatorAddress,
    /// Its key.
    pub public_key: PublicKey,
    /// At which height.
    pub height: u64,
    /// The time in the header of that height.
    pub time: Time,
    /// The power of all validators at that height.
    pub total_power: u64,
    /// The offender's power at that height.
    pub power: u64,
}
