//! A node with a network device, and a machine with stock `wireguard-go` and `rosenpass` 0.2.x that reaches it: two networks with a cable between them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::apart::{Own, is_installed, only_apart};
use crate::net::{Ran, beside, get, run, wait};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for what must not happen: handshakes are repeated every 5 s.
const A_WHILE: Duration = Duration::from_secs(12);
/// Interface, address and mask of the node's end of the cable, and of the other one.
const CABLE: [(&str, &str); 2] = [("cable0", "10.77.0.1/24"), ("cable1", "10.77.0.2/24")];
/// Bytes of a long transfer.
const MANY: usize = 20 << 20;
/// Where the node's tunnels are.
const ENDPOINT: &str = "10.77.0.1:51820";

/// What is ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The other machine: a network of its own, at the end of the cable.
struct Machine {
    network: File,
    dir: PathBuf,
    _holder: Running,
    wireguard: Option<Running>,
    rosenpass: Option<Running>,
}

impl Machine {
    fn new(dir: PathBuf) -> Self {
        fs::create_dir_all(&dir).unwrap();
        let holder = Running::start(Command::new("unshare").args(["--net", "sleep", "infinity"]));
        let (own, other) = ("/proc/self/ns/net", format!("/proc/{}/ns/net", holder.0.id()));
        wait(PATIENCE, "another network", || {
            fs::read_link(&other).is_ok_and(|link| link != fs::read_link(own).unwrap())
        });
        let pid = holder.0.id().to_string();
        let [(here, at), (there, to)] = CABLE;
        ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", &pid]);
        ip(&["addr", "add", at, "dev", here]);
        ip(&["link", "set", here, "up"]);
        let machine =
            Self { network: File::open(&other).unwrap(), dir, _holder: holder, wireguard: None, rosenpass: None };
        machine.inside(|| {
            ip(&["link", "set", "lo", "up"]);
            ip(&["addr", "add", to, "dev", there]);
            ip(&["link", "set", there, "up"]);
        });
        machine
    }

    /// Does something in its network; what is started there stays there.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter_and_work = || {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter_and_work).join().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// WireGuard's pair: the public key.
    fn make_wireguard_key(&self) -> String {
        ok(Command::new("sh").current_dir(&self.dir).args(["-c", "umask 077; wg genkey > own.key"]));
        ok(Command::new("sh").current_dir(&self.dir).args(["-c", "wg pubkey < own.key"])).trim().to_owned()
    }

    /// Rosenpass' pair, under the names that the exported file has for it.
    fn make_rosenpass_keys(&self) -> PathBuf {
        for name in ["own.rosenpass-key", "own.rosenpass-secret"] {
            let _ = fs::remove_file(self.file(name));
        }
        let pair = ["gen-keys", "--public-key", "own.rosenpass-key", "--secret-key", "own.rosenpass-secret"];
        ok(Command::new("rosenpass").current_dir(&self.dir).args(pair));
        self.file("own.rosenpass-key")
    }

    /// What `wg-quick up pyralog` does, with `wireguard-go` where it would take the kernel's.
    fn start_wireguard(&mut self) {
        let exported = fs::read_to_string(self.file("pyralog.conf")).unwrap();
        let key = fs::read_to_string(self.file("own.key")).unwrap();
        let config = exported.replace("SECRET-KEY-OF-THE-OTHER-MACHINE", key.trim());
        fs::write(self.file("pyralog.conf"), &config).unwrap();
        let started = self.inside(|| {
            let mut command = Command::new("wireguard-go");
            let command = command.args(["-f", "pyralog"]).env("WG_PROCESS_FOREGROUND", "1").env("LOG_LEVEL", "error");
            let started = Running::start(command);
            wait(PATIENCE, "wireguard-go", || Path::new("/var/run/wireguard/pyralog.sock").exists());
            ip(&["-6", "addr", "add", value(&config, "Address"), "dev", "pyralog", "nodad"]);
            ip(&["link", "set", "pyralog", "mtu", value(&config, "MTU"), "up"]);
            ip(&["-6", "route", "add", value(&config, "AllowedIPs"), "dev", "pyralog"]);
            started
        });
        self.wireguard = Some(started);
        self.set_wireguard();
    }

    /// Begins anew with the exported settings: no session, no preshared key.
    fn set_wireguard(&self) {
        let script = "wg-quick strip ./pyralog.conf > stripped && wg setconf pyralog stripped";
        self.inside(|| ok(Command::new("bash").current_dir(&self.dir).args(["-c", script])));
    }

    fn start_rosenpass(&mut self) {
        let mut command = Command::new("rosenpass");
        let command = command.current_dir(&self.dir).args(["exchange-config", "rosenpass.toml"]);
        self.rosenpass = Some(self.inside(|| Running::start(command)));
    }

    /// GET from there.
    fn get(&self, url: &str) -> Option<Value> {
        self.inside(|| get(url))
    }

