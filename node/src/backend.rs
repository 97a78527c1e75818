//! What the APIs ask of the running node. One implementation is the node itself; tests bring their own over a chain in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::block::ValidatorAddress;
use pyralog_consensus::engine::SignerState;
use pyralog_consensus::tx::TxError;
use pyralog_crypto::{LogId, PublicKey};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::chain::{BlockRecord, ChainReader};

/// What never changes while the node runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The chain.
    pub chain_id: String,
    /// The genesis file, as JSON.
    pub genesis: Value,
    /// For people.
    pub moniker: String,
    /// The validator key, whether or not it is in the set.
    pub validator: PublicKey,
    /// The peer-to-peer key.
    pub peer: PublicKey,
    /// The libp2p peer id, as text.
    pub peer_id: String,
    /// Our notary log and the key that signs for it.
    pub log: LogId,
    /// The key that signs its checkpoints and promises.
    pub log_owner: PublicKey,
}

/// What changes all the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Height that is being decided.
    pub height: u64,
    /// Its round.
    pub round: u32,
    /// Whose turn it is.
    pub proposer: Option<ValidatorAddress>,
    /// When the round began.
    pub round_start: SystemTime,
    /// Whether blocks are being fetched from peers.
    pub catching_up: bool,
    /// The highest height that a peer claims.
    pub target: u64,
    /// Whether and why not we sign.
    pub signer: SignerState,
    /// Whether it still watches what others know of it since the start, whatever it will do then.
    pub watching: bool,
    /// When the last block was committed here.
    pub last_commit: Option<SystemTime>,
    /// Connected peers.
    pub peers: u64,
    /// Leaves of our notary log under an anchor, by the ledger.
    pub anchored: u64,
    /// How our notary log compares with what the chain witnessed of it.
    pub log: LogState,
    /// Why the cluster does not serve here, if so.
    pub cluster: Option<String>,
}

/// Whether promises may be made for the notary log. A home that was restored from an older copy holds a shorter log; a promise for its next
/// place would contradict the leaf that the network has witnessed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogState {
    /// Not compared since the start: the newest blocks are not here yet.
    Unchecked,
    /// It holds all that is anchored.
    Sound,
    /// It does not; says what is wrong and what to do.
    Conflict(String),
    /// Another member of the cluster has it; says which, and what to do.
    Elsewhere(String),
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// The libp2p peer id, as text.
    pub id: String,
    /// The public key of its identity, where the id holds it.
    pub key: Option<PublicKey>,
    /// The other end.
    pub address: String,
    /// Its IP address and port, where it has one.
    pub remote: Option<SocketAddr>,
    /// Whether we dialled.
    pub outbound: bool,
    /// What it calls itself; unchecked.
    pub agent: String,
    /// Gossip score.
    pub score: f64,
    /// Since when.
    pub since: SystemTime,
}

/// Transactions that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// How many.
    pub count: usize,
    /// Their bytes in total.
    pub bytes: usize,
    /// The first of them.
    pub txs: Vec<Bytes>,
}

/// An answer to a read of the ledger's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateAnswer {
    /// The height whose `app_hash` in the *next* header commits to the value.
    pub height: u64,
    /// The value; `None` where the name has none.
    pub value: Option<Vec<u8>>,
    /// The encoded state proof, where asked for.
    pub proof: Option<Vec<u8>>,
}

/// The running node.
pub trait Backend: Send + Sync + 'static {
    /// Committed blocks.
    fn chain(&self) -> &dyn ChainReader;
    /// Constant facts.
    fn identity(&self) -> &Identity;
    /// Changing facts.
    fn live(&self) -> Live;
    /// Connected peers.
    fn peers(&self) -> BoxFuture<'_, Vec<Peer>>;
    /// Transactions that wait, at most `limit` of them in full.
    fn pending(&self, limit: usize) -> Pending;
    /// Gives a bundle to the mempool: one transaction, or an anchor and its companion.
    fn submit(&self, bundle: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<CheckedTx>, TxError>>;
    /// Checks a transaction without submitting it.
    fn check(&self, tx: Bytes) -> BoxFuture<'_, Result<CheckedTx, TxError>>;
    /// Reads a name of the ledger's state, with a proof where asked.
    ///
    /// # Errors
    /// A sentence: the height is not kept, or the storage failed.
    fn state(&self, name: &[u8], height: Option<u64>, prove: bool) -> Result<StateAnswer, String>;
    /// Committed blocks from now on.
    fn blocks(&self) -> broadcast::Receiver<Arc<BlockRecord>>;
}
