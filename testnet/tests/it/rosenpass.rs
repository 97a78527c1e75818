//! Our Rosenpass and the upstream program, over UDP on loopback: equal keys, whoever begins.
//!
//! Needs the program `rosenpass` 0.2.x (`cargo install rosenpass --version 0.2.3 --locked`); skipped by name without it.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pyralog_crypto::kem::{PortableMcEliece, StaticKem, StaticKeyPair, StaticPublicKey, fastest};
use pyralog_p2p::tunnel::rosenpass::{Effect, Input, KeyId, Limits, PeerSettings, Rosenpass};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;

use crate::apart::is_installed;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The upstream program with its files.
struct Theirs {
    dir: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Theirs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let made = Command::new("rosenpass")
            .args(["gen-keys", "--public-key"])
            .arg(file("theirs.pk"))
            .arg("--secret-key")
            .arg(file("theirs.sk"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::write(file("psk"), BASE64_STANDARD.encode([42; 32])).unwrap();
        Self { dir, address: free_address(), child: None }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn public_key(&self) -> StaticPublicKey {
        StaticPublicKey::from_bytes(std::fs::read(self.file("theirs.pk")).unwrap()).unwrap()
    }

    /// Starts it, or starts it anew. With our address it begins by itself.
    fn start(&mut self, ours: Option<SocketAddr>) {
        self.stop();
        // A file, since its command line takes an endpoint or a pre-shared key, not both.
        let file = |name: &str| self.file(name).display().to_string();
        let endpoint = ours.map_or_else(String::new, |ours| format!("endpoint = \"{ours}\"\n"));
        let config = format!(
            "public_key = {:?}\nsecret_key = {:?}\nlisten = [\"{}\"]\nverbosity = \"Verbose\"\n\
             [[peers]]\npublic_key = {:?}\npre_shared_key = {:?}\nkey_out = {:?}\n{endpoint}",
            file("theirs.pk"),
            file("theirs.sk"),
            self.address,
            file("ours.pk"),
            file("psk"),
            file("key"),
        );
        std::fs::write(self.file("config.toml"), config).unwrap();
        let mut command = Command::new("rosenpass");
        command.arg("exchange-config").arg(self.file("config.toml"));
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let _ = std::fs::remove_file(self.file("key"));
    }

    /// The key it has given out last.
    fn key(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(std::fs::read(self.file("key")).ok()?.trim_ascii()).ok()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Our machine behind a socket.
struct Ours {
    machine: Rosenpass,
    socket: UdpSocket,
    rng: ChaCha20Rng,
    started: Instant,
    /// Its clock runs so many times as fast as ours: renewals need not be waited for.
    speed: u32,
    wake: Option<Duration>,
    keys: Vec<Vec<u8>>,
}

impl Ours {
    fn new(seed: u64, kem: &'static dyn StaticKem, speed: u32, theirs: &Theirs, endpoints: Vec<SocketAddr>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let pair = StaticKeyPair::generate(&mut rng).unwrap();
        std::fs::write(theirs.file("ours.pk"), pair.public.as_bytes()).unwrap();
        let mut ours = Self {
            machine: Rosenpass::new(pair, kem, Limits::DEFAULTS),
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            rng,
            started: Instant::now(),
            speed,
            wake: None,
            keys: Vec::new(),
        };
        let pre_shared_key = Some([42; 32].into());
        ours.step(Input::AddPeer(PeerSettings { public_key: theirs.public_key(), pre_shared_key, endpoints }));
        ours
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn now(&self) -> Duration {
        self.started.elapsed() * self.speed
    }

    fn step(&mut self, input: Input<'_>) {
        let now = self.now();
        self.wake = None;
        for effect in self.machine.step(now, &mut self.rng, input) {
            match effect {
                Effect::Send { to, bytes } => drop(self.socket.send_to(&bytes, to).unwrap()),
                Effect::NewKey { key, .. } => self.keys.push(key.as_bytes().to_vec()),
                Effect::WakeAt(at) => self.wake = Some(at),
                Effect::Refused { from, error } => println!("refused: {from:?}: {error}"),
                _ => {}
            }
        }
    }

    /// Goes on until it holds, or fails.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut bytes = [0; 2_000];
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
            let wait = self.wake.map_or(Duration::MAX, |at| at.saturating_sub(self.now()) / self.speed);
            let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(50));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            match self.socket.recv_from(&mut bytes) {
                Ok((length, from)) => self.step(Input::Datagram { from, bytes: &bytes[..length] }),
                Err(_) => self.step(Input::Wake),
            }
        }
    }

    /// Waits for key number `count`, and for the other side to have the same.
    fn expect_key(&mut self, count: usize, theirs: &Theirs) {
        self.until(&format!("key {count}"), |ours| ours.keys.len() >= count);
        self.until(&format!("key {count} on both sides"), |ours| theirs.key().as_ref() == ours.keys.last());
    }
}

/// Whether the test has nothing to talk to.
fn missing(test: &str) -> bool {
    let missing = !is_installed("rosenpass");
    if missing {
        println!("skipped: {test} (the program rosenpass is not installed)");
    }
    missing
}

#[test]
fn we_begin_and_upstream_rosenpass_has_the_same_key_and_three_renewals() {
    if missing("we_begin_and_upstream_rosenpass_has_the_same_key_and_three_renewals") {
        return;
    }
    let kems: [&'static dyn StaticKem; 2] = [fastest(), &PortableMcEliece];
    for (seed, kem) in (1..).zip(kems) {
        let mut theirs = Theirs::new();
        let endpoints = vec![theirs.address];
        // Forty times as fast: 130 s until a renewal are three.
        let mut ours = Ours::new(seed, kem, 40, &theirs, endpoints);
        theirs.start(None);
        for count in 1..=4 {
            ours.expect_key(count, &theirs);
        }
        let peer = KeyId::of(&theirs.public_key());
        let count = ours.keys.len() + 1;
        ours.step(Input::Renew(peer));
        ours.expect_key(count, &theirs);
        let mut keys = ours.keys.clone();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), ours.keys.len(), "no key comes twice");
    }
}

#[test]
fn upstream_rosenpass_begins_and_we_have_the_same_key_each_time() {
    if missing("upstream_rosenpass_begins_and_we_have_the_same_key_each_time") {
        return;
    }
    let mut theirs = Theirs::new();
    // We know no address of theirs: whatever happens, they began it.
    let mut ours = Ours::new(3, fastest(), 1, &theirs, Vec::new());
    for count in 1..=4 {
        theirs.start(Some(ours.address()));
        ours.expect_key(count, &theirs);
    }
}

#[test]
fn both_begin_and_the_sides_take_turns() {
    if missing("both_begin_and_the_sides_take_turns") {
        return;
    }
    let mut theirs = Theirs::new();
    let endpoints = vec![theirs.address];
    let mut ours = Ours::new(4, fastest(), 40, &theirs, endpoints);
    theirs.start(Some(ours.address()));
    for count in 1..=4 {
        ours.expect_key(count, &theirs);
    }
}
