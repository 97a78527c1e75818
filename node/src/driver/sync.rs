//! Catching up: heights are exchanged with peers, missing blocks fetched from one of them at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use pyralog_cluster_core::replication::MemberId;
use pyralog_consensus::engine::{Input, PeerNumber};
use pyralog_crypto::codec::{Decode, Encode};
use pyralog_p2p::{Handle, PeerId, Reply};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::engine_handle::EngineHandle;
use super::shared::{Shared, lock};
use super::wire::{MAX_SYNC_BLOCKS, SYNC_PROTOCOL, SyncRequest, SyncResponse, WasRemoved};
use crate::chain::ChainReader;
use crate::cluster::Book;
use crate::store::CoreChain;

/// How often connected peers are asked for their height.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the engine may take over one range before the next peer is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer holds blocks up to about this many bytes, and always at least one block.
const ANSWER_BYTES: usize = 4 << 20;
/// Answers that are made at the same time.
const SERVED: usize = 4;

type Number = Arc<dyn Fn(PeerId) -> PeerNumber + Send + std::marker::Sync>;

/// The driver of catching up; clones share it.
#[derive(Clone)]
pub struct Sync {
    handle: Handle,
    engine: EngineHandle,
    chain: CoreChain,
    shared: Arc<Shared>,
    number: Number,
    needed: watch::Sender<(u64, u64)>,
    connected: Arc<Mutex<BTreeSet<PeerId>>>,
    members: Book,
    serving: Arc<Semaphore>,
}

impl Sync {
    /// Starts the tasks: one asks for heights, one fetches.
    pub fn start(
        handle: Handle,
        engine: EngineHandle,
        chain: CoreChain,
        shared: Arc<Shared>,
        members: Book,
        number: impl Fn(PeerId) -> PeerNumber + Send + std::marker::Sync + 'static,
    ) -> (Self, Vec<AbortHandle>) {
        let sync = Self {
            handle,
            engine,
            chain,
            shared,
            number: Arc::new(number),
            needed: watch::Sender::new((0, 0)),
            connected: Arc::default(),
            members,
            serving: Arc::new(Semaphore::new(SERVED)),
        };
        let tasks = [tokio::spawn(sync.clone().ask_heights()), tokio::spawn(sync.clone().fetch())];
        (sync, tasks.iter().map(JoinHandle::abort_handle).collect())
    }

    /// A peer is there.
    pub fn connected(&self, peer: PeerId) {
        lock(&self.connected).insert(peer);
        tokio::spawn(self.clone().ask_height(peer));
    }

    /// A peer is gone.
    pub fn disconnected(&self, peer: PeerId) {
        lock(&self.connected).remove(&peer);
        self.shared.claim(peer, None);
    }

    /// What a peer claimed was wrong.
    pub fn distrust(&self, peer: PeerId) {
        self.shared.claim(peer, None);
    }

    /// The engine misses blocks.
    pub fn need(&self, height: u64, target: u64) {
        self.needed.send_replace((height, target));
    }

    /// Answers a peer, off the event task.
    pub fn serve(&self, peer: PeerId, request: Bytes, reply: Reply) {
        let Ok(request) = SyncRequest::from_bytes(&request) else { return reply.refuse() };
        let chain = self.chain.clone();
        let (from, max) = match request {
            SyncRequest::Status => {
                let answer = SyncResponse { height: chain.height(), blocks: Vec::new() };
                let _ = reply.send(answer.to_bytes());
                return;
            }
            SyncRequest::Removed { member } => {
                let removed = WasRemoved(self.members.is_removed(MemberId(member), &peer));
                let _ = reply.send(removed.to_bytes());
                return;
            }
            SyncRequest::Blocks { from, max } => (from, max),
        };
        let Ok(permit) = Arc::clone(&self.serving).try_acquire_owned() else { return reply.refuse() };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match read_blocks(&chain, from, max as usize) {
                Ok(answer) => drop(reply.send(answer.to_bytes())),
                Err(error) => {
                    tracing::warn!(%error, "blocks for a peer could not be read");
                    reply.refuse();
                }
            }
        });
    }

    async fn ask_heights(self) {
        loop {
            sleep(ASK_EVERY).await;
            let peers: Vec<PeerId> = lock(&self.connected).iter().copied().collect();
            if peers.is_empty() && self.handle.peers().await.is_err() {
                return;
            }
            join_all(peers.into_iter().map(|peer| self.clone().ask_height(peer))).await;
        }
    }

    async fn ask_height(self, peer: PeerId) {
        let Ok(answer) = self.handle.request(peer, SYNC_PROTOCOL, SyncRequest::Status.to_bytes()).await else { return };
        let Ok(answer) = SyncResponse::from_bytes(&answer) else { return self.distrust(peer) };
        if !lock(&self.connected).contains(&peer) {
            return;
        }
        self.shared.claim(peer, Some(answer.height));
        self.engine.offer(Input::PeerHeight { peer: (self.number)(peer), height: answer.height });
    }

    /// Fetches one range at a time. The engine repeats its need, so giving up here only means to try again.
    async fn fetch(self) {
        let mut needed = self.needed.subscribe();
        let mut turn = 0;
        while needed.changed().await.is_ok() {
            loop {
                let (height, target) = *needed.borrow_and_update();
                let next = height.max(self.chain.height() + 1);
                if next > target {
                    break;
                }
                let claimants = self.shared.claimants(next);
                let Some(peer) = claimants.get(turn % claimants.len().max(1)) else { break };
                if !self.fetch_from(*peer, next).await {
                    turn = turn.wrapping_add(1);
                    break;
                }
            }
        }
    }

    /// Answers whether the chain grew.
    async fn fetch_from(&self, peer: PeerId, next: u64) -> bool {
        let request = SyncRequest::Blocks { from: next, max: MAX_SYNC_BLOCKS as u32 };
        let blocks = match self.handle.request(peer, SYNC_PROTOCOL, request.to_bytes()).await {
            Ok(answer) => SyncResponse::from_bytes(&answer).map(|answer| answer.blocks).unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%peer, %error, "a peer gave no blocks");
                Vec::new()
            }
        };
        if blocks.is_empty() {
            // It claims what it does not give: until it says so again, it is not asked.
            self.distrust(peer);
            return false;
        }
        let number = (self.number)(peer);
        let mut queued = 0;
        for (block, commit) in blocks {
            if !self.engine.offer(Input::SyncBlock { peer: number, block, commit }) {
                break;
            }
            queued += 1;
        }
        if queued == 0 {
            return false;
        }
        let mut height = self.shared.height.subscribe();
        let arrived = height.wait_for(|height| *height >= next + queued - 1);
        matches!(timeout(PATIENCE, arrived).await, Ok(Ok(_)))
    }
}

fn read_blocks(chain: &CoreChain, from: u64, max: usize) -> Result<SyncResponse, crate::chain::ReadError> {
    let mut answer = SyncResponse { height: chain.height(), blocks: Vec::new() };
    let (mut bytes, mut height) = (0, from);
    while answer.blocks.len() < max.min(MAX_SYNC_BLOCKS) && bytes < ANSWER_BYTES {
        let Some(record) = chain.block(height)? else { break };
        let commit: Bytes = pyralog_consensus::block::encode_commit(&record.commit).into();
        if bytes > 0 && bytes + record.bytes.len() + commit.len() > ANSWER_BYTES {
            break;
        }
        bytes += record.bytes.len() + commit.len();
        answer.blocks.push((record.bytes.clone(), commit));
        height += 1;
    }
    Ok(answer)
}
