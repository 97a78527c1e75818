//! A slow node, too many connections.

use pyralog_p2p::{Error, Event, Verdict};

use crate::net::{ECHO, Node, TOPIC, config, soon, until};

#[tokio::test]
async fn a_node_that_does_not_read_loses_gossip_and_requests_but_no_news() {
    let mut small = config(1);
    small.limits.event_queue = 1; // `Listening` fills it
    let mut slow = Node::start(small).await;
    let mut other = Node::joining(2, &[&slow]).await;
    other.connected(slow.id()).await;

    other.publish("lost").await;
    slow.metric_reaches("p2p_gossip_messages_total{name=\"votes\",result=\"dropped_overload\"}", 1.0).await;
    let refused = soon("the refusal", other.handle.request(slow.id(), ECHO, "?")).await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");

    assert!(matches!(slow.event().await, Event::Listening { .. }));
    assert_eq!(slow.connected(other.id()).await.peer_id, other.id());
    // With room again everything flows.
    other.publish("seen").await;
    assert_eq!(slow.judge(Verdict::Accept).await, b"seen");
    let task = tokio::spawn({
        let (handle, slow) = (other.handle.clone(), slow.id());
        async move { handle.request(slow, ECHO, "?").await }
    });
    slow.request().await.2.send("!").unwrap();
    assert_eq!(soon("the answer", task).await.unwrap().unwrap(), "!");
}

#[tokio::test]
async fn gossip_in_flight_is_bounded_in_bytes() {
    let mut tight = config(1);
    tight.limits.gossip_in_flight_bytes = 10_000;
    let mut slow = Node::start(tight).await;
    let other = Node::joining(2, &[&slow]).await;
    slow.connected(other.id()).await;
    other.publish(vec![1; 6_000]).await;
    let (first, _, _) = slow.gossip().await;
    other.publish(vec![2; 6_000]).await;
    slow.metric_reaches("p2p_gossip_messages_total{name=\"votes\",result=\"dropped_overload\"}", 1.0).await;
    slow.handle.verdict(first, Verdict::Accept).await.unwrap();
    until("room", || async { slow.metric("p2p_gossip_in_flight_bytes") == 0.0 }).await;
    other.publish(vec![3; 6_000]).await;
    assert_eq!(slow.judge(Verdict::Accept).await, vec![3; 6_000]);
}

#[tokio::test]
async fn the_connection_limit_holds() {
    let mut limited = config(1);
    limited.limits.max_incoming = 2;
    let mut server = Node::start(limited).await;
    let mut others = Vec::new();
    for seed in 2..=5 {
        others.push(Node::joining(seed, &[&server]).await);
    }
    server.metric_reaches("p2p_peers_turned_away_total{reason=\"connection_refused\"}", 4.0).await;
    let mut connected = Vec::new();
    while connected.len() < 2 {
        if let Event::Connected(info) = server.event().await {
            connected.push(info.peer_id);
        }
    }
    let inbound = |peers: &[pyralog_p2p::PeerInfo]| {
        peers.iter().filter(|info| info.direction == pyralog_p2p::Direction::Inbound).count()
    };
    assert_eq!(inbound(&server.handle.peers().await.unwrap()), 2);
    // Those inside are served as before.
    let inside = others.iter().find(|node| connected.contains(&node.id())).unwrap();
    inside.publish("still here").await;
    assert_eq!(server.judge(Verdict::Accept).await, b"still here");
    // A place that becomes free is taken again.
    let gone = others.remove(others.iter().position(|node| connected.contains(&node.id())).unwrap());
    gone.handle.shutdown().await;
    server.disconnected(gone.id()).await;
    let next = server.pick("the next peer", |event| match event {
        Event::Connected(info) => Some(info.peer_id),
        _ => None,
    });
    assert_ne!(next.await, gone.id());
    assert!(inbound(&server.handle.peers().await.unwrap()) <= 2);
}

#[tokio::test]
async fn no_connection_is_taken_above_the_memory_limit() {
    let mut full = config(1);
    full.limits.max_process_memory = Some(1);
    let mut full = Node::start(full).await;
    let other = Node::joining(2, &[&full]).await;
    full.metric_reaches("p2p_peers_turned_away_total{reason=\"connection_refused\"}", 2.0).await;
    assert!(other.handle.peers().await.unwrap().is_empty());
    assert!(matches!(full.event().await, Event::Listening { .. }));
    assert!(full.events.try_recv().is_err());
}

#[tokio::test]
async fn a_publisher_without_a_reader_is_not_blocked() {
    // A single task may publish and read in turns: no call waits for the node's own reading.
    let mut small = config(1);
    small.limits.event_queue = 1;
    let node = Node::start(small).await;
    let other = Node::joining(2, &[&node]).await;
    node.publish("x0").await;
    for number in 1..500 {
        soon("publish", node.handle.publish(TOPIC, format!("x{number}"))).await.unwrap();
    }
    drop(other);
}

#[tokio::test]
async fn a_message_dropped_without_a_verdict_frees_its_memory() {
    let mut tight = config(1);
    tight.limits.gossip_in_flight_bytes = 8 << 10;
    let mut slow = Node::start(tight).await;
    let other = Node::joining(2, &[&slow]).await;
    slow.connected(other.id()).await;
    // Each takes most of the allowance: all arrive only if each is given back.
    for number in 0..20u8 {
        other.publish(vec![number; 6_000]).await;
        let (message, source, data) = slow.gossip().await;
        assert_eq!((source, data), (other.id(), vec![number; 6_000]));
        drop(message);
    }
    assert_eq!(slow.metric("p2p_gossip_messages_total{name=\"votes\",result=\"dropped_overload\"}"), 0.0);
}

#[tokio::test]
async fn more_questions_than_places_are_all_answered_in_the_end() {
    let mut server = Node::start(config(2)).await;
    let mut asker = Node::joining(1, &[&server]).await;
    asker.connected(server.id()).await;
    let handle = server.handle.clone();
    let answers = tokio::spawn(async move {
        while let Some(event) = server.events.recv().await {
            if let Event::Request { data, reply, .. } = event {
                tokio::task::yield_now().await;
                reply.send(data).unwrap();
            }
        }
    });
    let tasks: Vec<_> = (0..100u8)
        .map(|number| {
            let (asker, server) = (asker.handle.clone(), handle.local_peer_id());
            tokio::spawn(async move {
                loop {
                    match asker.request(server, ECHO, vec![number; 100]).await {
                        Ok(data) => return data == vec![number; 100],
                        Err(Error::Overloaded(_) | Error::Busy { .. }) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        assert!(soon("an answer", task).await.unwrap());
    }
    drop(answers);
}
