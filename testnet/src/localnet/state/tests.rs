use super::*;

fn state() -> State {
    let node = |index: u16| Node {
        name: format!("node{index}"),
        member_of: None,
        peer_id: "12D3KooW".to_owned(),
        ports: Ports { rpc: 20_000 + index, api: 20_100 + index, metrics: 20_200 + index, p2p: 20_300 + index },
        process: None,
    };
    let account = Account { name: "account0".to_owned(), address: "pyra1".to_owned(), balance: 5 };
    State::new("pyralog-dev-1".to_owned(), 500, vec![node(0), node(1)], vec![account])
}

#[test]
fn a_state_survives_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    assert_eq!(State::load(&layout).unwrap(), None);
    let state = state();
    state.save(&layout).unwrap();
    assert_eq!(State::load(&layout).unwrap(), Some(state));
}

#[test]
fn a_missing_network_names_the_command_that_makes_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = State::require(&Layout::new(dir.path()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("up --validators 4 --dir"), "{error}");
}

#[test]
fn damage_other_formats_and_unknown_keys_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    let mut value = serde_json::to_value(state()).unwrap();
    value["format"] = 2.into();
    for text in ["{", &value.to_string(), "{\"format\":1,\"extra\":0}"] {
        fs::write(layout.state(), text).unwrap();
        let error = format!("{:#}", State::load(&layout).unwrap_err());
        assert!(error.contains("launcher.json") && error.contains("reset"), "{error}");
    }
}

#[test]
fn nodes_are_found_by_name_or_number() {
    let state = state();
    assert_eq!(state.find("node1").unwrap(), 1);
    assert_eq!(state.find("1").unwrap(), 1);
    let error = state.find("node7").unwrap_err().to_string();
    assert!(error.contains("node0, node1"), "{error}");
    assert!(state.find("").is_err());
}

#[test]
fn members_are_found_by_name_or_number_and_are_no_clusters() {
    let (_dir, layout) = crate::localnet::testkit::layout();
    let state = crate::localnet::testkit::members(&layout, 2, 3);
    for (name, index) in [("node1", 1), ("1", 1), ("node0-1", 2), ("0-1", 2), ("1-2", 5)] {
        assert_eq!(state.find(name).unwrap(), index, "{name}");
    }
    assert!(state.find("-").is_err() && state.find("0-0").is_err() && state.find("0-3").is_err());
    assert_eq!((state.clusters(), state.members(), state.nodes.len()), (2, 3, 6));
    assert_eq!(State::load(&layout).unwrap(), Some(state));
}

#[test]
fn a_cluster_is_lost_with_half_of_the_members_that_joined() {
    let (_dir, layout) = crate::localnet::testkit::layout();
    let mut state = crate::localnet::testkit::members(&layout, 2, 3);
    for (gone, lost) in [(&[][..], 0), (&[0], 0), (&[0, 1], 0), (&[0, 2], 1), (&[0, 2, 4, 5], 2), (&[1, 4, 5], 1)] {
        assert_eq!(state.clusters_lost(gone), lost, "{gone:?}");
    }
    // Before the others have joined, the founder is its cluster.
    for node in &mut state.nodes[2..] {
        node.peer_id.clear();
    }
    assert_eq!(state.clusters_lost(&[0]), 1);
}

#[test]
fn without_members_the_file_is_as_it_always_was() {
    let text = serde_json::to_string(&state()).unwrap();
    assert!(!text.contains("member"), "{text}");
}

#[test]
fn the_lock_is_exclusive_and_freed_on_drop() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    let held = lock(&layout).unwrap();
    assert!(lock(&layout).unwrap_err().to_string().contains("another pyralog-testnet command"));
    drop(held);
    lock(&layout).unwrap();
}

#[test]
fn a_recorded_process_that_is_not_a_node_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let mut node = state().nodes.remove(0);
    node.process = ProcessId::of(child.id());
    assert!(node.process.is_some());
    assert_eq!(node.live(&layout), None, "alive with the right start time, but not a node");
    child.kill().unwrap();
    child.wait().unwrap();
}
