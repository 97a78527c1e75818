//! Whole nodes whose datagrams look like nothing known, seen from the wire between them.

use std::collections::{HashMap, hash_map::Entry};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyralog_p2p::tunnel::bootstrap;
use pyralog_p2p::{
    MeshConfig, MeshError, Obfuscation, PostQuantum, PresharedKey, RecordAddress, Tunnel, TunnelConfig, TunnelPeer,
    TunnelQueues,
};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::mesh::secret;
use crate::net::{peer_id, soon, until};
use crate::tunnel_mesh::{Meshed, ask};

const SECRET: &str = "the nodes of the test have this in common";
/// AmneziaWG's names, with headers that are drawn anew for each datagram.
const PARAMETERS: &str = "Jc = 2\nJmin = 8\nJmax = 90\nS1 = 15\nS2 = 18\nS3 = 21\nS4 = 9\n\
                          H1 = 5-99\nH2 = 1000-2000\nH3 = 2001\nH4 = 3000000000-3100000000\n";

fn obfuscated(text: &str) -> impl FnOnce(&mut MeshConfig) {
    let obfuscation = Obfuscation::parse(text).unwrap();
    |config| config.tunnel.obfuscation = Some(obfuscation)
}

fn with_secret() -> String {
    format!("Secret = {SECRET}")
}

/// A place between two nodes that sees everything.
struct Relay {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Relay {
    async fn start() -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let relay =
            Self { address: front.local_addr().unwrap(), target: watch::Sender::new(None), seen: Arc::default() };
        tokio::spawn(carry(front, relay.target.subscribe(), Arc::clone(&relay.seen)));
        relay
    }

    /// A node that others reach through this place only.
    async fn before(&self, seed: u8, known: &[&Meshed], change: impl FnOnce(&mut MeshConfig)) -> Meshed {
        let node = Meshed::with(seed, known, |config| {
            config.addresses = vec![RecordAddress::Ip(self.address)];
            change(config);
        })
        .await;
        self.target.send_replace(Some(node.mesh.local_addr()));
        node
    }
}

async fn carry(front: Arc<UdpSocket>, target: watch::Receiver<Option<SocketAddr>>, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = front.recv_from(&mut buffer).await else { continue };
        let Some(target) = *target.borrow() else { continue };
        seen.lock().unwrap().push(buffer[..length].to_vec());
        if let Entry::Vacant(place) = clients.entry(from) {
            let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            place.insert(Arc::clone(&back));
            let (front, seen) = (Arc::clone(&front), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(length) = back.recv(&mut buffer).await {
                    seen.lock().unwrap().push(buffer[..length].to_vec());
                    let _ = front.send_to(&buffer[..length], from).await;
                }
            });
        }
        let back = &clients[&from];
        if back.connect(target).await.is_ok() {
            let _ = back.send(&buffer[..length]).await;
        }
    }
}

/// How many of the datagrams are, as they stand, of WireGuard, of Rosenpass, and of the bootstrap.
fn known(seen: &[Vec<u8>]) -> [usize; 3] {
    let count = |is: fn(&[u8]) -> bool| seen.iter().filter(|datagram| is(datagram)).count();
    [
        count(|datagram| matches!(datagram, [1..=4, 0, 0, 0, ..])),
        count(|datagram| matches!(datagram, [0x81..=0x86, 0, 0, 0, ..])),
        count(|datagram| bootstrap::check_datagram(datagram).is_ok()),
    ]
}

/// Two nodes with places before them, which come to a tunnel and speak in it; all that was seen.
async fn overheard(text: Option<&str>) -> Vec<Vec<u8>> {
    let change = |config: &mut MeshConfig| {
        if let Some(text) = text {
            obfuscated(text)(config);
        }
    };
    let (before_one, before_two) = (Relay::start().await, Relay::start().await);
    let mut one = before_one.before(1, &[], change).await;
    let mut two = before_two.before(2, &[], change).await;
    soon("a tunnel", two.mesh.open(peer_id(1), vec![before_one.address])).await.unwrap();
    two.node.handle.dial(peer_id(1), vec![one.mesh.listen_address()]).await.unwrap();
    two.node.connected(peer_id(1)).await;
    one.node.connected(peer_id(2)).await;
    ask(&two, &mut one, b"who is there").await;
    ask(&one, &mut two, b"who asks").await;
    let stats = one.link(peer_id(2)).await.unwrap().stats.unwrap();
    assert!(stats.admitted && stats.key_age.is_some(), "Rosenpass has given the key");
    let mut seen = before_one.seen.lock().unwrap().clone();
    seen.extend(before_two.seen.lock().unwrap().iter().cloned());
    seen
}

