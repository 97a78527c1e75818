//! `pyralog-testnet` itself: up, down, status, logs, reset, Ctrl-C, failed starts.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::net::{LAUNCHER, Net, get, lives, run, wait};

#[test]
fn up_serves_describes_itself_resumes_and_goes_down() {
    let net = Net::empty();
    let up = net.launcher(&["up", "--validators", "2", "--detach", "--json", "--block-interval-ms", "200"]).expect(0);
    let manifest = net.manifest();
    assert_eq!(up.json(), serde_json::to_value(&manifest).unwrap(), "--json prints localnet.json");
    assert!(manifest.chain_id.starts_with("pyralog-dev-"));
    assert_eq!((manifest.nodes.len(), manifest.accounts.len()), (2, 10));
    for node in &manifest.nodes {
        assert!(lives(node.pid.unwrap()));
        assert!(get(&format!("{}/status", node.rpc)).unwrap()["result"]["sync_info"].is_object());
        assert!(get(&format!("{}/v1/status", node.api)).unwrap()["height"].as_u64().unwrap() >= 1);
    }
    let status = net.launcher(&["status", "--json"]).expect(0).json();
    assert_eq!((status["running"].as_u64(), status["ready"].as_u64()), (Some(2), Some(2)));

    // Up again changes nothing that runs; another number of validators is refused.
    net.launcher(&["up", "--detach"]).expect(0);
    assert_eq!(net.manifest().nodes[0].pid, manifest.nodes[0].pid);
    net.launcher(&["up", "--validators", "3", "--detach"]).expect(1).says("2 validators");

    let before = net.height(0);
    net.launcher(&["down"]).expect(0);
    let down = net.launcher(&["status", "--json"]).expect(1).says("no node of the network").says("pyralog-testnet up");
    assert_eq!((down.json()["running"].as_u64(), down.json()["nodes"].as_array().map(Vec::len)), (Some(0), Some(2)));
    assert!(manifest.nodes.iter().all(|node| !lives(node.pid.unwrap())));
    assert!(net.manifest().nodes.iter().all(|node| node.pid.is_none()));
    net.launcher(&["up", "--detach"]).expect(0);
    let resumed = net.manifest();
    assert_eq!(resumed.chain_id, manifest.chain_id);
    assert_eq!(resumed.nodes[1].api, manifest.nodes[1].api, "ports stay");
    assert!(net.height(0) >= before, "state stays");
    assert!(net.launcher(&["logs", "node0"]).expect(0).out.matches("started by pyralog-testnet").count() == 2);

    net.launcher(&["reset"]).expect(0);
    assert!(!net.root().exists());
    net.launcher(&["status"]).expect(1).says("pyralog-testnet up");
    let nowhere = net.launcher(&["status", "--json"]).expect(1).json();
    assert_eq!((&nowhere["status"], &nowhere["error"]["exit_code"]), (&"error".into(), &1.into()));
}

