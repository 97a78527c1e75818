//! Nodes that know no more of each other than a peer id and the address of a UDP socket, with post-quantum keys required.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pyralog_crypto::SigningKey;
use pyralog_crypto::kem::StaticKeyPair;
use pyralog_p2p::{LinkPeer, LinkStatus, Mesh, MeshConfig, MeshError, PeerId, RecordAddress, TunnelConfig, Verdict};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::mesh::secret;
use crate::net::{ECHO, Node, TOPIC, config, peer_id, soon, until};

/// A node and its tunnels.
pub struct Meshed {
    pub mesh: Mesh,
    pub node: Node,
}

pub fn mesh_config(seed: u8) -> MeshConfig {
    // Each start has a higher number than the one before.
    static LATER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    MeshConfig {
        tunnel: TunnelConfig::new(secret(seed), "127.0.0.1:0".parse().unwrap()),
        rosenpass: Some(StaticKeyPair::generate(&mut ChaCha20Rng::from_seed([seed; 32])).unwrap()),
        identity: Arc::new(SigningKey::from_seed([seed; 32])),
        network: "test-net".into(),
        port: 26_656,
        addresses: Vec::new(),
        sequence: now + LATER.fetch_add(1, Ordering::Relaxed),
        keys: Arc::new(()),
        records: None,
        stock: Vec::new(),
    }
}

impl Meshed {
    pub async fn start(seed: u8, known: &[&Meshed]) -> Self {
        Self::with(seed, known, |_| {}).await
    }

    pub async fn with(seed: u8, known: &[&Meshed], change: impl FnOnce(&mut MeshConfig)) -> Self {
        let mut mesh_config = mesh_config(seed);
        change(&mut mesh_config);
        let mesh = Mesh::start(mesh_config).await.unwrap();
        let mut config = config(seed);
        config.listen = vec![mesh.listen_address().to_string()];
        config.transport = Some(mesh.transport(&config.limits));
        config.bootstrap = known.iter().map(|other| other.address()).collect();
        Self { mesh, node: Node::start(config).await }
    }

    /// Where its tunnels are from outside.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/udp/{}/p2p/{}", self.mesh.local_addr().port(), self.node.id())
    }

    pub async fn link(&self, peer: PeerId) -> Option<LinkStatus> {
        self.mesh.links().await.into_iter().find(|link| link.peer == LinkPeer::Node(peer))
    }

    /// Ends like a process that is killed, as far as that goes in one: nobody is told.
    async fn kill(self) -> Bytes {
        let records = self.mesh.records().await;
        self.mesh.stop().await;
        records
    }
}

pub async fn ask(from: &Meshed, to: &mut Meshed, question: &'static [u8]) {
    let (handle, peer) = (from.node.handle.clone(), to.node.id());
    let asked = tokio::spawn(async move { handle.request(peer, ECHO, Bytes::from_static(question)).await });
    let (_, data, reply) = to.node.request().await;
    reply.send(data).unwrap();
    assert_eq!(&soon("the answer", asked).await.unwrap().unwrap()[..], question);
}

#[tokio::test]
async fn two_nodes_that_know_an_address_come_to_a_tunnel_with_a_post_quantum_key() {
    let mut one = Meshed::start(1, &[]).await;
    let mut two = Meshed::start(2, &[&one]).await;
    two.node.connected(peer_id(1)).await;
    one.node.connected(peer_id(2)).await;
    ask(&two, &mut one, b"who is there").await;
    ask(&one, &mut two, b"who asks").await;
    for (from, to) in [(&one, 2), (&two, 1)] {
        let link = from.link(peer_id(to)).await.unwrap();
        assert_eq!(link.stage, "open");
        let stats = link.stats.unwrap();
        assert!(stats.admitted && stats.key_age.is_some() && stats.last_handshake.is_some(), "{stats:?}");
    }
}

