//! Faults of whole processes: one dead is fine, two halt the chain, nothing forks, everyone catches up.

use std::time::Duration;

use crate::net::{Net, lives, wait};

#[test]
fn one_dead_is_progress_two_dead_is_a_halt_and_restarts_catch_up() {
    let net = Net::up(4);
    net.write("a", "a");
    net.write("b", "b");
    let pid = net.manifest().nodes[3].pid.unwrap();
    net.launcher(&["fault", "kill", "node3"]).expect(0);
    assert!(!lives(pid));
    net.launcher(&["fault", "kill", "node3"]).expect(1).says("fault restart node3");
    let after = net.height(0) + 3;
    net.wait_height(0, after);
    net.wallet(0, &["notarize", "a"]).expect(0);

    net.launcher(&["fault", "kill", "2"]).expect(0);
    // What was decided already may still land; then nothing more does.
    wait(Duration::from_secs(20), "the halt", || {
        let before = net.heights();
        std::thread::sleep(Duration::from_secs(3));
        net.heights() == before
    });
    let halted = net.height(0);
    let pending = net.wallet(0, &["notarize", "b", "--timeout", "2", "--json"]).expect(4);
    assert_eq!(pending.json()["status"], "pending");
    net.wallet(0, &["verify", "b", "b.receipt.json", "--genesis", &net.genesis()]).expect(4);
    assert!(net.height(0) <= halted + 1, "two of four are no quorum");
    net.assert_no_fork(&[0, 1]);

    net.launcher(&["fault", "restart", "node2"]).expect(0);
    net.launcher(&["fault", "restart", "node3"]).expect(0);
    for index in 0..4 {
        net.wait_height(index, halted + 5);
    }
    net.assert_no_fork(&[0, 1, 2, 3]);
    net.wallet(0, &["receipt", "fetch", "b.receipt.json"]).expect(0);
    net.wallet(0, &["verify", "b", "b.receipt.json", "--genesis", &net.genesis()]).expect(0);
    assert_eq!(net.launcher(&["status", "--json"]).json()["running"], 4);
}

#[test]
fn a_paused_node_is_waited_for_and_a_dead_one_leaves_a_pending_receipt() {
    let net = Net::up(4);
    net.write("a", "a");
    net.launcher(&["fault", "pause", "node1"]).expect(0);
    let status = net.launcher(&["status", "--json"]).expect(0).json();
    assert_eq!(status["nodes"][1]["state"], "paused");
    let after = net.height(0) + 3;
    net.wait_height(0, after);
    net.launcher(&["fault", "resume", "node1"]).expect(0);
    net.wait_height(1, after);

    net.wallet(1, &["notarize", "a", "--no-wait"]).expect(0);
    net.launcher(&["fault", "kill", "node1"]).expect(0);
    net.wallet(1, &["receipt", "fetch", "a.receipt.json", "--timeout", "3"]).expect(4);
    net.launcher(&["fault", "restart", "node1"]).expect(0);
    net.wallet(1, &["receipt", "fetch", "a.receipt.json"]).expect(0);
    net.wallet(1, &["verify", "a", "a.receipt.json", "--genesis", &net.genesis()]).expect(0);
}

#[test]
fn killing_everything_again_and_again_loses_no_committed_block() {
    let net = Net::up(4);
    let mut known: Vec<(u64, String)> = Vec::new();
    for _ in 0..3 {
        let height = net.height(0) + 2;
        net.wait_height(0, height);
        known.push((height, net.hash(0, height).unwrap()));
        for index in 0..4 {
            net.launcher(&["fault", "kill", &index.to_string()]).expect(0);
        }
        net.launcher(&["up", "--detach"]).expect(0);
        for (height, hash) in &known {
            for index in 0..4 {
                net.wait_height(index, *height);
                assert_eq!(net.hash(index, *height).as_ref(), Some(hash), "node{index} at {height}");
            }
        }
    }
    net.assert_no_fork(&[0, 1, 2, 3]);
}
