//! What drivers and APIs share: the changing facts of the node, the event bus, the mempool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use pyralog_consensus::application::{BundleCheck, CheckedTx, TxSource};
use pyralog_consensus::engine::{SignMark, SignerState};
use pyralog_consensus::mempool::{Mempool, MempoolLimits};
use pyralog_consensus::tx::TxError;
use pyralog_p2p::PeerId;
use tokio::sync::{broadcast, watch};

use crate::backend::{Live, LogState};
use crate::chain::BlockRecord;
use crate::metrics::Metrics;

/// Shared by everything that runs in one node.
pub struct Shared {
    /// Committed blocks, for subscribers. The capacity bounds what a slow one holds.
    pub blocks: broadcast::Sender<Arc<BlockRecord>>,
    /// The last committed height.
    pub height: watch::Sender<u64>,
    /// Durable leaves of our notary log.
    pub log_size: watch::Sender<u64>,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Transactions that wait.
    pub pool: SharedPool,
    live: Mutex<Live>,
    /// A signature of ours that was seen and that this node's engine did not make, until somebody looks after it.
    strange: Mutex<Option<SignMark>>,
    claims: Mutex<BTreeMap<PeerId, u64>>,
    /// Whether the cluster has signed blocks that are not here, nor in its signer's log.
    lacks_signed: AtomicBool,
}

impl Shared {
    /// A node that stands at `height`.
    pub fn new(height: u64, limits: MempoolLimits, events: usize, metrics: Metrics) -> Arc<Self> {
        let live = Live {
            height: height + 1,
            round: 0,
            proposer: None,
            round_start: SystemTime::now(),
            catching_up: false,
            target: 0,
            signer: SignerState::Observing,
            watching: true,
            last_commit: None,
            peers: 0,
            anchored: 0,
            log: LogState::Unchecked,
            cluster: None,
        };
        Arc::new(Self {
            blocks: broadcast::Sender::new(events),
            height: watch::Sender::new(height),
            log_size: watch::Sender::new(0),
            metrics,
            pool: SharedPool(Arc::new(Mutex::new(Mempool::new(limits)))),
            live: Mutex::new(live),
            strange: Mutex::default(),
            claims: Mutex::default(),
            lacks_signed: AtomicBool::new(false),
        })
    }

    /// What the engine may sign.
    pub fn signer(&self) -> SignerState {
        self.lock().signer
    }

    /// A signature of ours was seen that the engine did not make.
    pub fn saw_strange(&self, seen: SignMark) {
        *lock(&self.strange) = Some(seen);
    }

    /// The last one that was seen since this was asked.
    pub fn take_strange(&self) -> Option<SignMark> {
        lock(&self.strange).take()
    }

    /// The changing facts. `catching_up` follows from what peers claim: more than the block that is being decided is missing.
    pub fn live(&self) -> Live {
        let mut live = self.lock().clone();
        live.target = lock(&self.claims).values().copied().max().unwrap_or(0);
        live.catching_up = live.target > live.height;
        live
    }

    /// Whether the cluster has signed blocks that are not here, nor in its signer's log: nothing is signed here before others have given them.
    pub fn set_lacks_signed(&self, lacks: bool) {
        self.lacks_signed.store(lacks, Ordering::Relaxed);
    }

    /// Whether blocks of the chain are known to be missing here: peers have them, or the cluster has signed them.
    pub fn lacks_blocks(&self) -> bool {
        self.live().catching_up || self.lacks_signed.load(Ordering::Relaxed)
    }

    /// Changes facts.
    pub fn update(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.lock());
    }

    /// A peer was connected.
    pub fn peer_came(&self) {
        self.update(|live| live.peers += 1);
        self.metrics.peers.inc();
    }

    /// A peer is connected no longer.
    pub fn peer_went(&self) {
        self.update(|live| live.peers = live.peers.saturating_sub(1));
        self.metrics.peers.dec();
    }

    /// The ledger holds an anchor of our notary log with so many leaves.
    pub fn anchored(&self, leaves: u64) {
        self.update(|live| live.anchored = leaves);
        self.metrics.anchored_size.set(i64::try_from(leaves).unwrap_or(i64::MAX));
    }

    /// A peer claims a height; `None` forgets the peer, or a claim that it could not show.
    pub fn claim(&self, peer: PeerId, height: Option<u64>) {
        let mut claims = lock(&self.claims);
        match height {
            Some(height) => claims.insert(peer, height),
            None => claims.remove(&peer),
        };
    }

    /// Peers that claim at least `height`, by peer id.
    pub fn claimants(&self, height: u64) -> Vec<PeerId> {
        lock(&self.claims).iter().filter(|(_, claimed)| **claimed >= height).map(|(peer, _)| *peer).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }
}

/// Locks; a panic elsewhere while it was held does not make the value unusable, since it is replaced whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mempool: the engine fills and empties it, the RPC looks into it.
#[derive(Clone)]
pub struct SharedPool(Arc<Mutex<Mempool>>);

impl SharedPool {
    /// Looks into the mempool.
    pub fn read<T>(&self, look: impl FnOnce(&Mempool) -> T) -> T {
        look(&lock(&self.0))
    }
}

impl TxSource for SharedPool {
    fn submit(&mut self, height: u64, bundle: Vec<Bytes>, check: BundleCheck<'_>) -> Result<Vec<CheckedTx>, TxError> {
        lock(&self.0).submit(height, bundle, check)
    }

    fn candidates(&mut self, max_bytes: u64) -> Vec<Bytes> {
        lock(&self.0).candidates(max_bytes)
    }

    fn committed(&mut self, height: u64, txs: &[Bytes], check: BundleCheck<'_>) {
        lock(&self.0).committed(height, txs, check);
    }

    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

#[cfg(test)]
#[path = "shared_test.rs"]
mod tests;
