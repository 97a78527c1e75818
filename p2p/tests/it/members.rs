//! Links between the members of one cluster.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use pyralog_p2p::{Config, Lane, LaneEvents, MemberEvent, MemberEvents, MemberLinks, Multiaddr, PeerId, SendError};
use tokio::time::Instant;

use crate::net::{Node, config, in_memory, peer_id, soon};

pub struct Member {
    pub node: Node,
    pub links: MemberLinks,
    pub events: MemberEvents,
}

impl Member {
    pub async fn start(config: Config) -> Self {
        let node = Node::start(config).await;
        let (links, events) = (node.handle.members(), node.handle.take_member_events().unwrap());
        assert!(node.handle.take_member_events().is_none());
        Self { node, links, events }
    }

    pub fn id(&self) -> PeerId {
        self.node.id()
    }

    pub async fn knows(&self, others: impl IntoIterator<Item = (PeerId, Vec<Multiaddr>)>) {
        self.links.set_members(others.into_iter().collect()).await.unwrap();
    }

    pub async fn up(&mut self, peer: PeerId) {
        up(&mut self.events.urgent, peer).await;
        up(&mut self.events.bulk, peer).await;
    }

    pub async fn down(&mut self, peer: PeerId) {
        down(&mut self.events.urgent, peer).await;
        down(&mut self.events.bulk, peer).await;
    }

    pub fn events(&mut self, lane: Lane) -> &mut LaneEvents {
        match lane {
            Lane::Urgent => &mut self.events.urgent,
            Lane::Bulk => &mut self.events.bulk,
        }
    }

    /// Waits while the lane is full.
    pub async fn send(&self, to: PeerId, lane: Lane, message: Bytes) {
        send(&self.links, to, lane, message).await;
    }

    pub async fn message(&mut self, lane: Lane) -> Bytes {
        message(self.events(lane)).await
    }

    /// Both ways on both lanes.
    pub async fn talks_with(&mut self, other: &mut Member) {
        for lane in Lane::ALL {
            self.send(other.id(), lane, "there".into()).await;
            assert_eq!(other.message(lane).await, "there");
            other.send(self.id(), lane, "back".into()).await;
            assert_eq!(self.message(lane).await, "back");
        }
    }
}

