//! Members that go and come back, paths that fall silent, and what members may do that strangers may not.

use std::time::Duration;

use pyralog_p2p::{Config, Lane, MemberEvents, Rate, SendError, Verdict};

use crate::{
    members::{Member, hasty, message, pair},
    net::{ECHO, config, in_memory, peer_id, soon, until},
    proxy::{END, FREEZE, PASS, Proxy},
};

#[tokio::test]
pub async fn a_member_that_restarts_goes_down_and_comes_up() {
    let (mut first, second) = pair(|_| {}).await;
    let address = second.node.listen_addr().await;
    // Something is under way when it goes.
    first.links.send(&second.id(), Lane::Bulk, vec![0; 8 << 20].into()).unwrap();
    second.node.handle.shutdown().await;
    drop(second);
    first.down(peer_id(2)).await;
    let refused = first.links.send(&peer_id(2), Lane::Urgent, "x".into());
    assert_eq!(refused, Err(SendError::NotConnected { peer: peer_id(2) }));

    let mut again = config(2);
    again.listen = vec![address.to_string()];
    let mut second = Member::start(again).await;
    second.knows([(first.id(), vec![first.node.listen_addr().await])]).await;
    first.up(second.id()).await;
    second.up(first.id()).await;
    first.talks_with(&mut second).await;
}

#[tokio::test]
pub async fn a_connection_that_ends_is_dialled_again_at_once() {
    let (mut first, mut second) = pair(|config| config.limits.members.redial_min = Duration::from_secs(2)).await;
    for _ in 0..5 {
        first.node.handle.disconnect(second.id()).await.unwrap();
        first.down(second.id()).await;
        second.down(first.id()).await;
        first.up(second.id()).await;
        second.up(first.id()).await;
    }
    first.talks_with(&mut second).await;
}

#[tokio::test]
pub async fn both_dial_at_once_and_the_streams_come_to_stand() {
    for change in [(|_| {}) as fn(&mut Config), in_memory] {
        for _ in 0..5 {
            let (mut first, mut second) = pair(change).await;
            first.talks_with(&mut second).await;
            tokio::join!(first.node.handle.shutdown(), second.node.handle.shutdown());
        }
    }
}

#[tokio::test]
async fn a_silent_path_is_noticed_at_both_ends_and_forgotten_when_it_speaks_again() {
    let mut second = Member::start({
        let mut config = config(2);
        hasty(&mut config);
        config
    })
    .await;
    let proxy = Proxy::to(&second.node).await;
    let mut first = config(1);
    hasty(&mut first);
    first.listen.clear();
    let mut first = Member::start(first).await;
    first.knows([(second.id(), vec![proxy.address.clone()])]).await;
    // There is no way back but the one connection.
    second.knows([(first.id(), Vec::new())]).await;
    first.up(second.id()).await;
    second.up(first.id()).await;
    // Quiet for longer than a dead peer gets: pings keep it up, and nobody sees them.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(first.node.metric("p2p_member_links_total{event=\"down\"}"), 0.0);
    assert!(first.links.last_heard(&second.id()).is_some());

    for flood in [false, true] {
        first.talks_with(&mut second).await;
        proxy.set(FREEZE);
        if flood {
            // More than all the buffers on the way: the connection cannot even be closed.
            while first.links.send(&second.id(), Lane::Bulk, vec![0; 1 << 20].into()).is_ok() {}
        }
        first.down(second.id()).await;
        second.down(first.id()).await;
        // TCP takes minutes and libp2p's own ping some 20 s: nothing but the silence can be the reason.
        let silent = "p2p_member_links_total{event=\"silent\"}";
        assert!(first.node.metric(silent) + second.node.metric(silent) >= 1.0);
        proxy.set(PASS);
        first.up(second.id()).await;
        second.up(first.id()).await;
    }
    first.talks_with(&mut second).await;
}

