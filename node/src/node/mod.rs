//! A running node: everything wired together, and taken apart again in order.

mod backend;
mod genesis;
mod inside;
mod start;
mod start_number;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::Core;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

pub use backend::NodeBackend;

use crate::backend::Backend;
use crate::cluster::ClusterMember;
use crate::driver::{EngineHandle, LoopEvent};
use crate::error::{Error, Result};
use crate::home::{Home, HomeLock, SECRET, write_atomic};
use crate::logs::RecordLogs;
use crate::metrics::MetricsService;
use crate::tunnel::Tunnels;

/// How long open requests may take to end when the node stops.
const GRACE: Duration = Duration::from_secs(3);

/// Where a running node really listens: `HOME/data/endpoints.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// `http://127.0.0.1:PORT` of the CometBFT-compatible RPC.
    pub rpc: String,
    /// `http://127.0.0.1:PORT` of the native API.
    pub api: String,
    /// `http://127.0.0.1:PORT` of the metrics.
    pub metrics: String,
    /// The first multiaddress of the peer-to-peer network, with `/p2p/PEER`.
    pub p2p: String,
    /// The process.
    pub pid: u32,
}

/// A node that runs. Dropping it without [`Node::stop`] leaves its tasks to the runtime.
pub struct Node {
    home: Home,
    endpoints: Endpoints,
    backend: Arc<dyn Backend>,
    metrics: Arc<MetricsService>,
    engine: EngineHandle,
    /// The engine's, and what checks signatures for it and ends with it.
    threads: Vec<std::thread::JoinHandle<()>>,
    ended: oneshot::Receiver<Result<()>>,
    anchors: JoinHandle<Result<()>>,
    retention: JoinHandle<()>,
    records: Arc<RecordLogs>,
    servers: Vec<JoinHandle<()>>,
    stopping: watch::Sender<bool>,
    network: pyralog_p2p::Handle,
    tunnels: Option<Tunnels>,
    bridge: Vec<AbortHandle>,
    member: ClusterMember,
    member_tasks: Vec<AbortHandle>,
    core: Core,
    _lock: HomeLock,
}

impl Node {
    /// Where it listens.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// What its APIs see.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Whether it is ready, and if not, why.
    pub fn health(&self) -> crate::metrics::Health {
        self.metrics.health()
    }

    /// Runs until `stop` is ready or something fails, then stops in good order.
    ///
    /// # Errors
    /// What failed.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<()> {
        let result = tokio::select! {
            () = stop => Ok(()),
            ended = &mut self.ended => ended.unwrap_or(Err(Error::TaskEnded("the consensus thread"))),
            ended = &mut self.anchors => match ended {
                Ok(Ok(())) | Err(_) => Err(Error::TaskEnded("the anchor driver")),
                Ok(Err(error)) => Err(error),
            },
        };
        let failure = self.core.failure();
        let stopped = self.stop().await;
        // What the storage says is the reason; what others say follows from it.
        match (failure, result) {
            (Some(failure), _) => Err(Error::Storage(failure.to_string())),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => stopped,
        }
    }

    /// Stops in good order: no new requests, no new signatures, then the network, then the storage.
    ///
    /// # Errors
    /// The storage failed at the end.
    pub async fn stop(mut self) -> Result<()> {
        tracing::info!("stopping");
        self.stopping.send_replace(true);
        self.engine.send(LoopEvent::Stop);
        for thread in std::mem::take(&mut self.threads) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!(name, "a thread ended by a panic");
            }
        }
        self.anchors.abort();
        let deadline = tokio::time::Instant::now() + GRACE;
        for mut server in self.servers {
            if tokio::time::timeout_at(deadline, &mut server).await.is_err() {
                server.abort();
            }
        }
        if let Ok(book) = self.network.address_book().await
            && let Err(error) = write_atomic(&self.home.address_book(), &book, SECRET)
        {
            tracing::warn!(%error, "the address book was not saved");
        }
        self.network.shutdown().await;
        if let Some(tunnels) = &self.tunnels {
            tunnels.stop().await;
        }
        for task in &self.bridge {
            task.abort();
        }
        // Nobody may work on files any more when the storage gives them up.
        if self.retention.await.is_err() {
            tracing::error!("the retention of record logs ended by a panic");
        }
        self.records.finish().await;
        for task in &self.member_tasks {
            task.abort();
        }
        self.member.cluster().shutdown().await;
        let _ = std::fs::remove_file(self.home.endpoints());
        let core = self.core;
        let closed = tokio::task::spawn_blocking(move || core.close()).await;
        tracing::info!("stopped");
        match closed {
            Ok(result) => result.map_err(|e| Error::Storage(e.to_string())),
            Err(_) => Err(Error::TaskEnded("closing the storage")),
        }
    }
}
