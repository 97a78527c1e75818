//! Each node's `pyralog.toml`, written again at every start: ports and the block interval may have changed. What `pyralogd join-cluster`
//! wrote into that of a member stays, but for the keys that the launcher has to say.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::files;
use super::layout::Layout;
use super::manifest::p2p_address;
use super::state::{Node, Ports, State, TunnelMode};

/// The directory of the sealed keys of a home.
pub fn keys_dir(home: &Path) -> PathBuf {
    home.join("keys")
}

/// The file with the passphrase of a home's keys.
pub fn password_file(home: &Path) -> PathBuf {
    keys_dir(home).join("password")
}

/// Where a node listens for peers: at the UDP socket of its tunnels, or over TCP and QUIC.
pub fn p2p_listen(ports: &Ports, tunnel: TunnelMode) -> Vec<String> {
    let port = ports.p2p;
    match tunnel {
        TunnelMode::Userspace => vec![format!("/ip4/127.0.0.1/udp/{port}")],
        TunnelMode::Off => vec![format!("/ip4/127.0.0.1/tcp/{port}"), format!("/ip4/127.0.0.1/udp/{port}/quic-v1")],
    }
}

/// Writes the configuration of every node that has a home.
pub fn write_all(layout: &Layout, state: &State) -> Result<()> {
    for node in state.nodes.iter().filter(|node| node.has_joined()) {
        write(layout, state, node)?;
    }
    Ok(())
}

/// Writes the configuration of one node.
pub fn write(layout: &Layout, state: &State, node: &Node) -> Result<()> {
    let home = layout.home(&node.name);
    let path = home.join("pyralog.toml");
    let (mut table, mut who) = (table(&home, state, node), "pyralog-testnet at each start; changes made here are lost");
    if !node.is_founder() {
        (table, who) =
            (merged(read(layout, &path)?, table), "pyralogd join-cluster, and by pyralog-testnet at each start");
    }
    let text = toml::to_string(&table).context("cannot encode pyralog.toml")?;
    files::write(&path, format!("# Written by {who}.\n\n{text}").as_bytes(), files::PUBLIC)
}

fn read(layout: &Layout, path: &Path) -> Result<Table> {
    let context = || {
        let (path, dir) = (path.display(), layout.root().display());
        format!(
            "cannot read {path}, which `pyralogd join-cluster` wrote; `pyralog-testnet reset --dir {dir}` starts over"
        )
    };
    std::fs::read_to_string(path).with_context(context)?.parse().with_context(context)
}

/// `ours` over what was `found`, except for the passphrase: its file is the one that the keys were sealed with.
fn merged(mut found: Table, ours: Table) -> Table {
    for (name, section) in ours {
        match (found.get_mut(&name), section) {
            (Some(Value::Table(found)), Value::Table(ours)) => {
                for (key, value) in ours {
                    if (name.as_str(), key.as_str()) != ("keys", "password_file") || !found.contains_key(&key) {
                        found.insert(key, value);
                    }
                }
            }
            (_, section) => {
                found.insert(name, section);
            }
        }
    }
    found
}

