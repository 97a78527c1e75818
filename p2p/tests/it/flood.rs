//! Floods are dropped, their source goes, the others go on.

use pyralog_p2p::{Event, Rate, Verdict};

use crate::{
    hostile::Hostile,
    net::{Node, config, soon},
};

#[tokio::test]
async fn a_gossip_flood_is_limited_and_ended_while_others_go_on() {
    let mut strict = config(1);
    strict.limits.gossip_rate = Rate::new(20, 200);
    strict.limits.violations = Rate::new(0, 20);
    let mut node = Node::start(strict).await;
    let honest = Node::joining(2, &[&node]).await;
    node.connected(honest.id()).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let (flooder, mut sent) = (hostile.id(), 0u32);
    let end = hostile.live(move |hostile| {
        for _ in 0..100 {
            hostile.publish(sent.to_be_bytes().to_vec());
            sent += 1;
        }
    });

    // The node reads on all the while and takes everything it gets to be valid.
    let (handle, mut events) =
        (node.handle.clone(), std::mem::replace(&mut node.events, tokio::sync::mpsc::channel(1).1));
    let reader = tokio::spawn(async move {
        let (mut flood, mut fine) = (0u32, Vec::new());
        while let Some(event) = events.recv().await {
            let Event::Gossip { message, source, data, .. } = event else { continue };
            handle.verdict(message, Verdict::Accept).await.unwrap();
            if source == flooder {
                flood += 1;
            } else {
                fine.push(data.to_vec());
            }
            if fine.len() == 2 {
                break;
            }
        }
        (flood, fine)
    });
    honest.publish("during").await;
    soon("the end of the flooder", end).await.unwrap();
    assert_eq!(node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
    assert!(node.metric("p2p_peers_turned_away_total{reason=\"over_rate\"}") > 20.0);
    honest.publish("after").await;
    let (flood, fine) = soon("the honest messages", reader).await.unwrap();
    assert_eq!(fine, [b"during".to_vec(), b"after".to_vec()]);
    // Each message costs two units at least: 200 at once and 20 a second for as long as it may have lasted.
    assert!(flood < 100 + 10 * 60, "{flood} messages of the flood came through");
    let peers = node.handle.peers().await.unwrap();
    assert!(peers.iter().any(|info| info.peer_id == honest.id()));
    assert!(peers.iter().all(|info| info.peer_id != flooder));
}

#[tokio::test]
async fn a_flood_of_bytes_is_limited_too() {
    let mut strict = config(1);
    strict.limits.gossip_bytes = Rate::new(1, 100_000);
    strict.limits.violations = Rate::new(0, 20);
    let node = Node::start(strict).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let mut sent = 0u32;
    let end = hostile.live(move |hostile| {
        let mut data = vec![0; 8_000];
        data[..4].copy_from_slice(&sent.to_be_bytes());
        hostile.publish(data);
        sent += 1;
    });
    soon("the end of the flooder", end).await.unwrap();
    assert_eq!(node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
    // 100,000 bytes are twelve messages of 8,000 (and what one byte a second adds is none).
    assert!(node.metric("p2p_gossip_messages_total{name=\"votes\",result=\"received\"}") <= 12.0);
}

#[tokio::test]
async fn a_flood_without_a_single_message_is_limited_too() {
    let mut strict = config(1);
    strict.limits.gossip_rate = Rate::new(10, 100);
    strict.limits.violations = Rate::new(0, 20);
    let node = Node::start(strict).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let end = hostile.live(|hostile| {
        for _ in 0..20 {
            hostile.subscribe_and_leave();
        }
    });
    soon("the end of the flooder", end).await.unwrap();
    assert_eq!(node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
    assert_eq!(node.metric("p2p_gossip_messages_total{name=\"votes\",result=\"received\"}"), 0.0);
}