    fn pings(&self, to: Ipv6Addr) -> bool {
        self.inside(|| pings(to))
    }
}

fn pings(to: Ipv6Addr) -> bool {
    run(Command::new("ping").args(["-6", "-n", "-c", "2", "-i", "0.2", "-W", "2", &to.to_string()])).code == 0
}

/// The value of the only line of a configuration with this key.
fn value<'a>(config: &'a str, key: &str) -> &'a str {
    let values = config.lines().filter_map(|line| line.split_once(" = "));
    let mut values = values.filter(|(name, _)| *name == key).map(|(_, value)| value);
    let value = values.next().unwrap_or_else(|| panic!("no {key} in {config}"));
    assert_eq!(values.next(), None, "{key} in {config}");
    value
}

fn ip(arguments: &[&str]) {
    ok(Command::new("ip").args(arguments));
}

fn ok(command: &mut Command) -> String {
    let Ran { code, out, err } = run(command);
    assert_eq!(code, 0, "{command:?}: {err}");
    out
}

/// Whether a test of this name is to go on: as root, with the programs, in networks and mounts of its own.
fn with_stock_machine(test: &str) -> bool {
    let programs = ["wg", "wg-quick", "bash", "wireguard-go", "rosenpass", "ping", "setpriv"];
    if let Some(program) = programs.into_iter().find(|program| !is_installed(program)) {
        println!("skipped: {test} (the program {program} is not installed)");
        return false;
    }
    if !Path::new("/dev/net/tun").exists() {
        println!("skipped: {test} (there is no /dev/net/tun)");
        return false;
    }
    let go_on = only_apart(test, Own::Network);
    if go_on {
        // Sockets of `wireguard-go` stand where those of the machine's own would.
        fs::create_dir_all("/var/run/wireguard").unwrap();
        ok(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/run/wireguard"]));
    }
    go_on
}

fn pyralogd(arguments: &[&str]) -> Command {
    let mut command = Command::new(beside("pyralogd"));
    command.args(arguments);
    command
}

fn has_device() -> bool {
    run(Command::new("ip").args(["link", "show", "dev", "pyra0"])).code == 0
}

/// The node's link with the peer of this name.
fn link(home: &Path, name: &str) -> Option<Value> {
    let token = fs::read_to_string(home.join("data/admin.token")).ok()?;
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(A_WHILE)).proxy(None).build().into();
    let asked =
        agent.get("http://127.0.0.1:8080/v1/tunnels").header("authorization", format!("Bearer {}", token.trim()));
    let answer: Value = asked.call().ok()?.body_mut().read_json().ok()?;
    answer["peers"].as_array()?.iter().find(|peer| peer["name"] == name).cloned()
}

