//! Peers without a peer id: WireGuard and Rosenpass on ports of their own, as the stock programs have them.

use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::kem::{StaticKeyPair, StaticPublicKey, fastest};
use pyralog_p2p::tunnel::rosenpass::{Effect, Input, Limits, PeerSettings, Rosenpass};
use pyralog_p2p::{LinkPeer, Mesh, MeshError, PostQuantum, PresharedKey, StockPeer, Tunnel, TunnelPeer};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::mesh::secret;
use crate::net::{peer_id, soon, until};
use crate::tunnel_keys::{config, is_cut_off, reaches};
use crate::tunnel_mesh::mesh_config;

const SEED: u8 = 9;

fn pair(seed: u8) -> StaticKeyPair {
    StaticKeyPair::generate(&mut ChaCha20Rng::from_seed([seed; 32])).unwrap()
}

fn stock() -> StockPeer {
    StockPeer {
        name: "laptop".into(),
        key: secret(SEED).public(),
        rosenpass: Some(pair(SEED).public),
        endpoint: None,
        rosenpass_endpoint: None,
    }
}

/// What a stock peer runs.
struct Laptop {
    tunnel: Tunnel,
    socket: UdpSocket,
    keys: StaticKeyPair,
}

impl Laptop {
    async fn start() -> Self {
        let (tunnel, _) = Tunnel::start(config(SEED)).await.unwrap();
        Self { tunnel, socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), keys: pair(SEED) }
    }

    fn rosenpass_at(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Knows a node, and exchanges keys with it. Where to begin, unless it waits for the node.
    fn join(self, mesh: &Mesh, key: StaticPublicKey, begins: bool) -> Tunnel {
        let (node, at) = (mesh.key(), mesh.local_addr());
        self.tunnel.set_peer(&TunnelPeer { key: node, endpoint: Some(at), keepalive: None }).unwrap();
        let tunnel = self.tunnel.clone();
        tokio::spawn(async move {
            let (began, mut rng) = (Instant::now(), ChaCha20Rng::from_seed([SEED; 32]));
            let mut machine = Rosenpass::new(self.keys, fastest(), Limits::DEFAULTS);
            let endpoints = begins.then_some(at).into_iter().collect();
            let peer = PeerSettings { public_key: key, pre_shared_key: None, endpoints };
            let mut effects = machine.step(began.elapsed(), &mut rng, Input::AddPeer(peer));
            let mut bytes = [0; 2_000];
            loop {
                for effect in effects {
                    match effect {
                        Effect::Send { to, bytes } => drop(self.socket.send_to(&bytes, to).await.unwrap()),
                        Effect::NewKey { key, .. } => {
                            let key = PresharedKey::new(Zeroizing::new(*key.as_bytes()));
                            self.tunnel.set_preshared_key(&node, key).unwrap();
                        }
                        _ => {}
                    }
                }
                let received = timeout(Duration::from_millis(20), self.socket.recv_from(&mut bytes)).await;
                let input = match received {
                    Ok(Ok((length, from))) => Input::Datagram { from, bytes: &bytes[..length] },
                    _ => Input::Wake,
                };
                effects = machine.step(began.elapsed(), &mut rng, input);
            }
        });
        tunnel
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_peer_is_let_in_whoever_begins_and_has_its_wireguard_and_its_rosenpass_on_two_ports() {
    for begins in [true, false] {
        let laptop = Laptop::start().await;
        let mut config = mesh_config(1);
        let rosenpass_endpoint = (!begins).then(|| laptop.rosenpass_at());
        config.stock = vec![StockPeer { rosenpass_endpoint, ..stock() }];
        let public = config.rosenpass.as_ref().unwrap().public.clone();
        let mesh = Mesh::start(config).await.unwrap();
        let link = mesh.links().await.remove(0);
        assert_eq!(
            (link.peer.clone(), link.peer.id(), link.peer.to_string()),
            (LinkPeer::Stock("laptop".into()), None, "laptop".into())
        );
        assert_eq!((link.stage, link.stats.unwrap().admitted), ("exchanging", false));
        let at = laptop.tunnel.local_addr();
        let tunnel = laptop.join(&mesh, public, begins);
        assert!(reaches(&tunnel, mesh.key()).await);
        let link = mesh.links().await.remove(0);
        let stats = link.stats.unwrap();
        assert_eq!((link.stage, stats.endpoint), ("open", Some(at)));
        assert!(stats.key_age.is_some() && stats.last_handshake.is_some(), "{stats:?}");
        mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_peer_whose_rosenpass_key_is_another_one_gets_nothing() {
    let laptop = Laptop::start().await;
    let mut config = mesh_config(1);
    config.stock = vec![StockPeer { rosenpass: Some(pair(8).public), ..stock() }];
    let public = config.rosenpass.as_ref().unwrap().public.clone();
    let mesh = Mesh::start(config).await.unwrap();
    let tunnel = laptop.join(&mesh, public, true);
    // As if it had agreed on a key with somebody else.
    tunnel.set_preshared_key(&mesh.key(), PresharedKey::new(Zeroizing::new([7; 32]))).unwrap();
    until("a refused handshake", || async { mesh.counters().unkeyed > 0 }).await;
    assert!(is_cut_off(&tunnel, mesh.key()).await);
    assert_eq!(mesh.links().await[0].stage, "exchanging");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_takes_the_keys_of_a_stock_peer() {
    let mut config = mesh_config(1);
    config.stock = vec![stock()];
    let mesh = Mesh::start(config).await.unwrap();
    // One node has its WireGuard key, the other one its Rosenpass key.
    let mut impostors = [mesh_config(2), mesh_config(3)];
    impostors[0].tunnel.secret = secret(SEED);
    impostors[1].rosenpass = Some(pair(SEED));
    let mut refusals = Vec::new();
    for (seed, config) in (2..).zip(impostors) {
        let impostor = Mesh::start(config).await.unwrap();
        let opened = mesh.open(peer_id(seed), vec![impostor.local_addr()]);
        refusals.push(soon("the end of it", opened).await.unwrap_err());
    }
    assert!(matches!(&refusals[0], MeshError::KeyTaken { key, .. } if *key == stock().key), "{refusals:?}");
    assert!(matches!(&refusals[1], MeshError::ExchangeKeyTaken { .. }), "{refusals:?}");
    let [link] = mesh.links().await.try_into().unwrap();
    assert_eq!(link.peer, LinkPeer::Stock("laptop".into()));
}

#[tokio::test]
async fn what_can_be_no_stock_peer_is_refused_by_its_name() {
    let refusal = |peers: Vec<StockPeer>| async move {
        let mut config = mesh_config(1);
        config.stock = peers;
        let error = Mesh::start(config).await.unwrap_err();
        assert!(matches!(&error, MeshError::Stock { .. }) && error.to_string().contains("laptop"), "{error}");
        error.to_string()
    };
    assert!(refusal(vec![StockPeer { rosenpass: None, ..stock() }]).await.contains("no Rosenpass key"));
    assert!(refusal(vec![StockPeer { key: secret(1).public(), ..stock() }]).await.contains("own WireGuard key"));
    assert!(
        refusal(vec![StockPeer { rosenpass: Some(pair(1).public), ..stock() }])
            .await
            .contains("Rosenpass key is our own")
    );
    assert!(refusal(vec![stock(), StockPeer { key: secret(8).public(), ..stock() }]).await.contains("its name"));
    assert!(refusal(vec![StockPeer { name: "other".into(), ..stock() }, stock()]).await.contains("WireGuard key"));
    let twice = StockPeer { name: "other".into(), key: secret(8).public(), ..stock() };
    assert!(refusal(vec![twice, stock()]).await.contains("another peer's"));
}

#[tokio::test]
async fn without_post_quantum_keys_wireguard_alone_lets_it_in() {
    let laptop = Laptop::start().await;
    let mut config = mesh_config(1);
    config.tunnel.post_quantum = PostQuantum::Off;
    config.stock = vec![StockPeer { rosenpass: None, endpoint: Some(laptop.tunnel.local_addr()), ..stock() }];
    let mesh = Mesh::start(config).await.unwrap();
    laptop.tunnel.set_peer(&TunnelPeer { key: mesh.key(), endpoint: None, keepalive: None }).unwrap();
    // WireGuard takes no preshared key for 32 zeros.
    laptop.tunnel.set_preshared_key(&mesh.key(), PresharedKey::new(Zeroizing::new([0; 32]))).unwrap();
    assert_eq!(mesh.links().await[0].stage, "open");
    let at = TunnelPeer { key: mesh.key(), endpoint: Some(mesh.local_addr()), keepalive: None };
    laptop.tunnel.set_peer(&at).unwrap();
    assert!(reaches(&laptop.tunnel, mesh.key()).await);
}
