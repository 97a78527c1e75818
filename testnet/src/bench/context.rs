//! What every measurement against a network shares.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::baseline::Baseline;
use super::http::Connection;
use super::network::Network;
use crate::localnet::interrupt::Interrupt;

/// How often a node is asked how far it is. Each question costs the node a little of what is measured.
const POLL: Duration = Duration::from_millis(25);
/// How long the network may take to finish what it was given.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running network, and what its figures are compared with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The network.
    pub network: &'a Network,
    /// Measured before.
    pub baseline: &'a Baseline,
    /// Shorter runs.
    pub quick: bool,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Height of its last block.
    pub height: u64,
    /// Transactions that wait.
    pub mempool: u64,
    /// Durable leaves of its log.
    pub size: u64,
    /// Leaves of its log under an anchor.
    pub anchored: u64,
}

impl Context<'_> {
    /// `full`, or `quick` where a quick run was asked for.
    pub fn either<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Fails after Ctrl-C.
    pub fn check(&self) -> Result<()> {
        if self.interrupt.count() > 0 {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Asks `until` for an answer again and again.
    pub fn wait<T>(&self, what: &str, mut until: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = until()? {
                return Ok(answer);
            }
            self.check()?;
            if Instant::now() >= deadline {
                bail!("{what}: not within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits until every leaf is anchored and every transaction is in a block, at every node.
    pub fn settle(&self) -> Result<()> {
        let mut api = self.network.api()?;
        self.wait("the network does not come to rest", || {
            for node in &mut api {
                let progress = Progress::of(node)?;
                if progress.mempool > 0 || progress.anchored < progress.size {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }
}

impl Progress {
    /// Asks a node.
    pub fn of(api: &mut Connection) -> Result<Self> {
        Self::read(&api.get("/v1/status")?)
    }

    fn read(status: &Value) -> Result<Self> {
        let text = |name: &str| {
            let number = status["log"][name].as_str().and_then(|text| text.parse().ok());
            number.with_context(|| format!("/v1/status has no log.{name}"))
        };
        let number = |name: &str| status[name].as_u64().with_context(|| format!("/v1/status has no {name}"));
        Ok(Self {
            height: number("height")?,
            mempool: number("mempool")?,
            size: text("size")?,
            anchored: text("anchored_size")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_a_status() {
        let status = serde_json::json!({
            "height": 7, "mempool": 2, "log": {"size": "18446744073709551615", "anchored_size": "5"},
        });
        let progress = Progress { height: 7, mempool: 2, size: u64::MAX, anchored: 5 };
        assert_eq!(Progress::read(&status).unwrap(), progress);
        let error = Progress::read(&serde_json::json!({"height": 7, "mempool": 2})).unwrap_err();
        assert!(error.to_string().contains("log.size"));
    }
}
