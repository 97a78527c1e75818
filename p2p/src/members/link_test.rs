#![allow(clippy::unwrap_used)]

use futures::FutureExt;
use prometheus_client::registry::Registry;
use proptest::prelude::*;

use crate::members::{
    MemberEvent,
    inbox::LaneEvents,
    limits::{LaneLimits, MemberLimits},
    metrics::MemberMetrics,
};

use super::*;

const LANE: LaneLimits = LaneLimits { send_bytes: 100, send_messages: 4, receive_bytes: 100, receive_messages: 4 };

fn link() -> (Arc<Link>, LaneEvents) {
    let limits = MemberLimits { urgent: LANE, bulk: LANE, ..MemberLimits::DEFAULTS };
    let common = Arc::new(Common::new(limits, MemberMetrics::register(&mut Registry::default())));
    let events = LaneEvents::new(Arc::clone(common.inbox(Lane::Urgent)));
    (Arc::new(Link::new(PeerId::random(), common)), events)
}

fn all(link: &Arc<Link>) -> Vec<Pass> {
    let ways = [Way::Out, Way::In].into_iter();
    ways.flat_map(|way| Lane::ALL.map(|lane| link.seat(way, lane).unwrap())).collect()
}

fn next(events: &mut LaneEvents) -> Option<MemberEvent> {
    events.recv().now_or_never().flatten()
}

#[test]
fn a_link_is_up_while_all_four_streams_stand() {
    let (link, mut events) = link();
    let mut passes = all(&link);
    assert!(link.is_up());
    assert_eq!(next(&mut events), Some(MemberEvent::Up { peer: link.peer }));
    for gone in 0..4 {
        passes.remove(gone);
        assert!(!link.is_up());
        assert_eq!(next(&mut events), Some(MemberEvent::Down { peer: link.peer }));
        let refused = link.send(Lane::Urgent, "x".into());
        assert_eq!(refused, Err(SendError::NotConnected { peer: link.peer }));
        drop(passes);
        passes = all(&link);
        assert_eq!(next(&mut events), Some(MemberEvent::Up { peer: link.peer }));
    }
    assert_eq!(link.ups(), 5);
}

#[test]
fn a_new_stream_takes_the_seat_and_what_waited_is_lost() {
    let (link, mut events) = link();
    let passes = all(&link);
    link.send(Lane::Urgent, "lost".into()).unwrap();
    let new = link.seat(Way::Out, Lane::Urgent).unwrap();
    assert!(passes[0].seat().is_stale() && !new.seat().is_stale());
    let mut taken = VecDeque::new();
    passes[0].take(1_000, &mut taken);
    new.take(1_000, &mut taken);
    assert!(taken.is_empty());
    let up = MemberEvent::Up { peer: link.peer };
    assert_eq!([next(&mut events), next(&mut events)], [Some(up), None]);
    // The old one going changes nothing.
    drop(passes.into_iter().next());
    assert_eq!(link.ups(), 2);
    assert_eq!(link.common.metrics.lane(Lane::Urgent).dropped.get(), 1);
    assert_eq!(link.common.metrics.lane(Lane::Urgent).queued_bytes.get(), 0);
}

#[test]
fn queues_are_bounded_by_bytes_and_by_count() {
    let (link, _events) = link();
    let passes = all(&link);
    let full = |lane| Err(SendError::Full { peer: link.peer, lane });
    link.send(Lane::Bulk, vec![0; 5_000].into()).unwrap();
    assert_eq!(link.send(Lane::Bulk, "x".into()), full(Lane::Bulk));
    for _ in 0..4 {
        link.send(Lane::Urgent, "x".into()).unwrap();
    }
    assert_eq!(link.send(Lane::Urgent, "x".into()), full(Lane::Urgent));
    let mut taken = VecDeque::new();
    passes[0].take(2, &mut taken);
    assert_eq!(taken.len(), 2);
    link.send(Lane::Urgent, "x".into()).unwrap();
    let size = MAX_MEMBER_MESSAGE + 1;
    let refused = link.send(Lane::Urgent, vec![0; size].into());
    assert_eq!(refused, Err(SendError::TooLarge { size, max: MAX_MEMBER_MESSAGE }));
}

#[test]
fn a_closed_link_takes_nothing_and_its_streams_are_stale() {
    let (link, _events) = link();
    let passes = all(&link);
    link.close();
    assert!(passes.iter().all(|pass| pass.seat().is_stale()));
    assert!(link.seat(Way::In, Lane::Urgent).is_none());
    assert_eq!(link.send(Lane::Urgent, "x".into()), Err(SendError::NotMember { peer: link.peer }));
    assert_eq!(link.common.metrics.up.get(), 0);
}

#[test]
fn silence_is_counted_from_the_last_byte() {
    let (link, _events) = link();
    assert_eq!(link.silence(), None);
    link.hear();
    assert!(link.silence().unwrap() < Duration::from_secs(60));
}

proptest! {
    /// Streams that come and go in any order: `Up` and `Down` alternate, and the link is up when four stand.
    #[test]
    fn ups_and_downs_alternate(steps in prop::collection::vec((any::<bool>(), 0usize..4), 0..60), read in 1usize..5) {
        let (link, mut events) = link();
        let mut seats: [Option<Pass>; 4] = [None, None, None, None];
        let (mut up, told) = (false, |event: MemberEvent, up: &mut bool| {
            let now = matches!(event, MemberEvent::Up { .. });
            assert_ne!(std::mem::replace(up, now), now);
        });
        for (number, (comes, at)) in steps.into_iter().enumerate() {
            let (way, lane) = ([Way::Out, Way::In][at / 2], Lane::ALL[at % 2]);
            seats[at] = if comes { link.seat(way, lane) } else { None };
            prop_assert_eq!(link.is_up(), seats.iter().all(Option::is_some));
            if number % read == 0 {
                while let Some(event) = next(&mut events) {
                    told(event, &mut up);
                }
                prop_assert_eq!(up, link.is_up());
            }
        }
        prop_assert_eq!(link.common.metrics.up.get(), i64::from(link.is_up()));
    }
}
