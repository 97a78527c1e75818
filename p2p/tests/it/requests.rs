//! Questions and answers.

use std::time::Duration;

use pyralog_p2p::{Config, Error, ProtocolSpec, Rate};

use crate::net::{ECHO, Node, config, in_memory, peer_id, soon};

/// A connected pair: the first asks, the second answers.
async fn pair(asker: impl FnOnce(&mut Config), server: impl FnOnce(&mut Config)) -> (Node, Node) {
    let mut config_of_server = config(2);
    server(&mut config_of_server);
    let server = Node::start(config_of_server).await;
    let mut config_of_asker = config(1);
    asker(&mut config_of_asker);
    config_of_asker.bootstrap.push(server.address().await);
    let mut asker = Node::start(config_of_asker).await;
    asker.connected(server.id()).await;
    (asker, server)
}

/// Asks in a task of its own.
fn ask(node: &Node, data: Vec<u8>) -> tokio::task::JoinHandle<Result<Vec<u8>, Error>> {
    let handle = node.handle.clone();
    tokio::spawn(async move { handle.request(peer_id(2), ECHO, data).await.map(|bytes| bytes.to_vec()) })
}

async fn answer(task: tokio::task::JoinHandle<Result<Vec<u8>, Error>>) -> Result<Vec<u8>, Error> {
    soon("an answer", task).await.unwrap()
}

#[tokio::test]
pub async fn a_question_gets_its_answer() {
    let (asker, mut server) = pair(|_| {}, |_| {}).await;
    for size in [0, 1, 1 << 10] {
        let task = ask(&asker, vec![3; size]);
        let (peer, data, reply) = server.request().await;
        assert_eq!((peer, data), (asker.id(), vec![3; size]));
        assert!(!reply.is_expired());
        reply.send(vec![4; size * 4]).unwrap();
        assert_eq!(answer(task).await.unwrap(), vec![4; size * 4]);
    }
    server.metric_reaches("p2p_requests_total{name=\"echo\",result=\"answered\"}", 3.0).await;
}

#[tokio::test]
async fn an_injected_transport_carries_requests() {
    let (asker, mut server) = pair(in_memory, in_memory).await;
    let task = ask(&asker, b"hello".to_vec());
    server.request().await.2.send("there").unwrap();
    assert_eq!(answer(task).await.unwrap(), b"there");
}

