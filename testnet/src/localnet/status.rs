//! `status`: each node as it is now.

use anyhow::{Context, Result};
use serde::Serialize;

use super::layout::Layout;
use super::manifest::{Manifest, NodeEntry};
use super::probe::{Health, Probe};
use super::process::RunState;
use super::state::{Node, State};

/// The document of `status --json`.
#[derive(Debug, Serialize)]
struct Status {
    chain_id: String,
    running: usize,
    ready: usize,
    nodes: Vec<NodeStatus>,
}

/// One node.
#[derive(Debug, Serialize)]
struct NodeStatus {
    #[serde(flatten)]
    entry: NodeEntry,
    state: RunState,
    height: Option<u64>,
    peers: Option<u64>,
    ready: bool,
    /// Why it is not ready, where it says so.
    reason: Option<String>,
}

/// What `status` found.
#[derive(Debug)]
pub struct Shown {
    /// For people, or one JSON document.
    pub text: String,
    /// Nodes that have a process, be it paused.
    pub processes: usize,
}

/// Looks at every node.
pub fn run(layout: &Layout, json: bool) -> Result<Shown> {
    let state = State::require(layout)?;
    let manifest = Manifest::describe(layout, &state);
    let probe = Probe::default();
    // Asked at the same time: a paused node answers only when the patience runs out.
    let nodes: Vec<NodeStatus> = std::thread::scope(|scope| {
        let asked: Vec<_> = state
            .nodes
            .iter()
            .zip(manifest.nodes)
            .map(|(node, entry)| scope.spawn(|| look(layout, &probe, node, entry)))
            .collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let status = Status {
        chain_id: manifest.chain_id,
        running: nodes.iter().filter(|node| node.state == RunState::Running).count(),
        ready: nodes.iter().filter(|node| node.ready).count(),
        nodes,
    };
    let text = match json {
        true => serde_json::to_string_pretty(&status).context("cannot encode the status")? + "\n",
        false => text(&status),
    };
    Ok(Shown { text, processes: status.nodes.iter().filter(|node| node.state != RunState::Dead).count() })
}

fn look(layout: &Layout, probe: &Probe, node: &Node, entry: NodeEntry) -> NodeStatus {
    let state = node.live(layout).map_or(RunState::Dead, |process| process.state());
    if state != RunState::Running {
        return NodeStatus { entry, state, height: None, peers: None, ready: false, reason: None };
    }
    let (ready, reason) = match probe.ready(&node.ports) {
        Health::Ready => (true, None),
        Health::Waiting(reason) => (false, Some(reason)),
        Health::Silent => (false, Some("no answer".to_owned())),
    };
    NodeStatus { entry, state, height: probe.height(&node.ports), peers: probe.peers(&node.ports), ready, reason }
}

fn text(status: &Status) -> String {
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    // Where every cluster is one process its number says nothing.
    let clustered = status.nodes.iter().any(|node| node.entry.member > 0);
    let place = |cluster: &str, member: &str| match clustered {
        true => format!("{cluster:>7} {member:>6} "),
        false => String::new(),
    };
    let mut out = format!(
        "{}: {} of {} nodes run, {} ready\n{:<8} {}{:<8} {:>8} {:>8} {:>6}  {:<24} {:<24} health\n",
        status.chain_id,
        status.running,
        status.nodes.len(),
        status.ready,
        "node",
        place("cluster", "member"),
        "state",
        "pid",
        "height",
        "peers",
        "api",
        "rpc",
    );
    for node in &status.nodes {
        let state = match node.state {
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Dead => "dead",
        };
        let health = if node.ready { "ready" } else { node.reason.as_deref().unwrap_or("-") };
        out.push_str(&format!(
            "{:<8} {}{state:<8} {:>8} {:>8} {:>6}  {:<24} {:<24} {health}\n",
            node.entry.name,
            place(&node.entry.cluster.to_string(), &node.entry.member.to_string()),
            number(node.entry.pid.map(u64::from)),
            number(node.height),
            number(node.peers),
            node.entry.api,
            node.entry.rpc,
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localnet::state::Ports;

    fn network() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let node = |index: u16| Node {
            name: format!("node{index}"),
            member_of: None,
            peer_id: "x".to_owned(),
            ports: Ports { rpc: 1, api: 2, metrics: 3, p2p: 4 },
            process: None,
        };
        State::new("pyralog-dev-1".to_owned(), 500, vec![node(0), node(1)], Vec::new()).save(&layout).unwrap();
        (dir, layout)
    }

    #[test]
    fn dead_nodes_are_shown_as_dead() {
        let (_dir, layout) = network();
        let Shown { text, processes } = run(&layout, false).unwrap();
        assert_eq!(processes, 0);
        assert!(text.contains("0 of 2 nodes run, 0 ready"), "{text}");
        assert_eq!(text.matches("dead").count(), 2);
    }

    #[test]
    fn the_document_extends_the_manifest_entry() {
        let (_dir, layout) = network();
        let value: serde_json::Value = serde_json::from_str(&run(&layout, true).unwrap().text).unwrap();
        assert_eq!(value["nodes"][1]["name"], "node1");
        assert_eq!(value["nodes"][1]["state"], "dead");
        assert_eq!(value["nodes"][1]["pid"], serde_json::Value::Null);
        assert_eq!(value["running"], 0);
    }

    #[test]
    fn members_are_shown_with_their_clusters_where_there_are_any() {
        let (_dir, layout) = network();
        assert!(!run(&layout, false).unwrap().text.contains("cluster"));
        crate::localnet::testkit::members(&layout, 2, 2);
        let text = run(&layout, false).unwrap().text;
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..4], ["node", "cluster", "member", "state"]);
        assert_eq!(lines[5][..4], ["node1-1", "1", "1", "dead"]);
        let value: serde_json::Value = serde_json::from_str(&run(&layout, true).unwrap().text).unwrap();
        assert_eq!((&value["nodes"][3]["cluster"], &value["nodes"][3]["member"]), (&1.into(), &1.into()));
    }

    #[test]
    fn without_a_network_the_status_says_how_to_make_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&Layout::new(dir.path()).unwrap(), false).unwrap_err().to_string();
        assert!(error.contains("pyralog-testnet up"), "{error}");
    }
}