fn table(home: &Path, state: &State, node: &Node) -> Table {
    let listen = |port: u16| Value::from(format!("127.0.0.1:{port}"));
    let others = state.nodes.iter().filter(|other| other.name != node.name && other.has_joined());
    let bootstrap: Vec<Value> =
        others.map(|other| p2p_address(other.ports.p2p, &other.peer_id, state.tunnel).into()).collect();
    let interval = i64::try_from(state.block_interval_ms).unwrap_or(i64::MAX);
    let listens: Vec<Value> = p2p_listen(&node.ports, state.tunnel).into_iter().map(Value::from).collect();
    let sections: [(&str, &str, Value); 9] = [
        ("node", "moniker", node.name.clone().into()),
        ("rpc", "listen", listen(node.ports.rpc)),
        ("api", "listen", listen(node.ports.api)),
        ("metrics", "listen", listen(node.ports.metrics)),
        ("p2p", "listen", listens.into()),
        ("p2p", "bootstrap", bootstrap.into()),
        ("tunnel", "mode", state.tunnel.word().into()),
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
            member_of: None,
            peer_id: format!("peer{index}"),
            ports: Ports { rpc: index, api: 10 + index, metrics: 20 + index, p2p: 30 + index },
            process: None,
        };
        let mut state = State::new("pyralog-dev-1".to_owned(), 250, vec![node(1), node(2), node(3)], Vec::new());
        files::make_dir(&layout.home("node2")).unwrap();
        let written = |state: &State| -> Table {
            write(&layout, state, &state.nodes[1]).unwrap();
            std::fs::read_to_string(layout.home("node2").join("pyralog.toml")).unwrap().parse().unwrap()
        };
        let list = |table: &Table, key: &str| -> Vec<String> {
            let list = table["p2p"][key].as_array().unwrap().iter().filter_map(Value::as_str);
            list.map(str::to_owned).collect()
        };
        let table = written(&state);
        assert_eq!(table["rpc"]["listen"].as_str(), Some("127.0.0.1:2"));
        assert_eq!(table["consensus"]["block_interval_ms"].as_integer(), Some(250));
        assert_eq!(list(&table, "listen"), ["/ip4/127.0.0.1/udp/32"]);
        let bootstrap = list(&table, "bootstrap");
        assert_eq!(bootstrap, ["/ip4/127.0.0.1/udp/31/p2p/peer1", "/ip4/127.0.0.1/udp/33/p2p/peer3"]);
        assert_eq!(table["tunnel"]["mode"].as_str(), Some("userspace"));
        assert!(table["keys"]["password_file"].as_str().unwrap().ends_with("nodes/node2/keys/password"));
        state.tunnel = TunnelMode::Off;
        let table = written(&state);
        assert_eq!(list(&table, "listen"), ["/ip4/127.0.0.1/tcp/32", "/ip4/127.0.0.1/udp/32/quic-v1"]);
        let bootstrap = list(&table, "bootstrap");
        assert_eq!(bootstrap, ["/ip4/127.0.0.1/tcp/31/p2p/peer1", "/ip4/127.0.0.1/tcp/33/p2p/peer3"]);
        assert_eq!(table["tunnel"]["mode"].as_str(), Some("off"));
    }

    #[test]
    fn what_join_cluster_wrote_stays_but_for_the_keys_of_the_launcher() {
        let (_dir, layout) = crate::localnet::testkit::layout();
        let mut state = crate::localnet::testkit::members(&layout, 1, 3);
        let path = layout.home("node0-1").join("pyralog.toml");
        let joined = "[notary]\nenabled = false\n[cluster]\nmembers = [\"a\"]\n[rpc]\nlisten = \"127.0.0.1:1\"\nmax_batch = 7\n\
            [keys]\npassword_file = \"/founder/password\"\n";
        std::fs::write(&path, joined).unwrap();
        state.nodes[1].ports.rpc = 99;
        for _ in 0..2 {
            write(&layout, &state, &state.nodes[1]).unwrap();
            let table: Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            assert_eq!(table["notary"]["enabled"].as_bool(), Some(false));
            assert_eq!(table["cluster"]["members"][0].as_str(), Some("a"));
            assert_eq!(
                (table["rpc"]["listen"].as_str(), table["rpc"]["max_batch"].as_integer()),
                (Some("127.0.0.1:99"), Some(7))
            );
            assert_eq!(table["keys"]["password_file"].as_str(), Some("/founder/password"));
            assert_eq!(table["node"]["moniker"].as_str(), Some("node0-1"));
            assert_eq!(table["p2p"]["bootstrap"].as_array().unwrap().len(), 2, "the founder and the other member");
        }
        // The file of a founder is the launcher's alone.
        let founder = layout.home("node0").join("pyralog.toml");
        std::fs::write(&founder, joined).unwrap();
        write(&layout, &state, &state.nodes[0]).unwrap();
        assert!(!std::fs::read_to_string(&founder).unwrap().contains("max_batch"));
    }

    #[test]
    fn a_member_without_its_file_is_told_and_one_without_a_home_passed_over() {
        let (_dir, layout) = crate::localnet::testkit::layout();
        let mut state = crate::localnet::testkit::members(&layout, 1, 2);
        let error = format!("{:#}", write_all(&layout, &state).unwrap_err());
        assert!(error.contains("nodes/node0-1/pyralog.toml") && error.contains("reset"), "{error}");
        state.nodes[1].peer_id.clear();
        write_all(&layout, &state).unwrap();
        assert!(!layout.home("node0-1").join("pyralog.toml").exists());
    }
}