pub async fn send(links: &MemberLinks, to: PeerId, lane: Lane, message: Bytes) {
    soon("room", async {
        loop {
            match links.send(&to, lane, message.clone()) {
                Ok(()) => return,
                Err(SendError::Full { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}

pub async fn event(events: &mut LaneEvents) -> MemberEvent {
    soon("a member event", events.recv()).await.expect("the network has stopped")
}

pub async fn up(events: &mut LaneEvents, peer: PeerId) {
    assert_eq!(event(events).await, MemberEvent::Up { peer });
}

/// Skips messages.
pub async fn down(events: &mut LaneEvents, peer: PeerId) {
    loop {
        match event(events).await {
            MemberEvent::Message { .. } => {}
            other => return assert_eq!(other, MemberEvent::Down { peer }),
        }
    }
}

pub async fn message(events: &mut LaneEvents) -> Bytes {
    match event(events).await {
        MemberEvent::Message { data, .. } => data,
        other => panic!("{other:?} instead of a message"),
    }
}

/// Members that all know each other and are up.
pub async fn cluster(size: u8, change: impl Fn(&mut Config)) -> Vec<Member> {
    let mut members = Vec::new();
    for seed in 1..=size {
        let mut config = config(seed);
        change(&mut config);
        members.push(Member::start(config).await);
    }
    let mut all = BTreeMap::new();
    for member in &members {
        all.insert(member.id(), vec![member.node.listen_addr().await]);
    }
    for member in &members {
        member.knows(all.clone()).await;
    }
    for member in &mut members {
        for _ in 1..size {
            for lane in Lane::ALL {
                let event = event(member.events(lane)).await;
                assert!(matches!(event, MemberEvent::Up { .. }), "{event:?}");
            }
        }
    }
    members
}

pub async fn pair(change: impl Fn(&mut Config)) -> (Member, Member) {
    let mut members = cluster(2, change).await;
    let second = members.remove(1);
    (members.remove(0), second)
}

/// A message whose bytes follow from its number.
fn numbered(number: u32) -> Bytes {
    let size = match number % 100 {
        0 => 40_000 + number as usize % 7_000,
        1..10 => 5_000 + number as usize % 5_000,
        _ => number as usize % 300,
    };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..size).map(|at| (at as u32).wrapping_mul(31).wrapping_add(number) as u8));
    bytes.into()
}

async fn ten_thousand_each_way(change: impl Fn(&mut Config)) {
    let (first, second) = pair(change).await;
    let mut tasks = Vec::new();
    let ids = [first.id(), second.id()];
    let (events, links): (Vec<_>, Vec<_>) =
        [first, second].map(|member| (member.events, (member.links, member.node))).into_iter().unzip();
    for (at, (links, _)) in links.iter().enumerate() {
        for lane in Lane::ALL {
            let (links, to) = (links.clone(), ids[1 - at]);
            tasks.push(tokio::spawn(async move {
                for number in 0..10_000 {
                    send(&links, to, lane, numbered(number)).await;
                }
            }));
        }
    }
    for MemberEvents { urgent, bulk } in events {
        for mut lane in [urgent, bulk] {
            tasks.push(tokio::spawn(async move {
                for number in 0..10_000 {
                    assert!(message(&mut lane).await == numbered(number), "message {number}");
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(links[0].1.metric("p2p_member_messages_total{lane=\"urgent\",result=\"sent\"}") >= 10_000.0);
    assert!(links[0].1.metric("p2p_member_messages_total{lane=\"bulk\",result=\"received\"}") >= 10_000.0);
    assert_eq!(links[0].1.metric("p2p_member_queued_bytes{lane=\"bulk\",result=\"queued\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_in_order_and_whole_over_tcp() {
    ten_thousand_each_way(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn messages_come_in_order_and_whole_over_quic() {
    ten_thousand_each_way(|config| config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".into()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_in_order_and_whole_in_memory() {
    ten_thousand_each_way(in_memory).await;
}

#[tokio::test]
pub async fn seven_members_all_talk_with_each_other() {
    let mut members = cluster(7, |_| {}).await;
    let ids: Vec<_> = members.iter().map(Member::id).collect();
    for member in &members {
        for id in ids.iter().filter(|id| **id != member.id()) {
            member.send(*id, Lane::Urgent, member.id().to_bytes().into()).await;
        }
    }
    for member in &mut members {
        let mut heard = Vec::new();
        for _ in 1..7 {
            match event(&mut member.events.urgent).await {
                MemberEvent::Message { peer, lane: Lane::Urgent, data } => {
                    assert_eq!(data, peer.to_bytes());
                    heard.push(peer);
                }
                other => panic!("{other:?}"),
            }
        }
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 6);
        assert_eq!(member.node.metric("p2p_members_up"), 6.0);
        assert_eq!(member.links.peers().len(), 6);
    }
}

#[tokio::test]
pub async fn what_cannot_be_sent_says_why() {
    let mut alone = Member::start(config(1)).await;
    let stranger = peer_id(9);
    let refused = |links: &MemberLinks, size: usize| links.send(&stranger, Lane::Urgent, vec![0; size].into());
    assert_eq!(refused(&alone.links, 1), Err(SendError::NotMember { peer: stranger }));
    alone.knows([(stranger, vec!["/ip4/127.0.0.1/tcp/9".parse().unwrap()])]).await;
    assert_eq!(refused(&alone.links, 1), Err(SendError::NotConnected { peer: stranger }));
    let (size, max) = (pyralog_p2p::MAX_MEMBER_MESSAGE + 1, pyralog_p2p::MAX_MEMBER_MESSAGE);
    assert_eq!(refused(&alone.links, size), Err(SendError::TooLarge { size, max }));
    assert_eq!(alone.links.last_heard(&stranger), None);
    alone.node.handle.shutdown().await;
    assert_eq!(refused(&alone.links, 1), Err(SendError::Closed));
    assert!(alone.links.set_members(BTreeMap::new()).await.is_err());
    assert_eq!(alone.events.urgent.recv().await, None);
    assert_eq!(alone.events.bulk.recv().await, None);
}

#[tokio::test]
pub async fn the_largest_message_passes() {
    let (first, mut second) = pair(|_| {}).await;
    let largest = Bytes::from(vec![7; pyralog_p2p::MAX_MEMBER_MESSAGE]);
    for lane in Lane::ALL {
        first.send(second.id(), lane, largest.clone()).await;
        first.send(second.id(), lane, Bytes::new()).await;
        assert!(second.message(lane).await == largest);
        assert_eq!(second.message(lane).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn a_flood_of_bulk_does_not_hold_up_urgent_messages() {
    let (first, second) = pair(|_| {}).await;
    let (from, to) = (first.id(), second.id());
    // The second gives back what is urgent, and reads the flood.
    let MemberEvents { mut urgent, mut bulk } = second.events;
    let (echo, _node) = (second.links, second.node);
    tokio::spawn(async move {
        while let Some(event) = urgent.recv().await {
            if let MemberEvent::Message { data, .. } = event {
                let _ = echo.send(&from, Lane::Urgent, data);
            }
        }
    });
    tokio::spawn(async move { while bulk.recv().await.is_some() {} });
    let (links, mut events) = (first.links.clone(), first.events.urgent);
    let mut round_trips = async || {
        let mut times = Vec::new();
        for _ in 0..100 {
            let began = Instant::now();
            send(&links, to, Lane::Urgent, Bytes::from_static(b"now")).await;
            message(&mut events).await;
            times.push(began.elapsed());
        }
        times.sort();
        times[50]
    };
    let quiet = round_trips().await;
    let links = first.links.clone();
    let flood = tokio::spawn(async move {
        let block = Bytes::from(vec![1; 1 << 20]);
        loop {
            send(&links, to, Lane::Bulk, block.clone()).await;
            tokio::task::yield_now().await;
        }
    });
    let sent = "p2p_member_message_bytes_total{lane=\"bulk\",result=\"sent\"}";
    first.node.metric_reaches(sent, (32 << 20) as f64).await;
    let flooded = round_trips().await;
    flood.abort();
    // A queue of 16 MiB in front of each of them would take far longer. The bound is generous: machines of tests are slow.
    assert!(flooded < quiet * 100 + Duration::from_millis(100), "{quiet:?} without, {flooded:?} with the flood");
}

#[tokio::test]
pub async fn a_reader_that_is_slow_on_one_lane_stalls_that_lane_only() {
    let mut members = cluster(3, |_| {}).await;
    let mut third = members.pop().unwrap();
    let mut second = members.pop().unwrap();
    let first = members.pop().unwrap();
    for lane in Lane::ALL {
        let other = Lane::ALL[1 - lane as usize];
        let mut taken = 0u32;
        let block = |number: u32| Bytes::from([&number.to_be_bytes()[..], &[0; 1 << 20]].concat());
        soon("a full lane", async {
            let mut refused = Instant::now();
            // Full for good, and not only until the stream has taken some more.
            while refused.elapsed() < Duration::from_millis(300) {
                match first.links.send(&second.id(), lane, block(taken)) {
                    Ok(()) => (taken, refused) = (taken + 1, Instant::now()),
                    Err(SendError::Full { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
        let full = SendError::Full { peer: second.id(), lane };
        assert_eq!(first.links.send(&second.id(), lane, block(taken)), Err(full));
        // The other lane and the other member go on.
        first.send(second.id(), other, "other lane".into()).await;
        assert_eq!(second.message(other).await, "other lane");
        first.send(third.id(), lane, "other member".into()).await;
        assert_eq!(third.message(lane).await, "other member");
        second.send(first.id(), lane, "other way".into()).await;
        // Once it is read, everything comes, in order.
        for number in 0..taken {
            assert_eq!(second.message(lane).await[..4], number.to_be_bytes());
        }
        first.send(second.id(), lane, "room".into()).await;
        assert_eq!(second.message(lane).await, "room");
    }
    assert!(first.node.metric("p2p_member_messages_total{lane=\"bulk\",result=\"refused_full\"}") >= 1.0);
    assert_eq!(first.node.metric("p2p_member_links_total{event=\"down\"}"), 0.0);
}

#[tokio::test]
pub async fn a_reader_that_stops_for_long_is_not_taken_for_dead() {
    let (first, mut second) = pair(hasty).await;
    let block = Bytes::from(vec![0; 4 << 20]);
    let mut count = 0;
    while first.links.send(&second.id(), Lane::Urgent, block.clone()).is_ok() {
        count += 1;
    }
    // Several times what a silent peer gets.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for _ in 0..count {
        assert_eq!(second.message(Lane::Urgent).await.len(), block.len());
    }
    assert_eq!(first.node.metric("p2p_member_links_total{event=\"down\"}"), 0.0);
    assert_eq!(second.node.metric("p2p_member_links_total{event=\"down\"}"), 0.0);
}

/// A dead peer is noticed after 300 ms.
pub fn hasty(config: &mut Config) {
    config.limits.members.ping_interval = Duration::from_millis(50);
    config.limits.members.dead_after = Duration::from_millis(300);
    config.limits.members.redial_max = Duration::from_millis(200);
}
