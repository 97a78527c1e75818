//! Nodes behind a TCP proxy that can freeze or spoil what passes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use pyralog_p2p::{Config, Multiaddr, Verdict};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::net::{Node, config, soon};

pub const PASS: u8 = 0;
pub const FREEZE: u8 = 1;
const SPOIL: u8 = 2;
/// Ends what passes, as a system does where a process was killed.
pub const END: u8 = 3;

pub struct Proxy {
    pub address: Multiaddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub async fn to(node: &Node) -> Self {
        let all = node.handle.listen_addrs().await.unwrap();
        let target = all.iter().map(ToString::to_string).find(|address| address.contains("/tcp/")).unwrap();
        let port: u16 = target.rsplit('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let mode = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, Arc::clone(&shared)));
                tokio::spawn(carry(from_server, to_client, Arc::clone(&shared)));
            }
        });
        Self { address, mode }
    }

    pub fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: Arc<AtomicU8>) {
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        while mode.load(Ordering::SeqCst) == FREEZE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if mode.load(Ordering::SeqCst) == END {
            return;
        }
        if mode.load(Ordering::SeqCst) == SPOIL {
            buffer[count / 2] ^= 0x55;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Two nodes whose only connection leads through a proxy; neither knows another way.
async fn pair(change: impl Fn(&mut Config)) -> (Node, Node, Proxy) {
    let mut first = config(1);
    change(&mut first);
    let mut first = Node::start(first).await;
    let proxy = Proxy::to(&first).await;
    let mut second = config(2);
    second.listen.clear();
    change(&mut second);
    let mut second = Node::start(second).await;
    soon("a dial", second.handle.dial(first.id(), vec![proxy.address.clone()])).await.unwrap();
    first.connected(second.id()).await;
    second.connected(first.id()).await;
    (first, second, proxy)
}

fn impatient(config: &mut Config) {
    config.limits.ping_interval = Duration::from_millis(100);
    config.limits.ping_timeout = Duration::from_millis(400);
    // Nobody comes back by himself.
    config.limits.target_peers = 0;
}

#[tokio::test]
async fn a_connection_that_stands_still_is_noticed_at_both_ends() {
    let (mut first, mut second, proxy) = pair(impatient).await;
    second.publish("before").await;
    assert_eq!(first.judge(Verdict::Accept).await, b"before");
    proxy.set(FREEZE);
    first.disconnected(second.id()).await;
    second.disconnected(first.id()).await;
    assert!(first.metric("p2p_peers_turned_away_total{reason=\"ping_failed\"}") >= 1.0);
    assert!(first.handle.peers().await.unwrap().is_empty());

    proxy.set(PASS);
    soon("a dial", second.handle.dial(first.id(), vec![proxy.address.clone()])).await.unwrap();
    first.connected(second.id()).await;
}

#[tokio::test]
async fn spoiled_bytes_end_the_connection_and_nothing_else() {
    let (mut first, mut second, proxy) = pair(impatient).await;
    proxy.set(SPOIL);
    first.disconnected(second.id()).await;
    second.disconnected(first.id()).await;
    // Nor can a handshake pass.
    assert!(soon("the refusal", second.handle.dial(first.id(), vec![proxy.address.clone()])).await.is_err());

    proxy.set(PASS);
    soon("a dial", second.handle.dial(first.id(), vec![proxy.address.clone()])).await.unwrap();
    first.connected(second.id()).await;
    second.publish("after").await;
    assert_eq!(first.judge(Verdict::Accept).await, b"after");
}