#[test]
fn a_stock_peer_from_export_conf_gets_the_status_through_the_overlay_and_one_with_another_key_nothing() {
    if !with_stock_machine(
        "stock::a_stock_peer_from_export_conf_gets_the_status_through_the_overlay_and_one_with_another_key_nothing",
    ) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let at = home.to_str().unwrap();
    let mut machine = Machine::new(dir.path().join("machine"));
    let settings = ["--tunnel-mode", "tun", "--tunnel-serve", "rpc", "--p2p-listen", "/ip4/10.77.0.1/udp/51820"];
    ok(pyralogd(&["init", "--home", at, "--generate-password", "--cheap-kdf"]).args(settings));

    // Without the capability it says which, and what helps.
    let without = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"];
    let refused = run(Command::new("setpriv").args(without).arg(beside("pyralogd")).args(["start", "--home", at]));
    refused.expect(1).says("CAP_NET_ADMIN").says("setcap cap_net_admin+ep").says("userspace");

    let key = machine.make_wireguard_key();
    let files = machine.dir.to_str().unwrap();
    ok(&mut pyralogd(&[
        "tunnel",
        "export-conf",
        "--home",
        at,
        "--endpoint",
        ENDPOINT,
        "--peer-key",
        &key,
        "--out",
        files,
    ]));
    let rosenpass = machine.make_rosenpass_keys();
    let import = ["tunnel", "import-peer", "--home", at, "--json", "--name", "laptop", "--wireguard-key", &key];
    let imported = run(pyralogd(&import).arg("--rosenpass-key").arg(&rosenpass)).expect(0).json();
    let overlay: Ipv6Addr = imported["overlay"].as_str().unwrap().parse().unwrap();

    let mut node = Running::start(&mut pyralogd(&["start", "--home", at]));
    wait(PATIENCE, "a block", || {
        get("http://127.0.0.1:8080/v1/status").is_some_and(|status| status["height"].as_u64() > Some(0))
    });
    assert!(has_device());
    machine.start_wireguard();
    machine.start_rosenpass();
    let config = fs::read_to_string(machine.file("pyralog.conf")).unwrap();
    assert_eq!(value(&config, "Address"), format!("{overlay}/128"));
    let inside: Ipv6Addr = value(&config, "AllowedIPs").trim_end_matches("/128").parse().unwrap();
    let status = format!("http://[{inside}]:26657/status");
    wait(PATIENCE, "the status through the overlay", || machine.get(&status).is_some());
    let answer = machine.get(&status).unwrap();
    assert_eq!(
        answer,
        get(&status.replace(&format!("[{inside}]"), "127.0.0.1")).map(|other| same_height(other, &answer)).unwrap()
    );
    assert!(machine.pings(inside) && pings(overlay), "both ways");
    assert!(machine.get(&format!("http://[{inside}]:8080/v1/status")).is_none(), "the API is not served there");
    let server = TcpListener::bind((inside, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let sending = std::thread::spawn(move || server.accept().unwrap().0.write_all(&vec![7; MANY]).unwrap());
    let mut received = Vec::new();
    machine.inside(|| TcpStream::connect((inside, port)).unwrap().read_to_end(&mut received).unwrap());
    sending.join().unwrap();
    assert!(received == vec![7; MANY], "{} bytes of {MANY}", received.len());
    let shown = link(&home, "laptop").unwrap();
    assert!(shown["peer_id"].is_null() && shown["post_quantum_key_age_s"].is_number(), "{shown}");
    assert!(shown["endpoint"].as_str().unwrap().starts_with("10.77.0.2:"), "{shown}");

    // Another Rosenpass key than the one that was imported, and then that one again.
    machine.rosenpass = None;
    let pair = ["own.rosenpass-key", "own.rosenpass-secret"]
        .map(|name| (machine.file(name), fs::read(machine.file(name)).unwrap()));
    machine.make_rosenpass_keys();
    machine.start_rosenpass();
    machine.set_wireguard();
    let until = Instant::now() + A_WHILE;
    while Instant::now() < until {
        assert!(machine.get(&status).is_none(), "nothing passes with another key");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!machine.pings(inside));
    machine.rosenpass = None;
    pair.into_iter().for_each(|(path, content)| fs::write(path, content).unwrap());
    machine.start_rosenpass();
    wait(PATIENCE, "the status with the right key", || machine.get(&status).is_some());

    // The device goes with the process, however that ends.
    assert!(has_device());
    node.kill();
    wait(PATIENCE, "the device is gone", || !has_device());
}

/// An answer of `/status` with what another one says of time and blocks, since blocks go on.
fn same_height(mut status: Value, other: &Value) -> Value {
    status["result"]["sync_info"] = other["result"]["sync_info"].clone();
    status
}

#[test]
fn a_node_without_a_device_and_one_with_it_are_one_network() {
    if !with_stock_machine("stock::a_node_without_a_device_and_one_with_it_are_one_network") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let homes = [dir.path().join("with"), dir.path().join("without")];
    let [with, without] = homes.each_ref().map(|home| home.to_str().unwrap());
    let machine = Machine::new(dir.path().join("machine"));
    let common = ["--generate-password", "--cheap-kdf"];
    let settings = ["--tunnel-mode", "tun", "--p2p-listen", "/ip4/10.77.0.1/udp/51820"];
    ok(pyralogd(&["init", "--home", with]).args(common).args(settings));
    let _with = Running::start(&mut pyralogd(&["start", "--home", with]));
    let url = "http://127.0.0.1:8080/v1/status";
    let height = |status: Option<Value>| status.and_then(|status| status["height"].as_u64()).unwrap_or(0);
    wait(PATIENCE, "a block", || height(get(url)) > 0);
    let endpoints: Value = serde_json::from_slice(&fs::read(homes[0].join("data/endpoints.json")).unwrap()).unwrap();
    let settings = ["--p2p-listen", "/ip4/10.77.0.2/udp/51820", "--p2p-bootstrap", endpoints["p2p"].as_str().unwrap()];
    let genesis = homes[0].join("genesis.json");
    ok(pyralogd(&["init", "--home", without]).args(common).args(settings).arg("--genesis").arg(genesis));
    let _without = machine.inside(|| Running::start(&mut pyralogd(&["start", "--home", without])));
    let begun = height(get(url));
    wait(PATIENCE, "blocks at the node without a device", || height(machine.get(url)) > begun + 3);

    // What the network says goes past the device; what the system says goes through it.
    let export = ["tunnel", "export-conf", "--endpoint", ENDPOINT, "--json", "--home", without];
    let overlay = run(&mut pyralogd(&export)).expect(0).json()["overlay"].as_str().unwrap().parse().unwrap();
    let taken = || {
        let shown = ok(Command::new("ip").args(["-j", "-s", "link", "show", "dev", "pyra0"]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
    };
    assert_eq!(taken(), 0, "no packet of the network went through the device");
    assert!(pings(overlay), "the node without a device answers by itself");
    assert!(taken() > 0);
}
