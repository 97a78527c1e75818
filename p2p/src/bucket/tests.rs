#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn start() -> Instant {
    Instant::now()
}

#[test]
fn burst_then_rate() {
    let now = start();
    let mut bucket = TokenBucket::new(Rate::new(10, 5), now);
    assert!((0..5).all(|_| bucket.take(1, now)));
    assert!(!bucket.take(1, now));
    assert!(!bucket.take(1, now + Duration::from_millis(99)));
    assert!(bucket.take(1, now + Duration::from_millis(100)));
    assert!(!bucket.take(1, now + Duration::from_millis(100)));
}

#[test]
fn a_refused_take_costs_nothing() {
    let now = start();
    let mut bucket = TokenBucket::new(Rate::new(0, 5), now);
    assert!(!bucket.take(6, now));
    assert!(bucket.take(5, now));
}

#[test]
fn never_holds_more_than_the_burst() {
    let now = start();
    let mut bucket = TokenBucket::new(Rate::new(u64::MAX, 3), now);
    assert!(bucket.take(3, now));
    let later = now + Duration::from_secs(1 << 30);
    assert!(bucket.is_full(later));
    assert!(bucket.take(3, later));
    assert!(!bucket.take(1, later));
}

#[test]
fn time_running_backwards_gives_nothing() {
    let now = start() + Duration::from_secs(100);
    let mut bucket = TokenBucket::new(Rate::new(1, 1), now);
    assert!(bucket.take(1, now));
    assert!(!bucket.take(1, now - Duration::from_secs(50)));
    assert!(!bucket.take(1, now));
    assert!(bucket.take(1, now + Duration::from_secs(1)));
}

#[test]
fn peers_do_not_share_a_bucket() {
    let now = start();
    let (a, b) = (PeerId::random(), PeerId::random());
    let mut buckets = PeerBuckets::new(Rate::new(0, 2), 8);
    assert!(buckets.take(a, 2, now));
    assert!(!buckets.take(a, 1, now));
    assert!(buckets.take(b, 2, now));
    buckets.reset(&a);
    assert!(buckets.take(a, 1, now));
}

#[test]
fn peer_count_is_bounded_and_the_worst_offender_is_remembered() {
    let now = start();
    let offender = PeerId::random();
    let mut buckets = PeerBuckets::new(Rate::new(0, 10), 4);
    assert!(buckets.take(offender, 10, now));
    for _ in 0..100 {
        assert!(buckets.take(PeerId::random(), 1, now));
        assert!(buckets.buckets.len() <= 4);
    }
    assert!(!buckets.take(offender, 1, now));
}

proptest! {
    /// Over any schedule, no more is taken than burst + rate * time.
    #[test]
    fn grants_are_bounded(per_second in 0u64..1000, burst in 0u64..1000, steps in prop::collection::vec((0u64..50, 0u64..500), 0..200)) {
        let begin = start();
        let mut bucket = TokenBucket::new(Rate::new(per_second, burst), begin);
        let (mut now, mut granted) = (begin, 0u64);
        for (tokens, millis) in steps {
            now += Duration::from_millis(millis);
            if bucket.take(tokens, now) { granted += tokens; }
            let elapsed_ms = u64::try_from((now - begin).as_millis()).unwrap();
            prop_assert!(granted * 1000 <= burst * 1000 + per_second * elapsed_ms);
        }
    }
}