#[tokio::test]
async fn streams_stand_where_the_end_of_a_process_is_seen_at_once() {
    let both = |seed| {
        let mut config = config(seed);
        config.listen.push("/ip4/127.0.0.1/udp/0/quic-v1".into());
        // Nobody waits for so long here.
        config.limits.members.dead_after = Duration::from_secs(600);
        config
    };
    let mut second = Member::start(both(2)).await;
    let all = second.node.handle.listen_addrs().await.unwrap();
    let quic = all.iter().find(|address| address.to_string().contains("quic-v1")).unwrap();
    let proxy = Proxy::to(&second.node).await;
    let mut first = Member::start(both(1)).await;
    // There is a connection over QUIC already, and it stays.
    first.node.handle.dial(second.id(), vec![quic.clone()]).await.unwrap();
    first.knows([(second.id(), vec![quic.clone(), proxy.address.clone()])]).await;
    second.knows([(first.id(), Vec::new())]).await;
    first.up(second.id()).await;
    second.up(first.id()).await;
    // The streams may stand elsewhere for a moment.
    let settled = Duration::from_secs(1);
    for events in [&mut first.events, &mut second.events] {
        for lane in [&mut events.urgent, &mut events.bulk] {
            while tokio::time::timeout(settled, lane.recv()).await.is_ok() {}
        }
    }
    first.talks_with(&mut second).await;
    proxy.set(END);
    let (of_first, of_second) = (first.id(), second.id());
    tokio::join!(first.down(of_second), second.down(of_first));
}

#[tokio::test]
pub async fn a_member_is_not_bound_by_the_rules_for_strangers() {
    let (mut first, mut second) = pair(|config| {
        config.limits.max_incoming = 0;
        config.limits.max_outgoing = 0;
        config.limits.max_per_peer = 1;
        config.limits.max_process_memory = None;
        config.limits.request_rate = Rate::new(0, 1);
        config.limits.violations = Rate::new(0, 1);
        config.limits.gossip_rate = Rate::new(0, 20);
    })
    .await;
    first.node.connected(second.id()).await;
    for _ in 0..3 {
        let request = tokio::spawn({
            let (handle, to) = (second.node.handle.clone(), first.id());
            async move { handle.request(to, ECHO, "?").await }
        });
        first.node.request().await.2.send("!").unwrap();
        assert_eq!(soon("the answer", request).await.unwrap().unwrap(), "!");
    }
    // Far over its rate, and banned by name.
    for number in 0..50u8 {
        second.node.publish(vec![number; 10]).await;
    }
    first.node.metric_reaches("p2p_peers_turned_away_total{reason=\"over_rate\"}", 10.0).await;
    first.node.handle.ban(second.id(), "test").await.unwrap();
    first.talks_with(&mut second).await;
    assert_eq!(first.node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 0.0);
    assert_eq!(first.node.metric("p2p_member_links_total{event=\"down\"}"), 0.0);
}

#[tokio::test]
async fn a_banned_peer_that_becomes_a_member_is_let_in() {
    let mut first = Member::start(config(1)).await;
    let mut second = Member::start(config(2)).await;
    first.node.handle.ban(second.id(), "before").await.unwrap();
    second.knows([(first.id(), vec![first.node.listen_addr().await])]).await;
    first.node.metric_reaches("p2p_peers_turned_away_total{reason=\"connection_refused\"}", 1.0).await;
    first.knows([(second.id(), Vec::new())]).await;
    first.up(second.id()).await;
    second.up(first.id()).await;
    first.talks_with(&mut second).await;
}

#[tokio::test]
async fn members_are_dialled_even_above_the_memory_limit() {
    let mut full = config(1);
    full.limits.max_process_memory = Some(1);
    let mut full = Member::start(full).await;
    let mut other = Member::start(config(2)).await;
    other.knows([(full.id(), vec![full.node.listen_addr().await])]).await;
    full.knows([(other.id(), vec![other.node.listen_addr().await])]).await;
    full.up(other.id()).await;
    other.up(full.id()).await;
    full.talks_with(&mut other).await;
}

#[tokio::test]
pub async fn gossip_and_links_share_a_connection() {
    let (mut first, mut second) = pair(|_| {}).await;
    second.node.publish("to all").await;
    assert_eq!(first.node.judge(Verdict::Accept).await, b"to all");
    first.talks_with(&mut second).await;
}

#[tokio::test]
async fn events_that_nobody_takes_stop_nothing_but_their_lane() {
    let (first, second) = pair(|_| {}).await;
    let MemberEvents { urgent, mut bulk } = second.events;
    drop(urgent);
    first.send(second.node.id(), Lane::Urgent, "into the void".into()).await;
    second.node.metric_reaches("p2p_member_messages_total{lane=\"urgent\",result=\"dropped\"}", 1.0).await;
    first.send(second.node.id(), Lane::Bulk, "read".into()).await;
    assert_eq!(message(&mut bulk).await, "read");
    until("the count", || async { first.node.metric("p2p_members_up") == 1.0 }).await;
}