#[tokio::test]
async fn nothing_on_the_wire_begins_like_a_known_protocol() {
    // Without an obfuscation all three are seen, so this test can fail.
    assert!(known(&overheard(None).await).iter().all(|count| *count > 2));
    for text in [with_secret(), PARAMETERS.to_owned()] {
        let seen = overheard(Some(&text)).await;
        // A key is 512 pieces.
        assert!(seen.len() > 1_000, "{}", seen.len());
        let [wireguard, rosenpass, bootstrap] = known(&seen);
        assert_eq!((wireguard, rosenpass), (0, 0));
        // Two bytes make an answer of the bootstrap, so by chance one in 32,768 is one.
        assert!(bootstrap <= 3, "{bootstrap} of {}", seen.len());
        // Four bytes that many begin with would be a mark as well, were it not that these are drawn.
        let mut begins: HashMap<&[u8], usize> = HashMap::new();
        for datagram in &seen {
            *begins.entry(&datagram[..4]).or_default() += 1;
        }
        let most = begins.values().max().unwrap();
        assert!(*most < seen.len() / 100, "{most} of {}", seen.len());
    }
}

#[tokio::test]
async fn whoever_has_other_parameters_or_none_gets_nothing() {
    let one = Meshed::with(1, &[], obfuscated(&with_secret())).await;
    let (other, none): (String, _) = (format!("{}, but for this", with_secret()), |_: &mut MeshConfig| {});
    for two in [Meshed::with(2, &[], obfuscated(&other)).await, Meshed::with(3, &[], none).await] {
        let refused = soon("the end of it", two.mesh.open(peer_id(1), vec![one.mesh.local_addr()])).await;
        assert!(matches!(refused, Err(MeshError::Bootstrap(_))), "{refused:?}");
    }
    let counters = one.mesh.counters();
    assert!(counters.other_obfuscation > 0 && counters.malformed == 0 && counters.side == 0, "{counters:?}");
    assert!(one.mesh.links().await.is_empty());
}

/// A tunnel to itself, without a mesh.
async fn tunnel(seed: u8, change: impl FnOnce(&mut TunnelConfig)) -> (Tunnel, TunnelQueues) {
    let mut config = TunnelConfig::new(secret(seed), "127.0.0.1:0".parse().unwrap());
    config.obfuscation = Some(Obfuscation::parse(PARAMETERS).unwrap());
    change(&mut config);
    Tunnel::start(config).await.unwrap()
}

fn peer(of: &Tunnel) -> TunnelPeer {
    TunnelPeer { key: of.key(), endpoint: Some(of.local_addr()), keepalive: None }
}

#[tokio::test]
async fn cookies_are_asked_for_and_given_under_load() {
    let (one, _one) = tunnel(1, |config| config.limits.handshakes_per_address = 0).await;
    let (two, _two) = tunnel(2, |_| {}).await;
    one.set_peer(&TunnelPeer { endpoint: None, ..peer(&two) }).unwrap();
    two.set_peer(&peer(&one)).unwrap();
    for (tunnel, other) in [(&one, &two), (&two, &one)] {
        tunnel.set_preshared_key(&other.key(), PresharedKey::new(Zeroizing::new([7; 32]))).unwrap();
    }
    until("the answer to a handshake with a cookie", || async {
        two.ping(&one.key(), Duration::from_secs(1)).await.unwrap().is_some()
    })
    .await;
    assert!(one.counters().cookies > 0);
}

#[tokio::test]
async fn junk_comes_before_each_handshake_and_goes_nowhere() {
    let (one, _one) = tunnel(1, |config| config.post_quantum = PostQuantum::Off).await;
    let (two, _two) = tunnel(2, |config| config.post_quantum = PostQuantum::Off).await;
    one.set_peer(&TunnelPeer { endpoint: None, ..peer(&two) }).unwrap();
    two.set_peer(&peer(&one)).unwrap();
    assert!(two.ping(&one.key(), Duration::from_secs(10)).await.unwrap().is_some());
    let before = one.counters();
    // Of a junk datagram with wide headers one in some looks like data.
    assert!(before.other_obfuscation + before.unknown_sessions >= 2, "{before:?}");
    assert_eq!(before.malformed, 0);
}
