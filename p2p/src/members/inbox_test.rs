#![allow(clippy::unwrap_used)]

use futures::FutureExt;
use prometheus_client::registry::Registry;

use super::*;

fn inbox() -> (Arc<Inbox>, LaneEvents) {
    let limits = LaneLimits { send_bytes: 1, send_messages: 1, receive_bytes: 100, receive_messages: 4 };
    let metrics = MemberMetrics::register(&mut Registry::default());
    let inbox = Arc::new(Inbox::new(Lane::Bulk, limits, metrics));
    (Arc::clone(&inbox), LaneEvents::new(inbox))
}

fn next(events: &mut LaneEvents) -> Option<MemberEvent> {
    events.recv().now_or_never().flatten()
}

fn message(peer: PeerId, data: &'static str) -> MemberEvent {
    MemberEvent::Message { peer, lane: Lane::Bulk, data: data.into() }
}

#[test]
fn messages_stand_between_up_and_down() {
    let (inbox, mut events) = inbox();
    let (peer, seat) = (PeerId::random(), Arc::default());
    assert!(inbox.deliver(peer, &seat, "early".into()).is_err());
    inbox.up(peer, &seat);
    inbox.deliver(peer, &seat, "one".into()).unwrap();
    assert!(inbox.deliver(peer, &Arc::default(), "another stream".into()).is_err());
    inbox.down(peer);
    assert!(inbox.deliver(peer, &seat, "late".into()).is_err());
    assert_eq!(next(&mut events), Some(MemberEvent::Up { peer }));
    assert_eq!(next(&mut events), Some(message(peer, "one")));
    assert_eq!(next(&mut events), Some(MemberEvent::Down { peer }));
    assert_eq!(next(&mut events), None);
    assert!(lock(&inbox.state).sources.is_empty());
}

#[test]
fn a_member_that_comes_and_goes_unseen_leaves_two_events_at_most() {
    let (inbox, mut events) = inbox();
    let peer = PeerId::random();
    for _ in 0..1_000 {
        inbox.up(peer, &Arc::default());
        inbox.down(peer);
    }
    assert_eq!(next(&mut events), None);
    inbox.up(peer, &Arc::default());
    assert_eq!(next(&mut events), Some(MemberEvent::Up { peer }));
    for _ in 0..1_000 {
        inbox.down(peer);
        inbox.up(peer, &Arc::default());
    }
    assert_eq!(next(&mut events), Some(MemberEvent::Down { peer }));
    assert_eq!(next(&mut events), Some(MemberEvent::Up { peer }));
    assert_eq!(next(&mut events), None);
}

#[test]
fn both_bounds_hold_and_a_message_of_any_size_fits_into_nothing() {
    let (inbox, mut events) = inbox();
    let (peer, seat) = (PeerId::random(), Arc::default());
    inbox.up(peer, &seat);
    inbox.deliver(peer, &seat, vec![0; 1_000].into()).unwrap();
    assert!(inbox.deliver(peer, &seat, "x".into()).is_err());
    next(&mut events).unwrap();
    next(&mut events).unwrap();
    for _ in 0..4 {
        inbox.deliver(peer, &seat, "x".into()).unwrap();
    }
    assert!(inbox.deliver(peer, &seat, "x".into()).is_err());
}

#[test]
fn a_stream_that_waits_is_woken_when_half_is_read() {
    let (inbox, mut events) = inbox();
    let (peer, seat) = (PeerId::random(), Arc::<Seat>::default());
    inbox.up(peer, &seat);
    while inbox.deliver(peer, &seat, "x".into()).is_ok() {}
    let (waker, woken) = futures_test_waker();
    seat.register(&Context::from_waker(&waker));
    next(&mut events).unwrap();
    next(&mut events).unwrap();
    assert!(!woken());
    next(&mut events).unwrap();
    assert!(woken());
}

/// A waker, and whether it has been woken.
fn futures_test_waker() -> (Waker, impl Fn() -> bool) {
    struct Flag(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let flag = Arc::new(Flag(false.into()));
    (Arc::clone(&flag).into(), move || flag.0.load(std::sync::atomic::Ordering::SeqCst))
}

#[test]
fn members_take_turns() {
    let (inbox, mut events) = inbox();
    let (loud, quiet) = (PeerId::random(), PeerId::random());
    let seats: [Arc<Seat>; 2] = [Arc::default(), Arc::default()];
    inbox.up(loud, &seats[0]);
    inbox.up(quiet, &seats[1]);
    while inbox.deliver(loud, &seats[0], "loud".into()).is_ok() {}
    inbox.deliver(quiet, &seats[1], "quiet".into()).unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut events), Some(MemberEvent::Up { .. })));
    }
    assert_eq!(next(&mut events), Some(message(loud, "loud")));
    assert_eq!(next(&mut events), Some(message(quiet, "quiet")));
    assert_eq!(next(&mut events), Some(message(loud, "loud")));
}

#[test]
fn the_end_comes_after_what_is_left_and_an_abandoned_lane_takes_all() {
    let (inbox, mut events) = inbox();
    let (peer, seat) = (PeerId::random(), Arc::default());
    inbox.up(peer, &seat);
    inbox.down(peer);
    inbox.up(peer, &seat);
    inbox.end();
    assert_eq!(next(&mut events), Some(MemberEvent::Up { peer }));
    assert_eq!(events.recv().now_or_never(), Some(None));
    drop(events);
    for _ in 0..100 {
        inbox.deliver(peer, &seat, "void".into()).unwrap();
    }
    assert_eq!(inbox.metrics.lane(Lane::Bulk).dropped.get(), 100);
    inbox.up(peer, &seat);
    inbox.down(peer);
    assert!(lock(&inbox.state).sources.is_empty());
}