#[test]
fn in_the_foreground_ctrl_c_stops_everything() {
    let net = Net::empty();
    let mut child = Command::new(LAUNCHER)
        .args(["--dir", net.root().to_str().unwrap(), "up", "--validators", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let banner: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    let banner = banner.join("\n");
    for part in ["pyralog-dev-", "account9", "notarize hello.txt", "export PYRALOG_NODE=http://127.0.0.1:"] {
        assert!(banner.contains(part), "{part} is not in\n{banner}");
    }
    let pid = net.manifest().nodes[0].pid.unwrap();
    assert!(lives(pid));
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!lives(pid));
}

#[test]
fn a_foreground_launcher_that_is_killed_leaves_the_nodes_and_the_next_up_finds_them() {
    let net = Net::empty();
    let mut child = Command::new(LAUNCHER)
        .args(["up", "--validators", "1", "--json", "--dir", net.root().to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(Duration::from_secs(60), "localnet.json", || net.root().join("localnet.json").exists());
    let pid = net.manifest().nodes[0].pid.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lives(pid), "there is no supervisor to die with");
    net.launcher(&["up", "--detach"]).expect(0);
    assert_eq!(net.manifest().nodes[0].pid, Some(pid));
}

#[test]
fn a_failed_start_prints_the_log_tail_and_ends_what_it_started() {
    let net = Net::empty();
    net.launcher(&["up", "--validators", "2", "--detach"]).expect(0);
    net.launcher(&["down"]).expect(0);
    let home = net.manifest().nodes[1].home.clone();
    let genesis = std::fs::read_to_string(home.join("genesis.json")).unwrap();
    std::fs::write(home.join("genesis.json"), genesis.replace("pyralog-dev-", "pyralog-xyz-")).unwrap();
    let failed = net.launcher(&["up", "--detach", "--timeout", "20"]).expect(1).says("node1").says("nodes/node1.log");
    assert_eq!(failed.out, "");
    let document = net.launcher(&["up", "--detach", "--json", "--timeout", "20"]).expect(1).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(document["status"] == "error" && message.contains("node1") && failed.err.contains("node1"), "{message}");
    let status = net.launcher(&["status", "--json"]).expect(1).json();
    assert_eq!(status["running"], 0, "{}", failed.err);
    std::fs::write(home.join("genesis.json"), genesis).unwrap();
    net.launcher(&["up", "--detach"]).expect(0);
}

#[test]
fn a_node_that_does_not_serve_does_not_take_a_resumed_network_with_it() {
    let net = Net::up(4);
    net.launcher(&["down"]).expect(0);
    let mark = net.manifest().nodes[2].home.join("data/core/mark/signer");
    let kept = net.root().join("nodes/kept");
    std::fs::rename(&mark, &kept).unwrap();
    let failed =
        net.launcher(&["up", "--detach"]).expect(1).says("node2 does not serve").says("mark/signer is missing");
    failed.says("3 other nodes serve and run on").says("pyralog-testnet logs node2");
    let manifest = net.manifest();
    assert_eq!(manifest.nodes.iter().map(|node| node.pid.is_some()).collect::<Vec<_>>(), [true, true, false, true]);
    let after = net.height(0) + 2;
    net.wait_height(0, after);
    // Mended, it comes back to the others, which have not been touched.
    std::fs::rename(&kept, &mark).unwrap();
    net.launcher(&["up", "--detach"]).expect(0);
    assert_eq!(net.manifest().nodes[0].pid, manifest.nodes[0].pid);
}

#[test]
fn a_port_that_was_taken_meanwhile_is_replaced() {
    let net = Net::up(1);
    net.launcher(&["down"]).expect(0);
    let api = net.manifest().nodes[0].api.clone();
    let port: u16 = api.rsplit(':').next().unwrap().parse().unwrap();
    let holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    net.launcher(&["up", "--detach"]).expect(0).says(&format!("port {port} is taken"));
    assert_ne!(net.manifest().nodes[0].api, api);
    drop(holder);
}

#[test]
fn another_directory_is_left_alone() {
    let net = Net::empty();
    net.write("net/precious.txt", "mine");
    net.launcher(&["up", "--detach"]).expect(1).says("precious.txt");
    net.launcher(&["down"]).expect(1).says("no network");
    assert_eq!(std::fs::read_dir(net.root()).unwrap().count(), 1, "nothing is left beside it");
    net.launcher(&["reset"]).expect(1).says("nothing was removed");
    net.launcher(&["down"]).expect(1);
    assert!(net.file("net/precious.txt").exists());
    run(Command::new(LAUNCHER).args(["up", "--validators", "0"])).expect(2);
}

#[test]
fn a_memory_file_system_is_good_enough() {
    let shm = std::path::Path::new("/dev/shm");
    if !shm.is_dir() {
        println!("skipped: there is no /dev/shm here");
        return;
    }
    let net = Net::empty_in(shm);
    net.launcher(&["up", "--validators", "1", "--detach"]).expect(0);
    net.write("a", "a");
    net.wallet(0, &["notarize", "a"]).expect(0);
    net.launcher(&["fault", "kill", "0"]).expect(0);
    net.launcher(&["up", "--detach"]).expect(0);
    net.wallet(0, &["verify", "a", "a.receipt.json", "--genesis", &net.genesis()]).expect(0);
}
