#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::SystemTime;

use libp2p::Multiaddr;
use proptest::prelude::*;

use crate::{Direction, PeerInfo};

use super::*;

fn connected(peer: PeerId) -> Event {
    Event::Connected(PeerInfo {
        peer_id: peer,
        address: Multiaddr::empty(),
        direction: Direction::Inbound,
        agent: String::new(),
        score: 0.0,
        connected_since: SystemTime::UNIX_EPOCH,
        round_trip: None,
    })
}

fn disconnected(peer: PeerId) -> Event {
    Event::Disconnected { peer }
}

fn listening() -> Event {
    Event::Listening { address: Multiaddr::empty() }
}

fn name(event: &Event) -> (&'static str, Option<PeerId>) {
    match event {
        Event::Connected(info) => ("connected", Some(info.peer_id)),
        Event::Disconnected { peer } => ("disconnected", Some(*peer)),
        _ => ("other", None),
    }
}

#[test]
fn a_full_queue_has_no_place_and_loses_no_news() {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut outbox = Outbox::new(sender);
    let peer = PeerId::random();
    outbox.reserve().unwrap().send(listening());
    assert!(outbox.reserve().is_none());
    outbox.tell(connected(peer));
    assert!(outbox.is_waiting());
    receiver.try_recv().unwrap();
    // There is room again, but the news that waits goes first.
    assert!(outbox.reserve().is_none());
    assert_eq!(name(&receiver.try_recv().unwrap()), ("connected", Some(peer)));
    assert!(outbox.reserve().is_some());
}

#[test]
fn a_peer_that_came_and_went_unseen_leaves_nothing() {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut outbox = Outbox::new(sender);
    outbox.reserve().unwrap().send(listening());
    for _ in 0..1_000 {
        let peer = PeerId::random();
        outbox.tell(connected(peer));
        outbox.tell(disconnected(peer));
    }
    assert!(!outbox.is_waiting());
    receiver.try_recv().unwrap();
    assert!(receiver.try_recv().is_err());
}

#[test]
fn a_gone_node_is_no_place() {
    let (sender, receiver) = mpsc::channel(4);
    let mut outbox = Outbox::new(sender);
    drop(receiver);
    assert!(outbox.reserve().is_none());
}

proptest! {
    /// Whatever comes and goes and however slowly the node reads, it sees each peer's events alternate, starting with
    /// Connected and ending with the truth; and what waits is bounded.
    #[test]
    fn news_alternates(steps in prop::collection::vec((0usize..4, any::<bool>()), 1..200), room in 1usize..4) {
        let peers: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        let (sender, mut receiver) = mpsc::channel(room);
        let mut outbox = Outbox::new(sender);
        let (mut real, mut seen) = ([false; 4], [false; 4]);
        let mut read = |receiver: &mut mpsc::Receiver<Event>| {
            let Ok(event) = receiver.try_recv() else { return false };
            let (what, peer) = name(&event);
            let index = peers.iter().position(|known| Some(*known) == peer).unwrap();
            assert_eq!(seen[index], what == "disconnected");
            seen[index] = !seen[index];
            true
        };
        for (index, reads) in steps {
            real[index] = !real[index];
            outbox.tell(if real[index] { connected(peers[index]) } else { disconnected(peers[index]) });
            prop_assert!(outbox.waiting.len() <= 8);
            if reads { read(&mut receiver); }
        }
        loop {
            let more = read(&mut receiver);
            outbox.flush();
            if !more && !outbox.is_waiting() && receiver.is_empty() { break; }
        }
        prop_assert_eq!(seen, real);
    }
}
