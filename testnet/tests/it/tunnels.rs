//! Tunnels with the stock implementation at the other end: `wireguard-go` with a TUN device, set by `wg`.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prometheus_client::registry::Registry;
use pyralog_p2p::{
    Config, Event, Handle, PresharedKey, ProtocolSpec, Tunnel, TunnelConfig, TunnelKey, TunnelPeer, TunnelSecret,
};
use zeroize::Zeroizing;

use crate::apart::{Own, is_installed, only_apart};
use crate::net::{Ran, run};

const PATIENCE: Duration = Duration::from_secs(20);
const ECHO: &str = "echo";

/// `wireguard-go` with one peer.
struct Stock {
    process: Child,
    device: String,
    dir: tempfile::TempDir,
    secret: [u8; 32],
    port: u16,
}

impl Stock {
    fn start(seed: u8) -> Self {
        let device = format!("pyra{}", std::process::id() % 10_000 + u32::from(seed));
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("wireguard-go");
        let process = command.args(["-f", &device]).env("WG_PROCESS_FOREGROUND", "1").env("LOG_LEVEL", "error").spawn();
        let socket = format!("/var/run/wireguard/{device}.sock");
        let stock =
            Self { process: process.unwrap(), device, dir: tempfile::tempdir().unwrap(), secret: [seed; 32], port };
        let began = Instant::now();
        while !Path::new(&socket).exists() {
            assert!(began.elapsed() < PATIENCE, "wireguard-go does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        stock
    }

    fn key(&self) -> TunnelKey {
        TunnelSecret::from_bytes(&Zeroizing::new(self.secret)).public()
    }

    fn file(&self, name: &str, key: &[u8; 32]) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, STANDARD.encode(key)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The tunnel becomes the peer, and its overlay address a route.
    fn join(&self, tunnel: &Tunnel, preshared: u8) {
        let (private, port) = (self.file("private", &self.secret), self.port.to_string());
        self.wg(&["listen-port", &port, "private-key", &private]);
        let (peer, at) = (tunnel.key().to_string(), tunnel.local_addr().to_string());
        let allowed = format!("{}/128", tunnel.overlay());
        self.wg(&["peer", &peer, "allowed-ips", &allowed, "endpoint", &at]);
        self.set_key(tunnel, preshared);
        let own = format!("{}/128", self.key().overlay());
        ip(&["addr", "add", &own, "dev", &self.device, "nodad"]);
        ip(&["link", "set", &self.device, "mtu", "1420", "up"]);
        ip(&["-6", "route", "add", "fd00::/8", "dev", &self.device]);
    }

    fn set_key(&self, tunnel: &Tunnel, preshared: u8) {
        let file = self.file("preshared", &[preshared; 32]);
        self.wg(&["peer", &tunnel.key().to_string(), "preshared-key", &file]);
    }

    fn wg(&self, settings: &[&str]) {
        ok(Command::new("wg").args(["set", &self.device]).args(settings));
    }

    fn as_peer(&self) -> TunnelPeer {
        let endpoint = Some(SocketAddr::from(([127, 0, 0, 1], self.port)));
        TunnelPeer { key: self.key(), endpoint, keepalive: None }
    }

    /// Whether the system's own ping reaches the tunnel.
    async fn pings(&self, to: Ipv6Addr) -> bool {
        let to = to.to_string();
        let ping = move || run(Command::new("ping").args(["-6", "-n", "-c", "3", "-i", "0.2", "-W", "2", &to]));
        tokio::task::spawn_blocking(ping).await.unwrap().code == 0
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(format!("/var/run/wireguard/{}.sock", self.device));
    }
}

fn ip(arguments: &[&str]) {
    ok(Command::new("ip").args(arguments));
}

fn ok(command: &mut Command) {
    let Ran { code, err, .. } = run(command);
    assert_eq!(code, 0, "{command:?}: {err}");
}

/// Whether a test of this name is to go on: as root, with the programs, in a network of its own.
fn with_stock_programs(test: &str) -> bool {
    if let Some(program) = ["wg", "wireguard-go", "ping"].into_iter().find(|program| !is_installed(program)) {
        println!("skipped: {test} (the program {program} is not installed)");
        return false;
    }
    if !Path::new("/dev/net/tun").exists() {
        println!("skipped: {test} (there is no /dev/net/tun)");
        return false;
    }
    only_apart(test, Own::Network)
}

fn preshared(byte: u8) -> PresharedKey {
    PresharedKey::new(Zeroizing::new([byte; 32]))
}

async fn tunnel() -> Tunnel {
    let secret = TunnelSecret::from_bytes(&Zeroizing::new([1; 32]));
    Tunnel::start(TunnelConfig::new(secret, "127.0.0.1:0".parse().unwrap())).await.unwrap().0
}

async fn reaches(tunnel: &Tunnel, stock: &Stock) -> bool {
    tunnel.ping(&stock.key(), PATIENCE).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wireguard_go_is_reached_and_reaches_through_key_changes_and_not_with_a_wrong_key() {
    if !with_stock_programs("tunnels::wireguard_go_is_reached_and_reaches_through_key_changes_and_not_with_a_wrong_key")
    {
        return;
    }
    let (tunnel, stock) = (tunnel().await, Stock::start(2));
    stock.join(&tunnel, 7);
    tunnel.set_peer(&stock.as_peer()).unwrap();
    tunnel.set_preshared_key(&stock.key(), preshared(7)).unwrap();
    assert!(reaches(&tunnel, &stock).await && stock.pings(tunnel.overlay()).await);

    for key in [8, 9] {
        stock.set_key(&tunnel, key);
        tunnel.set_preshared_key(&stock.key(), preshared(key)).unwrap();
        tunnel.rekey(&stock.key()).unwrap();
        assert!(reaches(&tunnel, &stock).await && stock.pings(tunnel.overlay()).await);
    }
    let link = tunnel.link_stats(&stock.key()).unwrap();
    assert_eq!((link.wrong_key, link.endpoint), (0, stock.as_peer().endpoint));

    // One side has another key, and no session is left.
    tunnel.forget_preshared_key(&stock.key()).unwrap();
    tunnel.set_preshared_key(&stock.key(), preshared(10)).unwrap();
    assert!(!stock.pings(tunnel.overlay()).await);
    assert!(tunnel.ping(&stock.key(), Duration::from_secs(1)).await.unwrap().is_none());
    assert!(tunnel.link_stats(&stock.key()).unwrap().wrong_key > 0);
}

/// A node, and all that is asked of it answered.
async fn node(seed: u8, change: impl FnOnce(&mut Config)) -> Handle {
    let mut config = Config::new([seed; 32], "test-net");
    config.protocols = vec![ProtocolSpec::new(ECHO, 1 << 20, 1 << 20)];
    change(&mut config);
    let (handle, mut events) = pyralog_p2p::start(config, &mut Registry::default()).await.unwrap();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Request { data, reply, .. } = event {
                let _ = reply.send(data);
            }
        }
    });
    handle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_tun_device_and_plain_quic_speaks_with_one_without() {
    if !with_stock_programs("tunnels::a_node_with_a_tun_device_and_plain_quic_speaks_with_one_without") {
        return;
    }
    let (tunnel, stock) = (tunnel().await, Stock::start(3));
    stock.join(&tunnel, 7);
    tunnel.set_peer(&stock.as_peer()).unwrap();
    tunnel.set_preshared_key(&stock.key(), preshared(7)).unwrap();
    assert!(reaches(&tunnel, &stock).await);

    let inside = node(1, |config| {
        config.listen = vec![tunnel.listen_address(26_656).to_string()];
        config.transport = Some(tunnel.transport(&config.limits));
    })
    .await;
    let address = format!("/ip6/{}/udp/26656/quic-v1", stock.key().overlay());
    let outside = node(2, |config| config.listen = vec![address.clone()]).await;

    let (there, back) = (outside.local_peer_id(), inside.local_peer_id());
    inside.dial(there, vec![address.parse().unwrap()]).await.unwrap();
    let question = vec![7; 1 << 20];
    let answer = inside.request(there, ECHO, question.clone()).await.unwrap();
    assert!(answer == question);
    let answer = outside.request(back, ECHO, question.clone()).await.unwrap();
    assert!(answer == question);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_there_with_its_address_as_soon_as_the_tunnel_and_goes_with_it() {
    if !with_stock_programs("tunnels::a_device_is_there_with_its_address_as_soon_as_the_tunnel_and_goes_with_it") {
        return;
    }
    let config = |name: &str| {
        let secret = TunnelSecret::from_bytes(&Zeroizing::new([1; 32]));
        let config = TunnelConfig::new(secret, "127.0.0.1:0".parse().unwrap());
        TunnelConfig { device: Some(name.to_owned()), ..config }
    };
    let shown = |name: &str| run(Command::new("ip").args(["link", "show", "dev", name])).code == 0;
    for _ in 0..20 {
        let (tunnel, _queues) = Tunnel::start(config("pyra%d")).await.unwrap();
        assert_eq!(tunnel.device().as_deref(), Some("pyra0"));
        // The system looks at a new address in its own time, and until then nobody listens there.
        drop(TcpListener::bind((tunnel.overlay(), 0)).unwrap());
        let taken = Tunnel::start(config("pyra0")).await.unwrap_err().to_string();
        assert!(taken.contains("there is an interface of this name"), "{taken}");
        tunnel.stop().await;
        assert!(!shown("pyra0") && tunnel.device().is_none());
    }
}
