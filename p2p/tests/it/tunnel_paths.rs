//! Networks inside tunnels whose paths and keys change.

use std::time::Duration;

use pyralog_p2p::{Lane, MemberEvent, Tunnel, TunnelEvent};
use tokio::time::Instant;

use crate::{
    members::{Member, event},
    mesh::{join, join_by, secret},
    net::{self, peer_id, soon, until},
    relay::Relay,
    tunnel_keys::{preshared, reaches, start},
};

/// A member inside a tunnel.
async fn member(seed: u8, tunnel: &Tunnel, port: u16) -> Member {
    let mut config = net::config(seed);
    config.listen = vec![tunnel.listen_address(port).to_string()];
    config.transport = Some(tunnel.transport(&config.limits));
    // Whoever goes down here does so by the tunnel's word and not by the members' own timer.
    config.limits.members.dead_after = Duration::from_secs(600);
    Member::start(config).await
}

async fn know_each_other(one: &mut Member, other: &mut Member) {
    let (first, second) = (one.node.listen_addr().await, other.node.listen_addr().await);
    one.knows([(other.id(), vec![second])]).await;
    other.knows([(one.id(), vec![first])]).await;
    one.up(other.id()).await;
    other.up(one.id()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_and_the_peer_moves_under_traffic_and_no_stream_is_lost() {
    const MESSAGES: u32 = 3_000;
    let ((one, _one), (other, mut news)) = (start(1).await, start(2).await);
    let relay = Relay::to(other.local_addr()).await;
    join_by(&relay, &one, &other);
    let (mut first, mut second) = (member(1, &one, 0).await, member(2, &other, 0).await);
    know_each_other(&mut first, &mut second).await;

    let (links, to) = (first.links.clone(), second.id());
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let mut message = number.to_be_bytes().to_vec();
            message.resize(1_000, 7);
            crate::members::send(&links, to, Lane::Urgent, message.into()).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let changing = async {
        for round in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            one.set_preshared_key(&other.key(), preshared(round)).unwrap();
            other.set_preshared_key(&one.key(), preshared(round)).unwrap();
            one.rekey(&other.key()).unwrap();
            if round % 5 == 4 {
                relay.roam().await;
            }
        }
    };
    let receiving = async {
        for number in 0..MESSAGES {
            let message = second.message(Lane::Urgent).await;
            assert_eq!(message[..4], number.to_be_bytes());
        }
    };
    soon("all messages", async { tokio::join!(changing, receiving) }).await;
    sending.await.unwrap();
    let moved = |event| matches!(event, TunnelEvent::Moved { .. });
    let mut events = Vec::new();
    while let Ok(event) = news.events.try_recv() {
        events.push(event);
    }
    assert!(events.into_iter().filter(|event| moved(*event)).count() >= 4);
    assert_eq!(other.link_stats(&one.key()).unwrap().endpoint, Some(relay.back()));
    // The link stood all the time.
    let nothing = |events| tokio::time::timeout(Duration::from_millis(50), event(events));
    assert!(nothing(&mut second.events.urgent).await.is_err() && nothing(&mut first.events.urgent).await.is_err());
}

/// The engine of the second peer, and its network, in a runtime of their own: ending that closes its socket without a word, as
/// a kill does.
struct Killable {
    runtime: tokio::runtime::Runtime,
    tunnel: Tunnel,
}

impl Killable {
    fn start(seed: u8, one: &Tunnel, knows: pyralog_p2p::PeerId, at: pyralog_p2p::Multiaddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (place, one) = (runtime.handle().clone(), one.clone());
        let tunnel = std::thread::spawn(move || {
            place.block_on(async {
                let (tunnel, _queues) = start(seed).await;
                join(&one, &tunnel);
                let mut member = member(seed, &tunnel, 9_000).await;
                member.knows([(knows, vec![at])]).await;
                tokio::spawn(async move {
                    // All of it: a node whose events nobody can read ends.
                    let member = &mut member;
                    loop {
                        event(&mut member.events.urgent).await;
                    }
                });
                tunnel
            })
        });
        Self { runtime, tunnel: tunnel.join().unwrap() }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
        drop(self.tunnel);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_is_down_at_once_and_up_again_after_its_restart() {
    let (one, mut news) = start(1).await;
    let mut first = member(1, &one, 0).await;
    let at = first.node.listen_addr().await;
    let killable = Killable::start(2, &one, first.id(), at.clone());
    let other = secret(2).public();
    first.knows([(peer_id(2), vec![killable.tunnel.listen_address(9_000)])]).await;
    first.up(peer_id(2)).await;

    killable.kill();
    let killed = Instant::now();
    first.links.send(&peer_id(2), Lane::Urgent, "are you there?".into()).unwrap();
    first.down(peer_id(2)).await;
    tracing::info!(after = ?killed.elapsed(), "the end of a killed peer was noticed");
    let mut lost = false;
    while let Ok(event) = news.events.try_recv() {
        lost |= event == TunnelEvent::Lost { key: other };
    }
    assert!(lost, "by the engine, and not by the members' own timer");

    let killable = Killable::start(2, &one, first.id(), at);
    first.up(peer_id(2)).await;
    assert!(reaches(&one, other).await);
    killable.kill();
}

#[tokio::test]
async fn a_peer_that_comes_back_without_its_sessions_ends_the_old_connections() {
    let ((one, _one), (other, _other)) = (start(1).await, start(2).await);
    join(&one, &other);
    let (mut first, mut second) = (member(1, &one, 0).await, member(2, &other, 9_000).await);
    know_each_other(&mut first, &mut second).await;
    // Its port stays open: no report of the system, no silence for long.
    let port = other.local_addr();
    other.stop().await;
    drop(second);
    let mut config = crate::tunnel_keys::config(2);
    config.listen = port;
    let (again, _again) = Tunnel::start(config).await.unwrap();
    join(&one, &again);
    let mut second = member(2, &again, 9_000).await;
    let came_back = Instant::now();
    again.rekey(&one.key()).unwrap();
    second.knows([(first.id(), vec![first.node.listen_addr().await])]).await;
    first.down(second.id()).await;
    tracing::info!(after = ?came_back.elapsed(), "the end of the earlier process was noticed");
    // The old connections end one after the other.
    soon("a message over the new ones", async {
        loop {
            let _ = first.links.send(&second.id(), Lane::Urgent, "again".into());
            let next = tokio::time::timeout(Duration::from_millis(50), event(&mut second.events.urgent)).await;
            if matches!(next, Ok(MemberEvent::Message { .. })) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_is_reached_outside_the_tunnels() {
    let (one, _one) = start(1).await;
    let first = member(1, &one, 0).await;
    for address in ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1", "/ip6/fd00::1/udp/1/quic-v1"] {
        let dialled = first.node.handle.dial(peer_id(9), vec![address.parse().unwrap()]).await;
        tracing::info!(?dialled, address);
        until("nobody", || async { first.node.handle.peers().await.unwrap().is_empty() }).await;
    }
    assert_eq!(one.counters().no_route, 0, "it is not even tried");
}
