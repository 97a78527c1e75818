//! Lets records go that no log need keep.

use std::time::Duration;

use pyralog_cluster_core::Logs;
use tokio::sync::watch;

use super::now_ms;
use crate::driver::{EngineHandle, LoopEvent};
use crate::error::Error;

/// See the module.
pub struct RetentionDriver {
    logs: Logs,
    engine: EngineHandle,
    interval: Duration,
    stopping: watch::Receiver<bool>,
}

impl RetentionDriver {
    /// A driver for all logs, which looks at them after each `interval` until `stopping` turns true. `engine` hears of a failure.
    pub fn new(logs: Logs, engine: EngineHandle, interval: Duration, stopping: watch::Receiver<bool>) -> Self {
        Self { logs, engine, interval, stopping }
    }

    /// Runs until the node stops or the storage has failed. Then nothing is removed any more.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                // An error says that the node is gone.
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            let logs = self.logs.clone();
            let failure = match tokio::task::spawn_blocking(move || logs.retain(now_ms())).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Error::Storage(error.to_string()),
                Err(_) => Error::TaskEnded("the retention of record logs"),
            };
            tracing::error!(error = %failure, "retention has failed");
            self.engine.send(LoopEvent::Failed(failure));
            return;
        }
    }
}

#[cfg(test)]
#[path = "retention_test.rs"]
mod tests;
