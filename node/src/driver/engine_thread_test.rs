use std::cell::Cell;

use bytes::Bytes;
use pyralog_consensus::engine::{MessageId, PeerNumber};

use super::*;
use crate::driver::{EngineHandle, GossipGroup};
use crate::testkit::{Solo, transfer};

fn flood(count: u64) -> (EngineHandle, EngineInbox) {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    drop(unchecked);
    let bundles = (0..count).map(|nonce| vec![Bytes::from(transfer(nonce, 1))]).collect();
    handle.gossip(bundles, &GossipGroup::new(count as usize, |_| ()));
    (handle, inbox)
}

#[test]
fn a_vote_is_judged_before_the_bundles_that_came_first() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    let (handle, inbox) = flood(100);
    assert!(handle.offer(Input::Gossip { id: MessageId(5), peer: PeerNumber(1), bytes: vec![0xff].into() }));
    solo.engine.ports().trace.clear();
    let now = solo.now();
    assert!(!handle_turn(&mut solo, || now, &inbox));
    let trace = &solo.engine.ports().trace;
    let first = |what: &str| trace.iter().position(|entry| entry.starts_with(what)).unwrap();
    assert!(first("verdict 5") < first("answer"), "{trace:?}");
    assert_eq!(trace.iter().filter(|entry| *entry == "answer").count(), 8, "{trace:?}");
}

#[test]
fn a_timer_is_late_by_one_turn_of_bundles_at_most() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    let (_handle, inbox) = flood(200);
    solo.engine.ports().trace.clear();
    let due = solo.engine.deadline().unwrap();
    // A bundle takes a twentieth of what is left until the timer: it is due when about 20 are handled.
    let step = (due - solo.now().steady_ns) / 20 + 1;
    let passed = Cell::new(0);
    let start = solo.now();
    let clock = || {
        let ns = passed.replace(passed.get() + step);
        Now { wall: Timestamp(start.wall.0 + ns), steady_ns: start.steady_ns + ns }
    };
    for _ in 0..25 {
        assert!(!handle_turn(&mut solo, clock, &inbox));
        // What was due when the turn looked at the timers has fired: after it came 8 bundles and no more.
        let looked = start.steady_ns + passed.get() - 9 * step;
        assert!(solo.engine.deadline().is_none_or(|at| at > looked), "a timer waits behind bundles");
    }
    assert_ne!(solo.engine.deadline(), Some(due), "the timer fired meanwhile");
    let trace = &solo.engine.ports().trace;
    assert_eq!(trace.iter().filter(|entry| *entry == "answer").count(), 200, "all are answered");
}

#[test]
fn a_failure_and_a_stop_end_the_turn() {
    let mut solo = Solo::new().start();
    let (sender, inbox) = flood(3);
    sender.send(LoopEvent::Stop);
    let now = solo.now();
    assert!(handle_turn(&mut solo, || now, &inbox));
    assert!(!solo.engine.ports().trace.iter().any(|entry| entry == "answer"), "nothing is taken in after a stop");
    sender.send(LoopEvent::Failed(Error::Storage("full".into())));
    let failed = handle(&mut solo.engine, || now, inbox.take_turn(Duration::ZERO), &mut Vec::new());
    assert!(matches!(failed, Err(Error::Storage(why)) if why == "full"));
}

fn handle_turn(solo: &mut Solo, now: impl Fn() -> Now, inbox: &EngineInbox) -> bool {
    let turned = handle(&mut solo.engine, now, inbox.take_turn(Duration::ZERO), &mut Vec::new());
    matches!(turned.unwrap(), Turned::Stop)
}

#[test]
fn an_engine_is_told_of_its_own_writes_only_and_gives_way_when_it_is_to() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    let (handle_, inbox, _unchecked) = EngineHandle::channel();
    let now = solo.now();
    let mut turn = |events: Vec<LoopEvent>| {
        events.into_iter().for_each(|event| handle_.send(event));
        let mut resigning = Vec::new();
        let turned = handle(&mut solo.engine, || now, inbox.take_turn(Duration::ZERO), &mut resigning).unwrap();
        (turned, resigning.len())
    };
    // What an earlier engine waited for, and what it lost, are nothing to this one.
    let (turned, _) = turn(vec![LoopEvent::Durable(7, pyralog_consensus::engine::Ticket(1)), LoopEvent::Lost(7)]);
    assert!(matches!(turned, Turned::On), "{turned:?}");
    let (turned, _) = turn(vec![LoopEvent::Lost(0)]);
    assert!(matches!(&turned, Turned::Become(role) if matches!(**role, Role::Follow)), "{turned:?}");
    let (turned, _) = turn(vec![LoopEvent::Become(Box::new(Role::Follow))]);
    assert!(matches!(turned, Turned::Become(_)), "{turned:?}");
    let (told, _heard) = oneshot::channel();
    let (turned, resigning) = turn(vec![LoopEvent::Resign(told)]);
    assert!(matches!(turned, Turned::On) && resigning == 1, "{turned:?}");
}
