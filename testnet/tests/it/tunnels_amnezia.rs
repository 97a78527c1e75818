//! Obfuscated tunnels with the stock implementation at the other end: `amneziawg-go` with a TUN device, set by its socket.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pyralog_p2p::{Obfuscation, PresharedKey, Tunnel, TunnelConfig, TunnelKey, TunnelPeer, TunnelSecret};
use zeroize::Zeroizing;

use crate::apart::{Own, is_installed, only_apart};
use crate::net::run;

const PATIENCE: Duration = Duration::from_secs(20);
/// What version 1.0 has.
const FIRST: &str =
    "Jc = 3\nJmin = 40\nJmax = 70\nS1 = 15\nS2 = 68\nH1 = 305419896\nH2 = 77777\nH3 = 6\nH4 = 4294967295\n";
/// What came later: padding of all, and headers that are drawn.
const SECOND: &str = "Jc = 3\nJmin = 40\nJmax = 70\nS1 = 15\nS2 = 68\nS3 = 21\nS4 = 9\n\
                      H1 = 5-99\nH2 = 1000-2000\nH3 = 2001\nH4 = 3000000000-3100000000\n";
const PRESHARED: [u8; 32] = [7; 32];

/// `amneziawg-go` with one peer.
struct Stock {
    process: Child,
    device: String,
    secret: [u8; 32],
    port: u16,
}

impl Stock {
    fn start(seed: u8) -> Self {
        let device = format!("amn{}", std::process::id() % 10_000 + u32::from(seed));
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("amneziawg-go");
        let process = command.args(["-f", &device]).env("WG_PROCESS_FOREGROUND", "1").env("LOG_LEVEL", "error").spawn();
        let stock = Self { process: process.unwrap(), device, secret: [seed; 32], port };
        let began = Instant::now();
        while !stock.socket().exists() {
            assert!(began.elapsed() < PATIENCE, "amneziawg-go does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        stock
    }

    fn socket(&self) -> PathBuf {
        format!("/var/run/amneziawg/{}.sock", self.device).into()
    }

    fn key(&self) -> TunnelKey {
        TunnelSecret::from_bytes(&Zeroizing::new(self.secret)).public()
    }

    /// The tunnel becomes the peer, and its overlay address a route. Whether the program knows all parameters.
    fn join(&self, tunnel: &Tunnel, parameters: &str) -> bool {
        let mut set = format!("set=1\nprivate_key={}\nlisten_port={}\n", hex::encode(self.secret), self.port);
        set += &parameters.to_lowercase().replace(" = ", "=");
        let (key, at) = (hex::encode(tunnel.key().0), tunnel.local_addr());
        write!(set, "public_key={key}\npreshared_key={}\nendpoint={at}\n", hex::encode(PRESHARED)).unwrap();
        write!(set, "allowed_ip={}/128\n\n", tunnel.overlay()).unwrap();
        let mut socket = UnixStream::connect(self.socket()).unwrap();
        socket.write_all(set.as_bytes()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 8];
        socket.read_exact(&mut answer).unwrap();
        let own = format!("{}/128", self.key().overlay());
        ip(&["addr", "add", &own, "dev", &self.device, "nodad"]);
        ip(&["link", "set", &self.device, "mtu", "1420", "up"]);
        ip(&["-6", "route", "add", "fd00::/8", "dev", &self.device]);
        answer == *b"errno=0\n"
    }

    /// Whether the system's own ping reaches the tunnel.
    async fn pings(&self, tunnel: &Tunnel, size: &'static str) -> bool {
        let to = tunnel.overlay().to_string();
        let ping =
            move || run(Command::new("ping").args(["-6", "-n", "-c", "3", "-i", "0.2", "-W", "2", "-s", size, &to]));
        tokio::task::spawn_blocking(ping).await.unwrap().code == 0
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(self.socket());
    }
}

fn ip(arguments: &[&str]) {
    let ran = run(Command::new("ip").args(arguments));
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
}

async fn tunnel(text: &str, change: impl FnOnce(&mut TunnelConfig)) -> Tunnel {
    let secret = TunnelSecret::from_bytes(&Zeroizing::new([1; 32]));
    let mut config = TunnelConfig::new(secret, "127.0.0.1:0".parse().unwrap());
    config.obfuscation = Some(Obfuscation::parse(text).unwrap());
    change(&mut config);
    Tunnel::start(config).await.unwrap().0
}

/// Each side begins once, and asks for a cookie where it is to; whether the program knows the parameters.
async fn passes(parameters: &str) -> bool {
    for (seed, limit) in [(2, 100), (3, 0)] {
        let tunnel = tunnel(parameters, |config| config.limits.handshakes_per_address = limit).await;
        let stock = Stock::start(seed);
        if !stock.join(&tunnel, parameters) {
            return false;
        }
        // It begins: its endpoint is not known here.
        tunnel.set_peer(&TunnelPeer { key: stock.key(), endpoint: None, keepalive: None }).unwrap();
        tunnel.set_preshared_key(&stock.key(), PresharedKey::new(Zeroizing::new(PRESHARED))).unwrap();
        let began = Instant::now();
        while !stock.pings(&tunnel, "56").await {
            assert!(began.elapsed() < PATIENCE, "{:?} {:?}", tunnel.links(), tunnel.counters());
        }
        assert!(stock.pings(&tunnel, "1200").await);
        // We begin.
        tunnel.rekey(&stock.key()).unwrap();
        assert!(tunnel.ping(&stock.key(), PATIENCE).await.unwrap().is_some());
        let counters = tunnel.counters();
        assert_eq!((counters.malformed, counters.cookies > 0), (0, limit == 0), "{counters:?}");
        tunnel.stop().await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amneziawg_go_is_reached_and_reaches_with_cookies_too() {
    let test = "tunnels_amnezia::amneziawg_go_is_reached_and_reaches_with_cookies_too";
    if let Some(program) = ["amneziawg-go", "ping"].into_iter().find(|program| !is_installed(program)) {
        return println!("skipped: {test} (the program {program} is not installed)");
    }
    if !only_apart(test, Own::Network) {
        return;
    }
    assert!(passes(FIRST).await, "it does not know the parameters of version 1.0");
    if !passes(SECOND).await {
        println!("skipped: paddings of all and ranges of headers (this amneziawg-go does not know them)");
    }
    // Other parameters.
    let tunnel = tunnel(&FIRST.replace("77777", "77778"), |_| {}).await;
    let stock = Stock::start(4);
    assert!(stock.join(&tunnel, FIRST));
    tunnel.set_peer(&TunnelPeer { key: stock.key(), endpoint: None, keepalive: None }).unwrap();
    tunnel.set_preshared_key(&stock.key(), PresharedKey::new(Zeroizing::new(PRESHARED))).unwrap();
    assert!(!stock.pings(&tunnel, "56").await);
}
