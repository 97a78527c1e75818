//! The network that is measured: real nodes in a directory of their own, started with the launcher's own commands.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use super::http::Connection;
use crate::localnet::manifest::{Manifest, NodeEntry};

/// Lines of each node's log that are shown after a failure.
const TAIL: usize = 8;

/// A running network; stopped and removed when dropped.
#[derive(Debug)]
pub struct Network {
    dir: PathBuf,
    program: PathBuf,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What the launcher says of it.
    pub manifest: Manifest,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Port of its native API.
    pub api: u16,
    /// Port of its CometBFT RPC.
    pub rpc: u16,
}

impl Network {
    /// Starts validators of so many members each, below the system's directory for temporary files (`TMPDIR`).
    pub fn start(validators: u16, members: u16) -> Result<Self> {
        Self::start_with(validators, members, &[])
    }

    /// The same with more options of `up`.
    pub fn start_with(validators: u16, members: u16, more: &[&str]) -> Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let program = std::env::current_exe().context("cannot find the launcher's own executable")?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("pyralog-bench-{}-{number}", std::process::id()));
        let (validators, members) = (validators.to_string(), members.to_string());
        let run = Command::new(&program)
            .args(["up", "--validators", &validators, "--members", &members])
            .args(more)
            .args(["--detach", "--json", "--timeout", "120", "--dir"])
            .arg(&dir)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run `pyralog-testnet up`")?;
        if !run.status.success() {
            bail!("the network did not start; see {}", dir.display());
        }
        let manifest: Manifest = serde_json::from_slice(&run.stdout).context("`up --json` is not understood")?;
        // Made before the nodes are judged, so that a failure stops them.
        let mut network = Self { dir, program, nodes: Vec::new(), manifest };
        network.nodes = nodes(&network.manifest)?;
        Ok(network)
    }

    /// Has the launcher start a node that has ended. [`Network::look_again`] when it has: the process is another one then.
    pub fn restart(&self, node: usize) -> Result<Child> {
        let node = self.nodes.get(node).context("there is no such node")?;
        Command::new(&self.program)
            .args(["fault", "restart", &node.name, "--dir"])
            .arg(&self.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `pyralog-testnet fault restart`")
    }

    /// Reads again what the launcher says of the nodes.
    pub fn look_again(&mut self) -> Result<()> {
        let path = self.dir.join("localnet.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.manifest =
            serde_json::from_slice(&text).with_context(|| format!("{} is not understood", path.display()))?;
        self.nodes = nodes(&self.manifest)?;
        Ok(())
    }

    /// A connection to the API of each node.
    pub fn api(&self) -> Result<Vec<Connection>> {
        self.nodes.iter().map(|node| Connection::open(node.api)).collect()
    }

    /// Prints the end of every node's log on stderr.
    pub fn show_logs(&self) {
        for node in &self.manifest.nodes {
            let text =
                fs::read_to_string(self.dir.join("nodes").join(format!("{}.log", node.name))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for line in lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default() {
                anstream::eprintln!("{}: {line}", node.name);
            }
        }
    }

    /// Stops the nodes and removes their directory.
    pub fn stop(mut self) -> Result<()> {
        let ended = self.end();
        self.nodes.clear();
        ended
    }

    fn end(&self) -> Result<()> {
        let status = Command::new(&self.program)
            .args(["reset", "--dir"])
            .arg(&self.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot run `pyralog-testnet reset`")?;
        if !status.success() {
            bail!("the network in {} was not removed", self.dir.display());
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.dir.exists()
            && let Err(error) = self.end()
        {
            anstream::eprintln!("bench: {error:#}");
        }
    }
}

fn nodes(manifest: &Manifest) -> Result<Vec<Node>> {
    let node = |node: &NodeEntry| {
        let pid = node.pid.with_context(|| format!("{} does not run", node.name))?;
        Ok(Node { pid, name: node.name.clone(), api: port(&node.api)?, rpc: port(&node.rpc)? })
    };
    manifest.nodes.iter().map(node).collect()
}

/// The port of `http://127.0.0.1:PORT`.
fn port(url: &str) -> Result<u16> {
    let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.with_context(|| format!("{url} has no port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_the_manifests_urls() {
        assert_eq!(port("http://127.0.0.1:8080").unwrap(), 8080);
        assert!(port("http://127.0.0.1").is_err());
        assert!(port("http://127.0.0.1:80808").is_err());
    }
}
