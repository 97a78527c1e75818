use super::*;
use crate::localnet::testkit::{FakeNode, layout, state};

fn record(layout: &Layout, state: &mut State, index: usize, node: &FakeNode) {
    state.nodes[index].process = Some(node.id());
    state.save(layout).unwrap();
}

#[test]
fn down_stops_recorded_and_forgotten_nodes_and_wakes_paused_ones() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 3);
    let mut nodes: Vec<_> = (0..3).map(|index| FakeNode::start(&layout, &format!("node{index}"), false)).collect();
    record(&layout, &mut state, 0, &nodes[0]);
    record(&layout, &mut state, 1, &nodes[1]);
    // node2's launcher died before it could write the process down; node1 is paused.
    nodes[1].id().signal(Signal::STOP).unwrap();
    stop_nodes(&layout, || Duration::from_secs(5)).unwrap();
    assert!(nodes.iter_mut().all(FakeNode::ended));
    let after = State::require(&layout).unwrap();
    assert!(after.nodes.iter().all(|node| node.process.is_none()));
    let manifest = std::fs::read_to_string(layout.manifest()).unwrap();
    assert_eq!(manifest.matches("\"pid\": null").count(), 3);
}

#[test]
fn a_node_that_does_not_listen_is_killed_after_the_grace() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let mut node = FakeNode::start(&layout, "node0", true);
    record(&layout, &mut state, 0, &node);
    let began = Instant::now();
    stop_nodes(&layout, || Duration::from_millis(300)).unwrap();
    assert!(node.ended());
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn down_on_a_stopped_network_is_no_error_and_without_one_it_is() {
    let (_dir, layout) = layout();
    assert!(stop_nodes(&layout, || Duration::ZERO).unwrap_err().to_string().contains("no network"));
    assert_eq!(std::fs::read_dir(layout.root()).unwrap().count(), 0, "not even a lock is left there");
    state(&layout, 2);
    stop_nodes(&layout, || Duration::ZERO).unwrap();
    let nowhere = Layout::new(&layout.root().join("deeper")).unwrap();
    assert!(stop_nodes(&nowhere, || Duration::ZERO).is_err());
    assert!(!nowhere.root().exists(), "asking makes no directory");
}

#[test]
fn faults_reach_exactly_the_named_node() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 2);
    let mut nodes: Vec<_> = (0..2).map(|index| FakeNode::start(&layout, &format!("node{index}"), false)).collect();
    for (index, node) in nodes.iter().enumerate() {
        record(&layout, &mut state, index, node);
    }
    let name = || "node1".to_owned();
    fault(&layout, &Fault::Pause { node: name() }).unwrap();
    assert_eq!(nodes[1].id().state(), RunState::Paused);
    assert_eq!(nodes[0].id().state(), RunState::Running);
    fault(&layout, &Fault::Resume { node: "1".to_owned() }).unwrap();
    assert_eq!(nodes[1].id().state(), RunState::Running);
    fault(&layout, &Fault::Kill { node: name() }).unwrap();
    assert!(nodes[1].ended() && !nodes[0].ended());
    let error = fault(&layout, &Fault::Kill { node: name() }).unwrap_err().to_string();
    assert!(error.contains("fault restart node1"), "{error}");
    assert!(
        fault(&layout, &Fault::Kill { node: "node9".to_owned() }).unwrap_err().to_string().contains("node0, node1")
    );
}

#[test]
fn reset_ends_the_nodes_and_removes_only_what_the_launcher_made() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let mut node = FakeNode::start(&layout, "node0", false);
    record(&layout, &mut state, 0, &node);
    let precious = layout.root().join("notes.txt");
    std::fs::write(&precious, "mine").unwrap();
    reset(&layout).unwrap();
    assert!(node.ended());
    assert!(precious.exists());
    assert_eq!(std::fs::read_dir(layout.root()).unwrap().count(), 1);
    assert!(reset(&layout).unwrap_err().to_string().contains("nothing was removed"));
    assert!(precious.exists());
}

#[test]
fn reset_works_on_a_damaged_state_and_still_finds_the_nodes() {
    let (_dir, layout) = layout();
    state(&layout, 1);
    let mut node = FakeNode::start(&layout, "node0", false);
    std::fs::write(layout.state(), "{ damaged").unwrap();
    reset(&layout).unwrap();
    assert!(node.ended());
    assert!(!layout.root().exists(), "an empty directory goes too");
}

#[test]
fn a_busy_network_is_waited_for() {
    let (_dir, layout) = layout();
    state(&layout, 1);
    let held = state::lock(&layout).unwrap();
    let waiter = {
        let layout = layout.clone();
        std::thread::spawn(move || stop_nodes(&layout, || Duration::ZERO))
    };
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiter.is_finished());
    drop(held);
    waiter.join().unwrap().unwrap();
}

#[test]
fn nothing_is_taken_from_a_home_that_somebody_still_has_open() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let node = FakeNode::start(&layout, "node0", false);
    record(&layout, &mut state, 0, &node);
    let lock = layout.home("node0").join("data/core/LOCK");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = std::fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let waiter = {
        let layout = layout.clone();
        std::thread::spawn(move || {
            fault(&layout, &Fault::Kill { node: "node0".to_owned() })?;
            fault(&layout, &Fault::Wipe { node: "node0".to_owned() })
        })
    };
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiter.is_finished() && lock.exists());
    drop(held);
    waiter.join().unwrap().unwrap();
    assert!(!lock.exists());
}
