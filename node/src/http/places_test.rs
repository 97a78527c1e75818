use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn place(attempt: Attempt) -> Place {
    match attempt {
        Attempt::Taken(place) => place,
        other => panic!("no place: {other:?}"),
    }
}

fn displaced(place: &Place) -> bool {
    matches!(*lock(&place.seat.doing), Doing::Displaced)
}

/// An answer that is written at `at`.
fn ask(place: &Place, at: Instant) {
    assert!(place.seat.begin(false));
    *lock(&place.seat.doing) = Doing::Waiting { since: at, asked: true };
}

#[test]
fn the_one_that_has_waited_longest_without_asking_goes_first() {
    let places = Places::new(3);
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let first = place(places.attempt(LOOPBACK, at(0)));
    let second = place(places.attempt(LOOPBACK, at(1)));
    let third = place(places.attempt(LOOPBACK, at(2)));
    // The first has asked once: those that never did go before it.
    ask(&first, at(0));
    let fourth = place(places.attempt(LOOPBACK, at(200)));
    assert_eq!([&first, &second, &third].map(displaced), [false, true, false]);
    let fifth = place(places.attempt(LOOPBACK, at(201)));
    assert_eq!([&first, &third, &fourth].map(displaced), [false, true, false]);
    // The fourth and the fifth are too young to lose theirs.
    let sixth = place(places.attempt(LOOPBACK, at(202)));
    assert_eq!([&first, &fourth, &fifth].map(displaced), [true, false, false]);
    assert!(matches!(places.attempt(LOOPBACK, at(203)), Attempt::Later));
    assert!(!first.seat.begin(false), "a request that comes too late is not answered");
    drop((first, second, third));
    assert!(matches!(places.attempt(LOOPBACK, at(203)), Attempt::Later), "they had nothing to give back");
    drop(sixth);
    place(places.attempt(LOOPBACK, at(203)));
}

#[test]
fn whoever_is_served_keeps_its_place_until_the_answer_is_written() {
    let places = Places::new(1);
    let held = place(places.attempt(LOOPBACK, Instant::now()));
    let later = || Instant::now() + Duration::from_secs(3_600);
    assert!(held.seat.begin(false));
    // A flush before the answer is of something else.
    held.seat.flushed();
    assert!(matches!(places.attempt(LOOPBACK, later()), Attempt::Later));
    held.seat.answered();
    assert!(matches!(places.attempt(LOOPBACK, later()), Attempt::Later));
    held.seat.flushed();
    place(places.attempt(LOOPBACK, later()));
    assert!(displaced(&held));
}

#[test]
fn a_body_that_is_on_its_way_for_long_gives_its_place_to_others_and_a_whole_one_does_not() {
    let places = Places::new(3);
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let [slow, sent, idle] = [0, 1, 2].map(|ms| place(places.attempt(LOOPBACK, at(ms))));
    for sending in [&slow, &sent] {
        assert!(sending.seat.begin(true));
        *lock(&sending.seat.doing) = Doing::Sending { since: start };
    }
    assert!(sent.seat.received(), "all of it is here");
    ask(&idle, at(0));
    // One that has nothing under way goes before.
    let other = place(places.attempt(LOOPBACK, at(500)));
    assert_eq!([&slow, &sent, &idle].map(displaced), [false, false, true]);
    assert!(other.seat.begin(false));
    assert!(matches!(places.attempt(LOOPBACK, at(999)), Attempt::Later), "a body has a second at least");
    let next = place(places.attempt(LOOPBACK, at(1_001)));
    assert_eq!([&slow, &sent, &other].map(displaced), [true, false, false]);
    assert!(!slow.seat.received(), "what arrives too late is not answered");
    assert!(next.seat.begin(true));
    // Whoever answers without reading it does not wait for the rest.
    next.seat.answered();
    next.seat.flushed();
    assert!(matches!(*lock(&next.seat.doing), Doing::Waiting { asked: true, .. }));
}

#[test]
fn a_client_from_elsewhere_holds_its_share_and_displaces_only_itself() {
    let places = Places::new(8);
    let start = Instant::now();
    let soon = start + LEAST_PATIENCE;
    // One IPv6 network is one client.
    let client = |n: u16| -> IpAddr { format!("2001:db8::{n:x}").parse().unwrap() };
    let other: IpAddr = "192.0.2.1".parse().unwrap();
    let first = place(places.attempt(client(1), start));
    let second = place(places.attempt(client(2), start));
    assert!(matches!(places.attempt(client(3), start), Attempt::Refused));
    let _others = [place(places.attempt(other, start)), place(places.attempt(LOOPBACK, start))];
    let third = place(places.attempt(client(3), soon));
    assert_eq!([&first, &second, &third].map(displaced), [true, false, false]);
    assert!(second.seat.begin(false) && third.seat.begin(false));
    assert!(matches!(places.attempt(client(4), soon + LEAST_PATIENCE), Attempt::Refused));
    // Loopback has no share, also not in the form of a mapped address.
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    let local: Vec<Place> = (0..4).map(|_| place(places.attempt(mapped, start))).collect();
    assert_eq!(lock(&places.held).seats.len(), 8);
    drop(local);
    assert_eq!(lock(&places.held).seats.len(), 4);
}

#[tokio::test]
async fn a_place_that_becomes_free_goes_to_whoever_waits() {
    let places = Places::new(1);
    let held = places.take(LOOPBACK).await.unwrap();
    assert!(held.seat.begin(false));
    let waiter = tokio::spawn({
        let places = Arc::clone(&places);
        async move { places.take(LOOPBACK).await.is_some() }
    });
    assert!(timeout(3 * LEAST_PATIENCE, waiter_done(&waiter)).await.is_err(), "the place is held");
    drop(held);
    assert!(timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap());
}

async fn waiter_done(waiter: &tokio::task::JoinHandle<bool>) {
    while !waiter.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
