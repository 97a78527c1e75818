#![allow(clippy::unwrap_used, clippy::panic)]

use futures::task::noop_waker;

use crate::{Config, config::Settings, gossip};

use super::*;

fn limited() -> LimitedGossip {
    let settings = Settings::check(&Config::new([1; 32], "test")).unwrap();
    LimitedGossip::new(gossip::router(&settings).unwrap(), &settings.limits)
}

#[test]
fn reports_are_one_per_peer_however_many_rpcs_were_dropped() {
    let mut gossip = limited();
    let (first, second) = (PeerId::random(), PeerId::random());
    for _ in 0..1_000 {
        gossip.report(first);
    }
    gossip.report(second);
    assert_eq!(gossip.over.len(), 2);
    let waker = noop_waker();
    for expected in [(first, 1_000), (second, 1)] {
        match gossip.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ToSwarm::GenerateEvent(Event::OverRate(peer, count))) => {
                assert_eq!((peer, count), expected);
            }
            _ => panic!("no report"),
        }
    }
    assert!(gossip.over.is_empty());
}
