//! Each node's `pyralog.toml`, written again at every start: ports and the block interval may have changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::files;
use super::layout::Layout;
use super::manifest::p2p_address;
use super::state::{Node, State};

/// The directory of the sealed keys of a home.
pub fn keys_dir(home: &Path) -> PathBuf {
    home.join("keys")
}

/// The file with the passphrase of a home's keys.
pub fn password_file(home: &Path) -> PathBuf {
    keys_dir(home).join("password")
}

/// Writes the configuration of every node.
pub fn write_all(layout: &Layout, state: &State) -> Result<()> {
    for node in &state.nodes {
        write(layout, state, node)?;
    }
    Ok(())
}

/// Writes the configuration of one node.
pub fn write(layout: &Layout, state: &State, node: &Node) -> Result<()> {
    let home = layout.home(&node.name);
    let text = toml::to_string(&table(&home, state, node)).context("cannot encode pyralog.toml")?;
    let head = "# Written by pyralog-testnet at each start; changes made here are lost.\n\n";
    files::write(&home.join("pyralog.toml"), format!("{head}{text}").as_bytes(), files::PUBLIC)
}

fn table(home: &Path, state: &State, node: &Node) -> Table {
    let listen = |port: u16| Value::from(format!("127.0.0.1:{port}"));
    let others = state.nodes.iter().filter(|other| other.name != node.name);
    let bootstrap: Vec<Value> = others.map(|other| p2p_address(other.ports.p2p, &other.peer_id).into()).collect();
    let tcp = format!("/ip4/127.0.0.1/tcp/{}", node.ports.p2p);
    let quic = format!("/ip4/127.0.0.1/udp/{}/quic-v1", node.ports.p2p);
    let interval = i64::try_from(state.block_interval_ms).unwrap_or(i64::MAX);
    let sections: [(&str, &str, Value); 8] = [
        ("node", "moniker", node.name.clone().into()),
        ("rpc", "listen", listen(node.ports.rpc)),
        ("api", "listen", listen(node.ports.api)),
        ("metrics", "listen", listen(node.ports.metrics)),
        ("p2p", "listen", vec![Value::from(tcp), Value::from(quic)].into()),
        ("p2p", "bootstrap", bootstrap.into()),
        ("consensus", "block_interval_ms", interval.into()),
        ("keys", "password_file", password_file(home).to_string_lossy().into_owned().into()),
    ];
    let mut table = Table::new();
    for (section, key, value) in sections {
        let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = entry {
            section.insert(key.to_owned(), value);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localnet::state::Ports;

    #[test]
    fn a_node_is_told_its_ports_and_the_others_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let node = |index: u16| Node {
            name: format!("node{index}"),
            peer_id: format!("peer{index}"),
            ports: Ports { rpc: index, api: 10 + index, metrics: 20 + index, p2p: 30 + index },
            process: None,
        };
        let state = State::new("pyralog-dev-1".to_owned(), 250, vec![node(1), node(2), node(3)], Vec::new());
        files::make_dir(&layout.home("node2")).unwrap();
        write(&layout, &state, &state.nodes[1]).unwrap();
        let text = std::fs::read_to_string(layout.home("node2").join("pyralog.toml")).unwrap();
        let table: Table = text.parse().unwrap();
        assert_eq!(table["rpc"]["listen"].as_str(), Some("127.0.0.1:2"));
        assert_eq!(table["consensus"]["block_interval_ms"].as_integer(), Some(250));
        let bootstrap: Vec<_> =
            table["p2p"]["bootstrap"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(bootstrap, ["/ip4/127.0.0.1/tcp/31/p2p/peer1", "/ip4/127.0.0.1/tcp/33/p2p/peer3"]);
        assert!(table["keys"]["password_file"].as_str().unwrap().ends_with("nodes/node2/keys/password"));
    }
}