#[tokio::test]
async fn a_third_node_finds_the_others_by_the_one_that_it_knows() {
    let one = Meshed::start(1, &[]).await;
    let mut two = Meshed::start(2, &[&one]).await;
    two.node.connected(peer_id(1)).await;
    let mut three = Meshed::start(3, &[&one]).await;
    three.node.connected(peer_id(1)).await;
    // It is told an address inside, and asks node 1 where that is.
    three.node.connected(peer_id(2)).await;
    ask(&three, &mut two, b"found").await;
    let handle = three.node.handle.clone();
    let sender = tokio::spawn(async move {
        loop {
            let _ = handle.publish(TOPIC, b"to all".to_vec()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(two.node.judge(Verdict::Accept).await, b"to all");
    sender.abort();
}

#[tokio::test]
async fn a_node_that_is_started_again_is_reached_again() {
    let mut one = Meshed::start(1, &[]).await;
    let mut two = Meshed::start(2, &[&one]).await;
    two.node.connected(peer_id(1)).await;
    one.node.connected(peer_id(2)).await;
    let records = two.kill().await;
    one.node.disconnected(peer_id(2)).await;
    // It knows nothing but its keys and what it had stored; its socket is another one.
    let mut two = Meshed::with(2, &[], |config| {
        config.records = Some(records);
        config.addresses = vec![RecordAddress::Ip("192.0.2.7:51820".parse().unwrap())];
    })
    .await;
    let at = one.mesh.local_addr();
    soon("a tunnel", two.mesh.open(peer_id(1), vec![at])).await.unwrap();
    two.node.handle.dial(peer_id(1), vec![one.mesh.listen_address()]).await.unwrap();
    one.node.connected(peer_id(2)).await;
    two.node.connected(peer_id(1)).await;
    ask(&two, &mut one, b"again").await;
}

#[tokio::test]
async fn whoever_is_not_there_is_given_up_with_a_reason() {
    let one = Meshed::start(1, &[]).await;
    let nobody = "127.0.0.1:9".parse().unwrap();
    let given_up = soon("the end of it", one.mesh.open(peer_id(9), vec![nobody])).await;
    assert!(matches!(given_up, Err(MeshError::Bootstrap(_))), "{given_up:?}");
    let unknown = soon("the end of it", one.mesh.open(peer_id(9), vec![])).await;
    assert!(matches!(unknown, Err(MeshError::Bootstrap(_))), "{unknown:?}");
    assert!(matches!(one.mesh.open(peer_id(1), vec![]).await, Err(MeshError::Own)));
    until("nothing is left of it", || async { one.mesh.links().await.is_empty() }).await;
}

#[tokio::test]
async fn another_network_is_no_neighbour() {
    let one = Meshed::start(1, &[]).await;
    let two = Meshed::with(2, &[], |config| config.network = "other-net".into()).await;
    let refused = soon("the end of it", two.mesh.open(peer_id(1), vec![one.mesh.local_addr()])).await;
    assert!(matches!(refused, Err(MeshError::Bootstrap(_))), "{refused:?}");
    assert!(one.mesh.links().await.is_empty());
}

#[tokio::test]
async fn a_second_process_with_the_keys_of_a_peer_does_not_displace_it_while_it_is_heard() {
    let mut one = Meshed::start(1, &[]).await;
    let mut two = Meshed::start(2, &[&one]).await;
    two.node.connected(peer_id(1)).await;
    one.node.connected(peer_id(2)).await;
    let at = two.mesh.local_addr();
    let copy = Meshed::with(2, &[&one], |_| {}).await;
    for _ in 0..20 {
        ask(&one, &mut two, b"who is there").await;
        ask(&two, &mut one, b"still the same").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(one.link(peer_id(2)).await.unwrap().stats.unwrap().endpoint, Some(at));
    }
    assert!(copy.node.handle.peers().await.unwrap().is_empty(), "it is connected with nobody");
    // Where the first one is gone the other one is what is left of the peer.
    two.kill().await;
    let there = copy.mesh.local_addr();
    until("the other one is let in", || async {
        one.link(peer_id(2)).await.and_then(|link| link.stats?.endpoint) == Some(there)
    })
    .await;
}