#[tokio::test]
pub async fn sizes_are_checked_at_both_ends() {
    let (asker, mut server) = pair(|_| {}, |_| {}).await;
    let refused = asker.handle.request(server.id(), ECHO, vec![0; (1 << 10) + 1]).await;
    assert!(matches!(refused, Err(Error::TooLarge { what: "request", .. })));
    let task = ask(&asker, b"?".to_vec());
    let refused = server.request().await.2.send(vec![0; (4 << 10) + 1]);
    assert!(matches!(refused, Err(Error::TooLarge { what: "response", .. })));
    assert!(matches!(answer(task).await, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn a_peer_with_smaller_limits_says_so() {
    let generous = |config: &mut Config| config.protocols[0].max_request = 4 << 10;
    let (asker, server) = pair(generous, |_| {}).await;
    assert!(matches!(answer(ask(&asker, vec![0; 2 << 10])).await, Err(Error::PeerLimit { .. })));
    assert_eq!(server.metric("p2p_requests_total{name=\"echo\",result=\"refused_too_large\"}"), 1.0);
}

#[tokio::test]
async fn a_response_over_our_limit_is_not_read() {
    let (asker, mut server) = pair(|config| config.protocols[0].max_response = 10, |_| {}).await;
    let task = ask(&asker, b"?".to_vec());
    server.request().await.2.send(vec![0; 11]).unwrap();
    assert!(matches!(answer(task).await, Err(Error::BadResponse { .. })));
}

#[tokio::test]
pub async fn a_dropped_question_is_refused() {
    let (asker, mut server) = pair(|_| {}, |_| {}).await;
    let task = ask(&asker, b"?".to_vec());
    drop(server.request().await);
    assert!(matches!(answer(task).await, Err(Error::Refused { peer }) if peer == server.id()));
}

#[tokio::test]
pub async fn an_unanswered_question_times_out_at_both_ends() {
    let short = |config: &mut Config| config.protocols[0].timeout = Duration::from_millis(300);
    // The server waits longer, or the end of its stream might come before our own time is over.
    let longer = |config: &mut Config| config.protocols[0].timeout = Duration::from_millis(900);
    let (asker, mut server) = pair(short, longer).await;
    let task = ask(&asker, b"?".to_vec());
    let (_, _, reply) = server.request().await;
    assert!(matches!(answer(task).await, Err(Error::Timeout { .. })));
    server.metric_reaches("p2p_requests_total{name=\"echo\",result=\"not_answered\"}", 1.0).await;
    assert!(reply.is_expired());
    assert!(matches!(reply.send("late"), Err(Error::ReplyExpired)));
    // The place it took is free again.
    let task = ask(&asker, b"again".to_vec());
    server.request().await.2.send("yes").unwrap();
    assert_eq!(answer(task).await.unwrap(), b"yes");
}

#[tokio::test]
pub async fn concurrency_is_limited_by_the_server() {
    let many = |config: &mut Config| config.protocols[0].concurrent = 8;
    let one = |config: &mut Config| config.protocols[0].concurrent = 1;
    let (asker, mut server) = pair(many, one).await;
    let first = ask(&asker, b"first".to_vec());
    let (_, _, reply) = server.request().await;
    assert!(matches!(answer(ask(&asker, b"second".to_vec())).await, Err(Error::Busy { .. })));
    reply.send("done").unwrap();
    assert_eq!(answer(first).await.unwrap(), b"done");
    server.metric_reaches("p2p_requests_total{name=\"echo\",result=\"answered\"}", 1.0).await;
    let third = ask(&asker, b"third".to_vec());
    server.request().await.2.send("free").unwrap();
    assert_eq!(answer(third).await.unwrap(), b"free");
}

#[tokio::test]
async fn concurrency_is_limited_by_the_asker() {
    let (asker, mut server) = pair(|config| config.protocols[0].concurrent = 1, |_| {}).await;
    let first = ask(&asker, b"first".to_vec());
    let (_, _, reply) = server.request().await;
    let refused = asker.handle.request(server.id(), ECHO, "second").await;
    assert!(matches!(refused, Err(Error::Overloaded(_))));
    reply.send("done").unwrap();
    assert_eq!(answer(first).await.unwrap(), b"done");
}

#[tokio::test]
async fn requests_in_all_and_their_bytes_are_limited() {
    let (asker, mut server) = pair(|_| {}, |config| config.limits.requests_served = 1).await;
    let first = ask(&asker, b"first".to_vec());
    let held = server.request().await;
    assert!(matches!(answer(ask(&asker, b"second".to_vec())).await, Err(Error::Busy { .. })));
    drop(held);
    assert!(answer(first).await.is_err());

    let tight = |config: &mut Config| config.limits.request_in_flight_bytes = 1 << 10;
    let (asker, mut server) = pair(|_| {}, tight).await;
    let first = ask(&asker, vec![0; 600]);
    let (_, _, reply) = server.request().await;
    assert!(matches!(answer(ask(&asker, vec![0; 600])).await, Err(Error::Busy { .. })));
    reply.send("done").unwrap();
    assert!(answer(first).await.is_ok());
}

#[tokio::test]
async fn a_rate_is_kept_and_running_over_it_too_often_is_a_ban() {
    let slow = |config: &mut Config| {
        config.limits.request_rate = Rate::new(0, 2);
        config.limits.violations = Rate::new(0, 3);
    };
    let (asker, mut server) = pair(|_| {}, slow).await;
    for _ in 0..2 {
        let task = ask(&asker, b"?".to_vec());
        server.request().await.2.send("!").unwrap();
        assert!(answer(task).await.is_ok());
    }
    for _ in 0..3 {
        assert!(matches!(answer(ask(&asker, b"?".to_vec())).await, Err(Error::Busy { .. })));
    }
    // The fourth time is one too many.
    assert!(answer(ask(&asker, b"?".to_vec())).await.is_err());
    server.disconnected(asker.id()).await;
    assert_eq!(server.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
}

#[tokio::test]
pub async fn several_protocols_live_side_by_side() {
    let extra = |config: &mut Config| {
        config.protocols.push(ProtocolSpec::new("blocks/1", 100, 100));
        config.protocols.push(ProtocolSpec::new("only-the-asker", 100, 100));
    };
    let both = |config: &mut Config| config.protocols.insert(0, ProtocolSpec::new("blocks/1", 100, 100));
    let (asker, mut server) = pair(extra, both).await;
    let handle = asker.handle.clone();
    let blocks = tokio::spawn(async move { handle.request(peer_id(2), "blocks/1", "height 7").await });
    let (_, data, reply) = server.request().await;
    assert_eq!(data, b"height 7");
    assert_eq!(reply.max_response(), 100);
    let echo = ask(&asker, b"echo".to_vec());
    server.request().await.2.send("second protocol").unwrap();
    assert_eq!(answer(echo).await.unwrap(), b"second protocol");
    reply.send("block 7").unwrap();
    assert_eq!(soon("the block", blocks).await.unwrap().unwrap(), "block 7");

    let unknown = asker.handle.request(server.id(), "only-the-asker", "?").await;
    assert!(matches!(unknown, Err(Error::UnsupportedProtocol { protocol, .. }) if protocol == "only-the-asker"));
    let unknown = asker.handle.request(server.id(), "nobody", "?").await;
    assert!(matches!(unknown, Err(Error::UnknownProtocol(_))));
}

#[tokio::test]
async fn who_cannot_be_reached_is_said_to_be() {
    let asker = Node::start(config(1)).await;
    let unknown = soon("the error", asker.handle.request(peer_id(9), ECHO, "?")).await;
    assert!(matches!(unknown, Err(Error::Unreachable { peer, .. }) if peer == peer_id(9)), "{unknown:?}");
}

#[tokio::test]
pub async fn a_connection_that_ends_ends_the_question() {
    let (asker, mut server) = pair(|_| {}, |_| {}).await;
    let task = ask(&asker, b"?".to_vec());
    let _held = server.request().await;
    server.handle.shutdown().await;
    assert!(matches!(answer(task).await, Err(Error::Unreachable { .. } | Error::Refused { .. })));
}
