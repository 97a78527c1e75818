use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::*;
use crate::localnet::testkit::{answering, layout, state};

fn quick_end(code: &str) -> Started {
    let child = Command::new("sh").args(["-c", &format!("exit {code}")]).stdin(Stdio::null()).spawn().unwrap();
    Started { index: 0, child }
}

fn sleeper(layout: &Layout, state: &mut State) -> Started {
    let child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    state.nodes[0].process = ProcessId::of(child.id());
    state.save(layout).unwrap();
    Started { index: 0, child }
}

#[test]
fn a_node_that_ends_at_its_start_fails_with_its_log_tail() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let log: String = (0..100).map(|line| format!("line {line}\n")).collect();
    std::fs::write(layout.log("node0"), log).unwrap();
    let mut started = [quick_end("7")];
    let limit = Duration::from_secs(10);
    let error = wait(&layout, &mut state, &mut started, &[0], Goal::Serve, limit, &Interrupt::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("node0 ended at its start (exit status: 7)"), "{text}");
    assert!(text.contains("line 99") && text.contains("line 70") && !text.contains("line 69"), "{text}");
    assert!(state.nodes[0].process.is_none());
}

#[test]
fn a_node_that_never_serves_is_ended_and_its_reason_told() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let mut started = [sleeper(&layout, &mut state)];
    let process = state.nodes[0].process.clone().unwrap();
    let limit = Duration::from_millis(300);
    let error = wait(&layout, &mut state, &mut started, &[0], Goal::Serve, limit, &Interrupt::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("--timeout") && text.contains("node0: no answer yet") && text.contains("is empty"), "{text}");
    assert!(!process.is_alive());
    assert_eq!(State::require(&layout).unwrap().nodes[0].process, None);
}

#[test]
fn nothing_to_wait_for_is_success() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    wait(&layout, &mut state, &mut [], &[], Goal::Answer, Duration::ZERO, &Interrupt::default()).unwrap();
}

#[test]
fn a_taken_port_is_replaced_and_the_free_ones_stay() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 1);
    let free = crate::localnet::ports::pick(4, &std::collections::BTreeSet::new(), 12_345).unwrap();
    state.nodes[0].ports = Ports { rpc: free[0], api: free[1], metrics: free[2], p2p: free[3] };
    assert!(!mend_ports(&mut state, 0).unwrap());
    let holder = TcpListener::bind(("127.0.0.1", free[1])).unwrap();
    assert!(mend_ports(&mut state, 0).unwrap());
    let ports = state.nodes[0].ports;
    assert_eq!((ports.rpc, ports.metrics, ports.p2p), (free[0], free[2], free[3]));
    assert!(ports.api != free[1] && !free.contains(&ports.api));
    drop(holder);
    assert!(!mend_ports(&mut state, 9).unwrap(), "no such node, nothing to mend");
}

#[test]
fn each_start_is_marked_in_the_log() {
    let (_dir, layout) = layout();
    mark_log(&layout, "node0").unwrap();
    mark_log(&layout, "node0").unwrap();
    let log = std::fs::read_to_string(layout.log("node0")).unwrap();
    assert_eq!(log.matches("--- node0 started").count(), 2);
}

#[test]
fn one_of_four_that_ends_does_not_end_the_wait_and_two_do() {
    let (_dir, layout) = layout();
    let mut state = state(&layout, 4);
    let ready = answering("200 OK", r#"{"result":{"sync_info":{"latest_block_height":"9"}}}"#);
    for node in &mut state.nodes[1..] {
        (node.ports.metrics, node.ports.rpc) = (ready, ready);
    }
    std::fs::write(layout.log("node0"), "first\nthe genesis differs\n").unwrap();
    let all = [0, 1, 2, 3];
    let limit = Duration::from_secs(30);
    let mut started = [quick_end("7")];
    let unreached = watch(&state, &mut started, &all, Goal::Serve, limit, &Interrupt::default()).unwrap();
    assert_eq!(unreached.reached, 3);
    leave(&layout, &mut state, &mut started).unwrap();
    let text = unreached.left_running(&layout, &state);
    assert!(text.contains("node0 does not serve: ended at its start (exit status: 7): the genesis differs"), "{text}");
    assert!(text.contains("3 other nodes serve and run on"), "{text}");

    // Without a quorum the others cannot come to serve: nobody waits for them.
    for node in &mut state.nodes {
        (node.ports.metrics, node.ports.rpc) = (1, 1);
    }
    let mut started = [quick_end("7"), Started { index: 1, ..quick_end("7") }];
    let began = Instant::now();
    let unreached = watch(&state, &mut started, &all, Goal::Serve, limit, &Interrupt::default()).unwrap();
    assert!(began.elapsed() < limit, "it waited for what cannot be");
    let mut first: Vec<usize> = unreached.missing[..2].iter().map(|(index, _)| *index).collect();
    first.sort_unstable();
    assert_eq!((first, unreached.missing.len()), (vec![0, 1], 4), "those that ended come first");
}

#[test]
fn only_the_last_run_says_that_a_member_was_removed() {
    let (_dir, layout) = layout();
    assert!(!was_removed(&layout, "node0"), "there is no log");
    mark_log(&layout, "node0").unwrap();
    let ended =
        "error: member 4: the member was removed from its cluster, for ever, and nobody speaks to it any more\n";
    let mark = "--- node0 started by pyralog-testnet\n";
    for (log, removed) in [(format!("{mark}a\n{ended}"), true), (format!("{mark}{ended}{mark}a\n"), false)] {
        std::fs::write(layout.log("node0"), &log).unwrap();
        assert_eq!(was_removed(&layout, "node0"), removed, "{log}");
    }
}
