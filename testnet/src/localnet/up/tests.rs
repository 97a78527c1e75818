use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::localnet::process::ProcessId;
use crate::localnet::state::TunnelMode;
use crate::localnet::testkit::{answering, layout, state};

fn args(validators: Option<u16>) -> UpArgs {
    UpArgs {
        validators,
        members: None,
        detach: true,
        json: false,
        block_interval_ms: None,
        tunnel: None,
        default_ports: false,
        timeout: std::time::Duration::from_secs(1),
    }
}

#[test]
fn a_new_network_gets_the_number_and_interval_that_were_asked_for() {
    let (_dir, layout) = layout();
    let state = open(&layout, &UpArgs { block_interval_ms: Some(250), ..args(Some(2)) }).unwrap().state;
    assert_eq!((state.nodes.len(), state.block_interval_ms), (2, 250));
    // The second time it is resumed, with or without the number.
    let Opened { state: again, resumed } = open(&layout, &args(None)).unwrap();
    assert!(resumed);
    assert_eq!(again.chain_id, state.chain_id);
    assert_eq!(open(&layout, &args(Some(2))).unwrap().state.chain_id, state.chain_id);
    assert_eq!(again.block_interval_ms, 250, "what was asked for once stays");
    assert_eq!(again.tunnel, TunnelMode::Userspace);
    again.save(&layout).unwrap();
    let bare = open(&layout, &UpArgs { tunnel: Some(TunnelMode::Off), ..args(None) }).unwrap().state;
    assert_eq!(bare.tunnel, TunnelMode::Off);
    bare.save(&layout).unwrap();
    assert_eq!(open(&layout, &args(None)).unwrap().state.tunnel, TunnelMode::Off, "and so does this");
}

#[test]
fn another_number_of_validators_is_refused_with_both_numbers() {
    let (_dir, layout) = layout();
    state(&layout, 3);
    let error = open(&layout, &args(Some(4))).err().unwrap().to_string();
    assert!(error.contains("3 validators, not 4"), "{error}");
}

#[test]
fn members_are_counted_apart_from_validators() {
    let (_dir, layout) = layout();
    let members = |validators, members| UpArgs { members, ..args(validators) };
    let state = open(&layout, &members(Some(2), Some(3))).unwrap().state;
    assert_eq!((state.clusters(), state.members(), state.nodes.len(), joined(&state)), (2, 3, 6, vec![0, 1]));
    assert!(open(&layout, &members(Some(2), Some(3))).unwrap().resumed);
    assert!(open(&layout, &members(None, None)).unwrap().resumed);
    let error = open(&layout, &members(Some(2), Some(2))).err().unwrap().to_string();
    assert!(error.contains("clusters of 3 members, not 2") && error.contains("--members"), "{error}");
    let error = open(&layout, &members(Some(6), None)).err().unwrap().to_string();
    assert!(error.contains("2 validators, not 6"), "{error}");
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let (_dir, layout) = layout();
    std::fs::write(layout.root().join("thesis.tex"), "mine").unwrap();
    let error = claim(&layout).unwrap_err().to_string();
    assert!(error.contains("thesis.tex") && error.contains("--dir"), "{error}");
    assert_eq!(std::fs::read_dir(layout.root()).unwrap().count(), 1, "not even a lock is left there");
    assert!(open(&layout, &args(None)).is_err(), "also where it came there meanwhile");
    assert!(!layout.genesis().exists());
}

#[test]
fn the_lock_file_alone_does_not_make_a_directory_foreign() {
    let (_dir, layout) = layout();
    drop(claim(&layout).unwrap());
    let _lock = claim(&layout).unwrap();
    let opened = open(&layout, &args(Some(1))).unwrap();
    assert_eq!((opened.state.nodes.len(), opened.resumed), (1, false));
}

#[test]
fn an_unfinished_network_is_made_anew() {
    let (_dir, layout) = layout();
    let old = open(&layout, &args(Some(1))).unwrap().state;
    std::fs::write(layout.unfinished(), "").unwrap();
    let new = open(&layout, &args(Some(2))).unwrap().state;
    assert_ne!(new.chain_id, old.chain_id);
    assert_eq!(new.nodes.len(), 2);
}

#[test]
fn a_damaged_state_names_reset() {
    let (_dir, layout) = layout();
    std::fs::write(layout.state(), "{").unwrap();
    assert!(format!("{:#}", open(&layout, &args(None)).err().unwrap()).contains("reset"));
}

/// Two nodes that were started: node0 serves, node1 answers 503.
fn half_a_network(layout: &Layout) -> (State, Vec<Started>) {
    let mut state = state(layout, 2);
    let ready = answering("200 OK", r#"{"result":{"sync_info":{"latest_block_height":"9"}}}"#);
    let waiting = answering("503 Service Unavailable", r#"{"ready":false,"reasons":["its log refuses"]}"#);
    let mut started = Vec::new();
    for (index, port) in [ready, waiting].into_iter().enumerate() {
        let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        state.nodes[index].ports.metrics = port;
        state.nodes[index].ports.rpc = port;
        state.nodes[index].process = ProcessId::of(child.id());
        started.push(Started { index, child });
    }
    (state, started)
}

fn watched(state: &State, started: &mut [Started]) -> Unreached {
    let limit = Duration::from_millis(500);
    node::watch(state, started, &[0, 1], Goal::Serve, limit, &Interrupt::default()).expect("node1 does not serve")
}

#[test]
fn a_resumed_network_runs_on_without_the_node_that_does_not_serve() {
    let (_dir, layout) = layout();
    let (mut state, mut started) = half_a_network(&layout);
    let unreached = watched(&state, &mut started);
    assert_eq!((unreached.reached, unreached.missing.len()), (1, 1));
    let text = not_up(&layout, &mut state, &mut started, &unreached, true).unwrap().to_string();
    assert!(text.contains("node1 does not serve: its log refuses"), "{text}");
    assert!(text.contains("1 other node serves and runs on") && text.contains("pyralog-testnet logs node1"), "{text}");
    assert!(!text.contains("node0"), "{text}");
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(layout.manifest()).unwrap()).unwrap();
    assert_eq!(manifest["nodes"][0]["name"], "node0");
    for node in &mut started {
        assert!(node.child.try_wait().unwrap().is_none(), "node{} was ended", node.index);
        node.child.kill().unwrap();
        node.child.wait().unwrap();
    }
}

#[test]
fn a_new_network_that_does_not_come_up_is_taken_back() {
    let (_dir, layout) = layout();
    let (mut state, mut started) = half_a_network(&layout);
    let unreached = watched(&state, &mut started);
    let text = not_up(&layout, &mut state, &mut started, &unreached, false).unwrap().to_string();
    assert!(text.contains("node1: its log refuses") && text.contains("--timeout"), "{text}");
    assert!(started.iter_mut().all(|node| node.child.try_wait().unwrap().is_some()));
    assert!(State::require(&layout).unwrap().nodes.iter().all(|node| node.process.is_none()));
}

#[test]
fn a_resumed_network_of_which_nothing_serves_is_ended() {
    let (_dir, layout) = layout();
    let (mut state, mut started) = half_a_network(&layout);
    state.nodes[0].ports = state.nodes[1].ports;
    let unreached = watched(&state, &mut started);
    assert_eq!(unreached.reached, 0);
    not_up(&layout, &mut state, &mut started, &unreached, true).unwrap();
    assert!(started.iter_mut().all(|node| node.child.try_wait().unwrap().is_some()));
}
