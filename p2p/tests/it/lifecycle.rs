//! Starting, stopping, banning, and who belongs to the network.

use std::time::Duration;

use pyralog_p2p::{Error, Event, Verdict};

use crate::net::{ECHO, Node, TOPIC, config, in_memory, peer_id, soon};

#[tokio::test]
async fn a_peer_of_another_network_is_refused() {
    let mut node = Node::start(config(1)).await;
    let mut stranger = config(2);
    stranger.network = "other-net".into();
    stranger.bootstrap.push(node.address().await);
    let mut stranger = Node::start(stranger).await;
    node.metric_reaches("p2p_peers_turned_away_total{reason=\"wrong_network\"}", 1.0).await;
    stranger.metric_reaches("p2p_peers_turned_away_total{reason=\"wrong_network\"}", 1.0).await;

    let friend = Node::joining(3, &[&node]).await;
    let first = node.pick("a peer", |event| match event {
        Event::Connected(info) => Some(info.peer_id),
        _ => None,
    });
    assert_eq!(first.await, friend.id());
    assert!(matches!(stranger.event().await, Event::Listening { .. }));
    assert!(stranger.events.try_recv().is_err());
    assert!(stranger.handle.peers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_restarted_bootstrap_peer_is_dialled_again() {
    let mut first = Node::start(config(1)).await;
    let address = first.listen_addr().await;
    let mut second = Node::joining(2, &[&first]).await;
    second.connected(first.id()).await;
    first.connected(second.id()).await;
    first.handle.shutdown().await;
    second.disconnected(first.id()).await;
    drop(first);

    let mut same = config(1);
    same.listen = vec![address.to_string()];
    let mut first = Node::start(same).await;
    second.connected(first.id()).await;
    first.connected(second.id()).await;
    second.publish("back").await;
    assert_eq!(first.judge(Verdict::Accept).await, b"back");
}

#[tokio::test]
async fn a_bootstrap_peer_that_starts_later_is_found() {
    let mut early = config(2);
    in_memory(&mut early);
    early.bootstrap.push(format!("/memory/771001/p2p/{}", peer_id(1)));
    let mut early = Node::start(early).await;
    early.metric_reaches("p2p_dial_failures_total", 2.0).await;
    let mut late = config(1);
    in_memory(&mut late);
    late.listen = vec!["/memory/771001".into()];
    let late = Node::start(late).await;
    early.connected(late.id()).await;
}

#[tokio::test]
async fn a_ban_disconnects_refuses_and_ends() {
    let mut node = Node::start(config(1)).await;
    let mut other = Node::joining(2, &[&node]).await;
    node.connected(other.id()).await;
    node.handle.ban(other.id(), "test").await.unwrap();
    node.disconnected(other.id()).await;
    other.disconnected(node.id()).await;
    assert!(node.handle.peers().await.unwrap().is_empty());

    // Neither way, while it lasts; the other keeps trying, since we are its bootstrap peer.
    let dial = node.handle.dial(other.id(), vec![other.listen_addr().await]).await;
    assert!(matches!(dial, Err(Error::Banned { .. })));
    assert!(matches!(node.handle.request(other.id(), ECHO, "?").await, Err(Error::Banned { .. })));
    node.metric_reaches("p2p_peers_turned_away_total{reason=\"connection_refused\"}", 2.0).await;
    assert!(node.handle.peers().await.unwrap().is_empty());

    assert!(node.handle.unban(other.id()).await.unwrap());
    assert!(!node.handle.unban(other.id()).await.unwrap());
    node.connected(other.id()).await;
}

#[tokio::test]
async fn a_ban_runs_out_by_itself() {
    let mut short = config(1);
    short.limits.ban_time = Duration::from_millis(300);
    let mut node = Node::start(short).await;
    let other = Node::joining(2, &[&node]).await;
    node.connected(other.id()).await;
    node.handle.ban(other.id(), "test").await.unwrap();
    node.disconnected(other.id()).await;
    node.connected(other.id()).await;
}

#[tokio::test]
async fn a_disconnected_peer_may_come_back() {
    let mut node = Node::start(config(1)).await;
    let other = Node::joining(2, &[&node]).await;
    node.connected(other.id()).await;
    node.handle.disconnect(other.id()).await.unwrap();
    node.disconnected(other.id()).await;
    node.connected(other.id()).await;
}

#[tokio::test]
async fn shutdown_is_clean() {
    let mut node = Node::start(config(1)).await;
    let address = node.listen_addr().await;
    let mut other = Node::joining(2, &[&node]).await;
    other.connected(node.id()).await;
    node.connected(other.id()).await;
    let clone = node.handle.clone();
    soon("shutdown", async { tokio::join!(node.handle.shutdown(), clone.shutdown()) }).await;

    // The node hears of the end of its peers, then of the end.
    node.disconnected(other.id()).await;
    assert!(soon("the end of the events", node.events.recv()).await.is_none());
    other.disconnected(node.id()).await;
    assert!(matches!(node.handle.publish(TOPIC, "x").await, Err(Error::Closed)));
    assert!(matches!(node.handle.request(other.id(), ECHO, "x").await, Err(Error::Closed)));
    assert!(matches!(node.handle.peers().await, Err(Error::Closed)));
    soon("a second shutdown", node.handle.shutdown()).await;

    // Its port is free.
    let mut next = config(3);
    next.listen = vec![address.to_string()];
    Node::start(next).await;
}

#[tokio::test]
async fn dropping_the_handles_or_the_events_stops_the_network() {
    let mut watcher = Node::start(config(1)).await;

    let node = Node::joining(2, &[&watcher]).await;
    watcher.connected(node.id()).await;
    let Node { handle, mut events, .. } = node;
    drop(handle);
    soon("the end", async { while events.recv().await.is_some() {} }).await;
    watcher.disconnected(peer_id(2)).await;

    let node = Node::joining(3, &[&watcher]).await;
    watcher.connected(node.id()).await;
    let Node { handle, events, .. } = node;
    drop(events);
    watcher.disconnected(peer_id(3)).await;
    assert!(matches!(handle.peers().await, Err(Error::Closed)));
}

/// In one thread, where a task that never rests keeps the clock from going on.
#[tokio::test]
async fn news_for_nobody_end_the_network_and_do_not_keep_it_busy() {
    for seed in 2..12 {
        let mut peer = Node::start(config(1)).await;
        let node = Node::joining(seed, &[&peer]).await;
        peer.connected(node.id()).await;
        let Node { handle, events, .. } = node;
        drop(events);
        // That it has left is the news.
        peer.handle.shutdown().await;
        soon("the end", async { while !matches!(handle.peers().await, Err(Error::Closed)) {} }).await;
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let mut wrong = config(1);
    wrong.bootstrap = vec!["/ip4/127.0.0.1/tcp/1".into()];
    assert!(matches!(Node::try_start(wrong).await, Err(Error::Config { field: "bootstrap", .. })));

    let mut foreign = config(1);
    foreign.listen = vec!["/unix/socket".into()];
    assert!(matches!(Node::try_start(foreign).await, Err(Error::Listen { .. })));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut busy = config(1);
    busy.listen = vec![format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port())];
    assert!(matches!(Node::try_start(busy).await, Err(Error::Listen { .. })));

    let mut broken = config(1);
    broken.transport = Some(Box::new(|_| Err(std::io::Error::other("no tunnel"))));
    assert!(matches!(Node::try_start(broken).await, Err(Error::Transport(_))));
}

#[tokio::test]
async fn a_node_may_listen_on_several_carriers() {
    let mut both = config(1);
    both.listen.push("/ip4/127.0.0.1/udp/0/quic-v1".into());
    let mut node = Node::start(both).await;
    let addresses = node.handle.listen_addrs().await.unwrap();
    assert_eq!(addresses.len(), 2);
    for (seed, address) in (2..).zip(addresses) {
        let other = Node::start(config(seed)).await;
        soon("a dial", other.handle.dial(node.id(), vec![address])).await.unwrap();
        node.connected(other.id()).await;
    }
}
