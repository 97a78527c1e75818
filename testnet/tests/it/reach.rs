//! Nodes behind NAT. Each has a network namespace of its own, and so have the two routers before them; a third node, which both reach, tells each where
//! it sees the other.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::apart::{Own, only_apart};
use crate::net::{Ran, beside, run};

const PATIENCE: Duration = Duration::from_secs(60);
/// Where everybody reaches the third node.
const THIRD: &str = "203.0.113.1";

/// A node in a namespace; `None` is the test's own.
struct Node {
    place: Option<&'static str>,
    home: PathBuf,
    process: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    /// Makes a home: with a network of its own, or for that of a genesis file.
    fn make(dir: &Path, name: &str, genesis: Option<&Path>) -> PathBuf {
        let home = dir.join(name);
        let mut init = Command::new(beside("pyralogd"));
        init.args(["init", "--generate-password", "--cheap-kdf", "--home"]).arg(&home);
        if let Some(genesis) = genesis {
            init.arg("--genesis").arg(genesis);
        }
        run(&mut init).expect(0);
        home
    }

    fn start(place: Option<&'static str>, home: PathBuf, settings: &[&str]) -> Self {
        let mut command = within(place, &beside("pyralogd"));
        command.args(["start", "--home"]).arg(&home).args(settings);
        let log = std::fs::File::create(home.join("log")).unwrap();
        let process = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let node = Self { place, home, process };
        let began = Instant::now();
        while !node.home.join("data/endpoints.json").exists() {
            assert!(began.elapsed() < PATIENCE, "it does not start: {}", node.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        node
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    fn endpoints(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.home.join("data/endpoints.json")).unwrap()).unwrap()
    }

    /// Its tunnels that are open, as pairs of peer id and endpoint.
    fn tunnels(&self) -> Vec<(String, String)> {
        let mut wallet = within(self.place, &beside("pyralog"));
        wallet.args([
            "tunnel",
            "status",
            "--json",
            "--node",
            self.endpoints()["api"].as_str().unwrap(),
            "--token-file",
        ]);
        let status = run(wallet.arg(self.home.join("data/admin.token"))).expect(0).json();
        let open = status["peers"].as_array().unwrap().iter().filter(|peer| peer["post_quantum_key_age_s"].is_number());
        open.map(|peer| {
            let text = |key: &str| peer[key].as_str().unwrap().to_owned();
            (text("peer_id"), text("endpoint"))
        })
        .collect()
    }
}

fn within(place: Option<&str>, program: &Path) -> Command {
    match place {
        None => Command::new(program),
        Some(place) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", place]).arg(program);
            command
        }
    }
}

fn sh(line: &str) -> Ran {
    run(Command::new("sh").args(["-ec", line])).expect(0)
}

/// A host with a private address behind a router that hides it behind its own address, and drops whatever was not asked for.
fn behind_nat(host: &str, router: &str, number: u8) {
    let (outer, inner) = (format!("198.51.100.{}", 4 * number), format!("10.0.{number}"));
    let base = outer.rsplit_once('.').unwrap().0.to_owned();
    let (here, there) = (format!("{base}.{}", 4 * number + 1), format!("{base}.{}", 4 * number + 2));
    // What the third node answers comes from the address that was asked.
    let net = 4 * number;
    sh(&format!(
        "ip netns add {router}; ip netns add {host}
         ip link add up{number} type veth peer name wan netns {router}
         ip addr add {here}/30 dev up{number}; ip link set up{number} up
         ip route replace {base}.{net}/30 dev up{number} src {THIRD}
         ip -n {router} link set lo up; ip -n {router} addr add {there}/30 dev wan; ip -n {router} link set wan up
         ip -n {router} route add default via {here}
         ip -n {router} link add lan type veth peer name eth0 netns {host}
         ip -n {router} addr add {inner}.1/24 dev lan; ip -n {router} link set lan up
         ip -n {host} link set lo up; ip -n {host} addr add {inner}.2/24 dev eth0; ip -n {host} link set eth0 up
         ip -n {host} route add default via {inner}.1
         ip netns exec {router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
         ip netns exec {router} nft 'add table ip nat'
         ip netns exec {router} nft 'add chain ip nat post {{ type nat hook postrouting priority 100; }}'
         ip netns exec {router} nft 'add rule ip nat post oifname \"wan\" masquerade'
         ip netns exec {router} nft 'add table ip filter'
         ip netns exec {router} nft 'add chain ip filter forward {{ type filter hook forward priority 0; policy drop; }}'
         ip netns exec {router} nft 'add rule ip filter forward iifname \"lan\" accept'
         ip netns exec {router} nft 'add rule ip filter forward ct state established,related accept'
         ip netns exec {router} nft 'add chain ip filter input {{ type filter hook input priority 0; }}'
         ip netns exec {router} nft 'add rule ip filter input iifname \"wan\" ct state new drop'"
    ));
}

#[test]
fn two_nodes_behind_nat_meet_where_a_third_one_sees_them() {
    if !only_apart("reach::two_nodes_behind_nat_meet_where_a_third_one_sees_them", Own::Network) {
        return;
    }
    sh(&format!("mount -t tmpfs none /run && ip addr add {THIRD}/32 dev lo && echo 1 > /proc/sys/net/ipv4/ip_forward"));
    behind_nat("host1", "router1", 1);
    behind_nat("host2", "router2", 2);
    let dir = tempfile::tempdir().unwrap();
    let third = Node::make(dir.path(), "third", None);
    let genesis = third.join("genesis.json");
    let homes = ["one", "two"].map(|name| Node::make(dir.path(), name, Some(&genesis)));
    let third = Node::start(
        None,
        third,
        &["--p2p-listen", "/ip4/0.0.0.0/udp/51820", "--p2p-external", "/ip4/203.0.113.1/udp/51820"],
    );
    let address = third.endpoints()["p2p"].as_str().unwrap().to_owned();
    assert!(address.starts_with("/ip4/203.0.113.1/udp/51820/p2p/"), "{address}");
    let [one, two] = homes;
    let settings = ["--p2p-listen", "/ip4/0.0.0.0/udp/51820", "--p2p-bootstrap", address.as_str()];
    let one = Node::start(Some("host1"), one, &settings);
    let two = Node::start(Some("host2"), two, &settings);
    for (node, from) in [(&one, "198.51.100.10:"), (&two, "198.51.100.6:")] {
        let began = Instant::now();
        loop {
            let tunnels = node.tunnels();
            if tunnels.len() == 2 && tunnels.iter().any(|(_, at)| at.starts_with(from)) {
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "they do not meet: {tunnels:?}\n{}\n{}\n{}",
                third.log(),
                one.log(),
                two.log()
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}
