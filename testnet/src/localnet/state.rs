//! `launcher.json`: the launcher's own memory of one network.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::files;
use super::layout::Layout;
use super::process::{ProcessId, find_by_home, runs};

/// Format of `launcher.json`; another one is refused.
const FORMAT: u32 = 1;

/// Everything later invocations need to find and restart the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Always 1.
    pub format: u32,
    /// Chain id, `pyralog-dev-…`.
    pub chain_id: String,
    /// Target time between blocks, milliseconds.
    pub block_interval_ms: u64,
    /// The founders in the order of their clusters, then the other members of each cluster in that order.
    pub nodes: Vec<Node>,
    /// The prefunded accounts.
    pub accounts: Vec<Account>,
    /// How the nodes reach each other.
    #[serde(default, skip_serializing_if = "TunnelMode::is_default")]
    pub tunnel: TunnelMode,
    /// Names of nodes that were told not to hear each other (`fault partition`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<[String; 2]>,
}

/// How nodes reach each other: `tunnel.mode` of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TunnelMode {
    /// In WireGuard tunnels with post-quantum keys, without privileges.
    #[default]
    Userspace,
    /// Over TCP and QUIC.
    Off,
}

impl TunnelMode {
    /// As `pyralog.toml` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Userspace => "userspace",
            Self::Off => "off",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One node as the launcher knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `node0`, `node1`, … for founders, `node0-1`, `node0-2`, … for the other members of the cluster that node0 founded.
    pub name: String,
    /// Which member this is; `None` for a founder, whose cluster has the number of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_of: Option<MemberOf>,
    /// libp2p identity, base58, part of the addresses other nodes dial. Empty until a member has joined: its key is made then.
    pub peer_id: String,
    /// Loopback ports.
    pub ports: Ports,
    /// The process last started, `None` before the first start and after `down`.
    pub process: Option<ProcessId>,
}

/// Place of a node that joins the cluster of a founder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberOf {
    /// Number of the cluster, which is the index of its founder.
    pub cluster: usize,
    /// Number of the member, from 1; the founder is 0.
    pub member: usize,
}

/// Ports of one node on 127.0.0.1, kept from one `up` to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// CometBFT RPC.
    pub rpc: u16,
    /// Native API.
    pub api: u16,
    /// Metrics and health.
    pub metrics: u16,
    /// The UDP socket of the tunnels; without them libp2p's TCP and QUIC.
    pub p2p: u16,
}

/// One prefunded account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `account0`, …
    pub name: String,
    /// bech32m address.
    pub address: String,
    /// Balance at genesis in upyra.
    pub balance: u64,
}

impl Ports {
    /// All four, in the order rpc, api, metrics, p2p.
    pub fn all(&self) -> [u16; 4] {
        [self.rpc, self.api, self.metrics, self.p2p]
    }
}

impl MemberOf {
    /// What the node is called.
    pub fn name(&self) -> String {
        format!("node{}-{}", self.cluster, self.member)
    }
}

impl Node {
    /// Whether this node is the first member of its cluster, with keys that stand in the genesis.
    pub fn is_founder(&self) -> bool {
        self.member_of.is_none()
    }

    /// Whether there is a home to start it in.
    pub fn has_joined(&self) -> bool {
        !self.peer_id.is_empty()
    }

    /// The live process of this node, if any: the recorded one when it is still the same, else one found by its
    /// command line (its launcher died before it could record it).
    pub fn live(&self, layout: &Layout) -> Option<ProcessId> {
        let home = layout.home(&self.name);
        let recorded = self.process.as_ref().filter(|process| process.is_alive() && is_node(process.pid, &home));
        recorded.cloned().or_else(|| find_by_home(super::NODE_PROGRAM, &home).into_iter().next())
    }
}

impl State {
    /// A state that has not been written yet.
    pub fn new(chain_id: String, block_interval_ms: u64, nodes: Vec<Node>, accounts: Vec<Account>) -> Self {
        let tunnel = TunnelMode::default();
        Self { format: FORMAT, chain_id, block_interval_ms, nodes, accounts, tunnel, partitions: Vec::new() }
    }

    /// Reads the state; `Ok(None)` when there is no network in the directory.
    pub fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.state();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let state: Self = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged; `pyralog-testnet reset --dir {}` starts over",
                path.display(),
                layout.root().display()
            )
        })?;
        if state.format != FORMAT {
            bail!(
                "{} has format {}, this launcher writes format {FORMAT}; `pyralog-testnet reset --dir {}` starts over",
                path.display(),
                state.format,
                layout.root().display()
            );
        }
        Ok(Some(state))
    }

    /// Reads the state of a network that must exist.
    pub fn require(layout: &Layout) -> Result<Self> {
        Self::load(layout)?.with_context(|| {
            format!(
                "there is no network in {0}; start one with `pyralog-testnet up --validators 4 --dir {0}`",
                layout.root().display()
            )
        })
    }

    /// Writes the state durably.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self).context("cannot encode the launcher state")?;
        text.push(b'\n');
        files::write(&layout.state(), &text, files::PUBLIC)
    }

    /// How many clusters there are: each is one validator, whatever the number of its members.
    pub fn clusters(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_founder()).count()
    }

    /// How many members each cluster has.
    pub fn members(&self) -> usize {
        1 + self.nodes.iter().filter_map(|node| node.member_of).map(|of| of.member).max().unwrap_or(0)
    }

    /// Cluster and number in it of the node with this index.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let of = self.nodes.get(index).and_then(|node| node.member_of);
        of.map_or((index, 0), |of| (of.cluster, of.member))
    }

    /// How many clusters cannot decide without the nodes that are `gone` (indexes): half of the members that joined are among them.
    pub fn clusters_lost(&self, gone: &[usize]) -> usize {
        let of = |cluster: usize| (0..self.nodes.len()).filter(move |index| self.place(*index).0 == cluster);
        let joined = |cluster| of(cluster).filter(|index| self.nodes.get(*index).is_some_and(Node::has_joined)).count();
        let ended = |cluster| of(cluster).filter(|index| gone.contains(index)).count();
        (0..self.clusters()).filter(|cluster| ended(*cluster) > 0 && 2 * ended(*cluster) >= joined(*cluster)).count()
    }

    /// Index of the node that `name` means: `node2` or just `2`, `node2-1` or just `2-1`.
    pub fn find(&self, name: &str) -> Result<usize> {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let wanted = if is_number { format!("node{name}") } else { name.to_owned() };
        self.nodes.iter().position(|node| node.name == wanted).with_context(|| {
            let names: Vec<_> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("there is no node {name}; the nodes are {}", names.join(", "))
        })
    }
}

/// Takes the launcher's lock on the network; it is released when the file is dropped, also by a crash.
pub fn lock(layout: &Layout) -> Result<File> {
    files::make_dir(layout.root())?;
    let path = layout.lock();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("another pyralog-testnet command is at work in {}; wait until it has ended", layout.root().display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// A process is the node of `home` when its command line says so. Between fork and exec it is still the launcher,
/// whose command line names the node program and the home as well.
fn is_node(pid: u32, home: &Path) -> bool {
    runs(pid, super::NODE_PROGRAM, home) || runs(pid, super::LAUNCHER_PROGRAM, home)
}

#[cfg(test)]
mod tests;
