//! What is published, forwarded, and not forwarded.

use std::time::Duration;

use pyralog_p2p::{Direction, Error, Verdict};

use crate::net::{MAX_MESSAGE, Node, TOPIC, config, in_memory, peer_id, soon};

/// A chain of nodes in which each knows only the one before it.
async fn reaches_five(listen: impl Fn(&mut pyralog_p2p::Config)) {
    let mut nodes: Vec<Node> = Vec::new();
    for seed in 1..=6 {
        let mut config = config(seed);
        listen(&mut config);
        if let Some(previous) = nodes.last() {
            config.bootstrap.push(previous.address().await);
        }
        nodes.push(Node::start(config).await);
    }
    let publisher = nodes.remove(0);
    // All live to the end: dropping a receiver stops its node.
    let mut receivers: Vec<_> = nodes.into_iter().map(Node::accept_all).collect();
    // What is lost while the mesh still forms is sent again with another number, as the engine does.
    let handle = publisher.handle.clone();
    let sender = tokio::spawn(async move {
        for attempt in 0u32.. {
            match handle.publish(TOPIC, format!("to everyone, attempt {attempt}")).await {
                Ok(()) | Err(Error::NoPeers(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(error) => panic!("{error}"),
            }
        }
    });
    for receiver in &mut receivers {
        let data = soon("the message", receiver.recv()).await.unwrap();
        assert!(data.starts_with(b"to everyone, attempt "));
    }
    assert!(!sender.is_finished());
    sender.abort();
}

#[tokio::test]
async fn gossip_reaches_five_peers_over_tcp() {
    reaches_five(|_| {}).await;
}

#[tokio::test]
pub async fn gossip_reaches_five_peers_over_quic() {
    reaches_five(|config| config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".into()]).await;
}

#[tokio::test]
async fn gossip_reaches_five_peers_over_an_injected_transport() {
    reaches_five(in_memory).await;
}

/// left — middle — right, where left and right refuse each other.
async fn line() -> (Node, Node, Node) {
    let middle = Node::start(config(2)).await;
    let mut left = Node::joining(1, &[&middle]).await;
    left.handle.ban(peer_id(3), "test").await.unwrap();
    let mut right = Node::joining(3, &[&middle]).await;
    right.handle.ban(peer_id(1), "test").await.unwrap();
    left.connected(middle.id()).await;
    right.connected(middle.id()).await;
    (left, middle, right)
}

#[tokio::test]
pub async fn what_the_node_rejects_or_ignores_is_not_forwarded() {
    let (left, mut middle, right) = line().await;
    let mut right = right.accept_all();
    left.publish("invalid").await;
    assert_eq!(middle.judge(Verdict::Reject).await, b"invalid");
    left.publish("useless").await;
    assert_eq!(middle.judge(Verdict::Ignore).await, b"useless");
    left.publish("valid").await;
    assert_eq!(middle.judge(Verdict::Accept).await, b"valid");
    assert_eq!(soon("the valid message", right.recv()).await.unwrap(), b"valid");
    // The blame falls on the peer that handed it over, and only for the invalid one.
    let score = middle.handle.peers().await.unwrap().into_iter().find(|info| info.peer_id == left.id()).unwrap().score;
    assert!(score < 0.0, "{score}");
    assert_eq!(middle.metric("p2p_gossip_messages_total{name=\"votes\",result=\"rejected\"}"), 1.0);
}

#[tokio::test]
pub async fn nothing_is_forwarded_before_the_verdict() {
    let (left, mut middle, right) = line().await;
    let mut right = right.accept_all();
    left.publish("waits").await;
    let (waiting, source, _) = middle.gossip().await;
    assert_eq!(source, left.id());
    assert_eq!(waiting.id().len(), 32);
    left.publish("overtakes").await;
    assert_eq!(middle.judge(Verdict::Accept).await, b"overtakes");
    assert_eq!(soon("the second message", right.recv()).await.unwrap(), b"overtakes");
    middle.handle.verdict(waiting, Verdict::Accept).await.unwrap();
}

#[tokio::test]
pub async fn oversize_and_unknown_topics_are_refused_at_publish() {
    let mut first = Node::start(config(1)).await;
    let mut second = Node::joining(2, &[&first]).await;
    first.connected(second.id()).await;
    let refused = first.handle.publish(TOPIC, vec![0; MAX_MESSAGE + 1]).await;
    assert!(matches!(refused, Err(Error::TooLarge { size, max, .. }) if size == MAX_MESSAGE + 1 && max == MAX_MESSAGE));
    let refused = first.handle.publish("gossip", "x").await;
    assert!(matches!(refused, Err(Error::UnknownTopic(topic)) if topic == "gossip"));
    // The limit itself passes, end to end.
    first.publish(vec![7; MAX_MESSAGE]).await;
    assert_eq!(second.judge(Verdict::Accept).await, vec![7; MAX_MESSAGE]);
}

#[tokio::test]
pub async fn the_same_bytes_go_out_once_and_nobody_is_no_silent_success() {
    let mut first = Node::start(config(1)).await;
    assert!(matches!(first.handle.publish(TOPIC, "alone").await, Err(Error::NoPeers(_))));
    let mut second = Node::joining(2, &[&first]).await;
    assert_eq!(first.connected(second.id()).await.direction, Direction::Inbound);
    assert_eq!(second.connected(first.id()).await.direction, Direction::Outbound);
    first.publish("alone").await;
    assert_eq!(second.judge(Verdict::Accept).await, b"alone");
    assert!(matches!(first.handle.publish(TOPIC, "alone").await, Err(Error::Duplicate(_))));
}

#[tokio::test]
pub async fn many_large_messages_in_a_row_all_arrive() {
    // Their frames follow each other in one read buffer: the decoder must not take two for one that is too large.
    let mut first = Node::start(config(1)).await;
    let second = Node::joining(2, &[&first]).await;
    first.connected(second.id()).await;
    let mut received = second.accept_all();
    for number in 0..100u8 {
        first.publish(vec![number; MAX_MESSAGE]).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 100 {
        seen.insert(soon("all messages", received.recv()).await.unwrap()[0]);
    }
}

/// A node over QUIC in a runtime of its own: ending that kills it, and its peers hear nothing of the end.
fn killable(seed: u8, hub: String) -> (tokio::runtime::Runtime, std::thread::JoinHandle<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let place = runtime.handle().clone();
    let ready = std::thread::spawn(move || {
        place.block_on(async {
            let mut node = Node::start(over_quic(seed, Some(hub))).await;
            node.publish("before").await;
            tokio::spawn(async move {
                loop {
                    node.event().await;
                }
            });
        });
    });
    (runtime, ready)
}

fn over_quic(seed: u8, hub: Option<String>) -> pyralog_p2p::Config {
    let mut config = config(seed);
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".into()];
    config.bootstrap.extend(hub);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_and_started_again_is_heard_at_once() {
    let mut stays = Node::start(over_quic(1, None)).await;
    let (runtime, ready) = killable(2, stays.address().await);
    assert_eq!(stays.judge(Verdict::Accept).await, b"before");
    ready.join().unwrap();
    // Longer than two ends take that dial each other.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    runtime.shutdown_background();

    let again = Node::start(over_quic(2, Some(stays.address().await))).await;
    again.publish("after").await;
    assert_eq!(stays.judge(Verdict::Accept).await, b"after");
    let mut again = again.accept_all();
    stays.publish("and back").await;
    assert_eq!(soon("the answer", again.recv()).await.unwrap(), b"and back");
}
