//! `localnet.json`: the description of a running local network that other programs read.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files;
use super::layout::Layout;
use super::state::{State, TunnelMode};

/// The whole document. Absolute paths; URLs without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Chain id, `pyralog-dev-…`.
    pub chain_id: String,
    /// Absolute path of the genesis file.
    pub genesis: PathBuf,
    /// The founders of the clusters, which are the validators, then the other members of each.
    pub nodes: Vec<NodeEntry>,
    /// The prefunded accounts.
    pub accounts: Vec<AccountEntry>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// `node0`, …; `node0-1`, … for members of its cluster.
    pub name: String,
    /// Number of the cluster (the validator) this member belongs to.
    pub cluster: usize,
    /// Number of the member inside its cluster; 0 is the founder.
    pub member: usize,
    /// Process id, `null` while the node is not running.
    pub pid: Option<u32>,
    /// Absolute path of the home.
    pub home: PathBuf,
    /// CometBFT RPC, `http://127.0.0.1:PORT`.
    pub rpc: String,
    /// Native API, `http://127.0.0.1:PORT`.
    pub api: String,
    /// Metrics and health, `http://127.0.0.1:PORT`.
    pub metrics: String,
    /// Multiaddress with the peer id: `/ip4/127.0.0.1/udp/PORT/p2p/ID`, without tunnels `/ip4/127.0.0.1/tcp/PORT/p2p/ID`.
    pub p2p: String,
}

/// One prefunded account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// `account0`, …
    pub name: String,
    /// bech32m address.
    pub address: String,
    /// Absolute path of the sealed key.
    pub keystore: PathBuf,
    /// Absolute path of the file with its passphrase.
    pub password_file: PathBuf,
    /// Balance at genesis in upyra.
    pub balance: u64,
}

impl Manifest {
    /// Describes the network of `state`, with the pids that live now.
    pub fn describe(layout: &Layout, state: &State) -> Self {
        let nodes = state.nodes.iter().enumerate().map(|(index, node)| {
            let (cluster, member) = state.place(index);
            NodeEntry {
                name: node.name.clone(),
                cluster,
                member,
                pid: node.live(layout).map(|process| process.pid),
                home: layout.home(&node.name),
                rpc: url(node.ports.rpc),
                api: url(node.ports.api),
                metrics: url(node.ports.metrics),
                p2p: p2p_address(node.ports.p2p, &node.peer_id, state.tunnel),
            }
        });
        let accounts = state.accounts.iter().map(|account| AccountEntry {
            name: account.name.clone(),
            address: account.address.clone(),
            keystore: layout.accounts().join(format!("{}.json", account.name)),
            password_file: layout.accounts().join(format!("{}.password", account.name)),
            balance: account.balance,
        });
        Self {
            chain_id: state.chain_id.clone(),
            genesis: layout.genesis(),
            nodes: nodes.collect(),
            accounts: accounts.collect(),
        }
    }

    /// Writes `localnet.json`.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        files::write(&layout.manifest(), self.to_json()?.as_bytes(), files::PUBLIC)
    }

    /// The document as text, with a final newline.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).context("cannot encode localnet.json")?;
        text.push('\n');
        Ok(text)
    }
}

/// `http://127.0.0.1:PORT`.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Where other nodes dial a node; without the identity of one that has none yet.
pub fn p2p_address(port: u16, peer_id: &str, tunnel: TunnelMode) -> String {
    let transport = match tunnel {
        TunnelMode::Userspace => "udp",
        TunnelMode::Off => "tcp",
    };
    let address = format!("/ip4/127.0.0.1/{transport}/{port}");
    if peer_id.is_empty() { address } else { format!("{address}/p2p/{peer_id}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::localnet::state::{Account, Node, Ports};

    fn manifest() -> Manifest {
        let node = Node {
            name: "node0".to_owned(),
            member_of: None,
            peer_id: "12D3KooWx".to_owned(),
            ports: Ports { rpc: 1, api: 2, metrics: 3, p2p: 4 },
            process: None,
        };
        let account = Account { name: "account0".to_owned(), address: "pyra1x".to_owned(), balance: 7 };
        let state = State::new("pyralog-dev-9".to_owned(), 500, vec![node], vec![account]);
        Manifest::describe(&Layout::new(Path::new("/tmp/no such net")).unwrap(), &state)
    }

    #[test]
    fn the_document_has_exactly_the_promised_keys() {
        let value = serde_json::to_value(manifest()).unwrap();
        let keys = |value: &serde_json::Value| {
            let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys.join(" ")
        };
        assert_eq!(keys(&value), "accounts chain_id genesis nodes");
        assert_eq!(keys(&value["nodes"][0]), "api cluster home member metrics name p2p pid rpc");
        assert_eq!(keys(&value["accounts"][0]), "address balance keystore name password_file");
    }

    #[test]
    fn urls_have_no_trailing_slash_and_paths_are_absolute() {
        let manifest = manifest();
        let node = &manifest.nodes[0];
        assert_eq!(node.rpc, "http://127.0.0.1:1");
        assert_eq!(node.api, "http://127.0.0.1:2");
        assert_eq!(node.metrics, "http://127.0.0.1:3");
        assert_eq!(node.p2p, "/ip4/127.0.0.1/udp/4/p2p/12D3KooWx");
        assert_eq!(node.pid, None);
        assert!(manifest.genesis.is_absolute() && node.home.is_absolute());
        assert!(manifest.accounts[0].keystore.is_absolute());
    }

    #[test]
    fn members_are_numbered_in_their_clusters() {
        let (_dir, layout) = crate::localnet::testkit::layout();
        let state = crate::localnet::testkit::members(&layout, 2, 3);
        let places: Vec<_> =
            Manifest::describe(&layout, &state).nodes.iter().map(|n| (n.name.clone(), n.cluster, n.member)).collect();
        let expected = [
            ("node0", 0, 0),
            ("node1", 1, 0),
            ("node0-1", 0, 1),
            ("node0-2", 0, 2),
            ("node1-1", 1, 1),
            ("node1-2", 1, 2),
        ];
        assert_eq!(places, expected.map(|(name, cluster, member)| (name.to_owned(), cluster, member)));
        assert_eq!(p2p_address(4, "", TunnelMode::Off), "/ip4/127.0.0.1/tcp/4", "before it has joined");
    }

    #[test]
    fn the_text_reads_back() {
        let manifest = manifest();
        assert_eq!(serde_json::from_str::<Manifest>(&manifest.to_json().unwrap()).unwrap(), manifest);
    }
}
