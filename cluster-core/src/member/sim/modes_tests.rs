//! When an append is answered, as each mode says.

use super::few::Few;
use super::tests::{CALM, history, seeds};
use super::world::{Plan, World};
use crate::logs::tests::record;
use crate::member::{Acked, Placed, Unplaced};
use crate::replication::{AckMode, Epoch, Lsn, Payload, ProducerId, Stamp};
use crate::stamped_payload;

fn early(number: u64, mode: AckMode) -> Option<Result<Acked, Unplaced>> {
    Some(Ok(Acked::Early { lsn: Lsn::new(Epoch(1), number), mode }))
}

fn durable(epoch: u64, number: u64, offset: u64) -> Option<Result<Acked, Unplaced>> {
    Some(Ok(Acked::Durable(Placed { offset, lsn: Lsn::new(Epoch(epoch), number) })))
}

#[test]
fn one_member_alone_answers_early_before_its_disk_has_the_records() {
    let mut few = Few::new(1, 1);
    let cached = few.append(0, 1, AckMode::Cached);
    assert_eq!(few.answer(cached), early(1, AckMode::Cached));
    // In the memory of as many members as must have it on disk: one.
    let replicated = few.append(0, 2, AckMode::Replicated);
    assert_eq!(few.answer(replicated), early(2, AckMode::Replicated));
    let last = few.append(0, 3, AckMode::Durable);
    assert_eq!((few.answer(last), few.numbers(0)), (None, vec![]));
    few.drive(0);
    assert_eq!((few.answer(last), few.numbers(0)), (durable(1, 3, 2), vec![1, 2, 3]));
}

#[test]
fn each_mode_waits_for_as_much_as_it_says() {
    let mut few = Few::new(3, 2);
    few.away.extend([1, 2]);
    let of = |few: &mut Few, number| {
        [AckMode::Cached, AckMode::Replicated, AckMode::Durable].map(|mode| few.append(0, number, mode))
    };
    let first = of(&mut few, 1);
    few.deliver();
    few.drive(0);
    assert_eq!(first.map(|ticket| few.answer(ticket)), [early(1, AckMode::Cached), None, None]);
    // One other one hears of these, and has written nothing.
    few.away.remove(&1);
    let second = of(&mut few, 2);
    few.deliver();
    assert_eq!(
        second.map(|ticket| few.answer(ticket)),
        [early(4, AckMode::Cached), early(5, AckMode::Replicated), None]
    );
    few.drive(1);
    few.deliver();
    assert_eq!(few.answer(second[2]), None, "what is before it has one copy, and nobody else has this one on disk");
    few.settle();
    assert_eq!(few.answer(first[1]), early(2, AckMode::Replicated));
    assert_eq!((few.answer(first[2]), few.answer(second[2])), (durable(1, 3, 2), durable(1, 6, 5)));
    for place in 0..2 {
        assert_eq!(few.numbers(place), [1, 1, 1, 2, 2, 2]);
    }
}

#[test]
fn what_is_only_in_memory_goes_with_it_and_its_offset_is_another_ones() {
    let mut few = Few::new(3, 2);
    few.away.extend([1, 2]);
    let cached = few.append(0, 1, AckMode::Cached);
    few.deliver();
    few.nodes[0].crash();
    assert_eq!(few.answer(cached), early(1, AckMode::Cached));
    few.nodes[0].start();
    few.away.clear();
    few.lead(0);
    let next = few.append(0, 2, AckMode::Durable);
    few.settle();
    assert_eq!(few.answer(next), durable(2, 1, 0));
    for place in 0..3 {
        assert_eq!(few.numbers(place), [2]);
    }
}

#[test]
fn a_leader_that_was_replaced_and_hears_nobody_acknowledges_as_cached_what_nobody_keeps() {
    let mut few = Few::new(3, 2);
    few.away.insert(0);
    few.lead(1);
    let modes = [AckMode::Cached, AckMode::Replicated, AckMode::Durable];
    let tickets = modes.map(|mode| few.append(0, 1, mode));
    let next = few.append(1, 2, AckMode::Durable);
    few.settle();
    assert_eq!(few.answer(next), durable(2, 1, 0));
    assert_eq!(tickets.map(|ticket| few.answer(ticket)), [early(1, AckMode::Cached), None, None]);
    few.away.clear();
    few.settle();
    for ticket in &tickets[1..] {
        assert!(matches!(few.answer(*ticket), Some(Err(Unplaced::Unknown { .. }))), "{:?}", few.answer(*ticket));
    }
    for place in 0..3 {
        assert_eq!(few.numbers(place), [2]);
    }
}

#[test]
fn a_producer_is_answered_when_its_records_are_durable_or_not_at_all() {
    let mut few = Few::new(1, 1);
    let producer = ProducerId(Lsn::new(Epoch(1), 1));
    let stamped = stamped_payload(Stamp { producer, sequence: 1 }, &[record(1)]).unwrap();
    for mode in [AckMode::Cached, AckMode::Replicated] {
        for payload in [Payload::Open.wrap(b""), stamped.clone()] {
            let ticket = few.append_payload(0, payload, mode);
            assert_eq!(few.answer(ticket), Some(Err(Unplaced::Invalid)));
        }
    }
    let opened = few.append_payload(0, Payload::Open.wrap(b""), AckMode::Durable);
    let first = few.append_payload(0, stamped, AckMode::Durable);
    few.settle();
    assert_eq!((few.answer(opened), few.answer(first)), (durable(1, 1, 0), durable(1, 2, 0)));
}

#[test]
fn nothing_is_lost_where_one_leads_and_nobody_crashes() {
    for seed in seeds(8) {
        let mut world = World::new(seed, Plan { lose: 100, double: 100, lead: 0, ..CALM });
        world.begin();
        world.run(3000);
        world.agree();
        assert!(world.oracle.early() > 100, "seed {seed}: {} were acknowledged early", world.oracle.early());
        let lost = [AckMode::Cached, AckMode::Replicated].map(|mode| world.oracle.lost(mode));
        assert_eq!(lost, [0, 0], "seed {seed}");
    }
}

#[test]
fn what_was_acknowledged_early_may_be_lost_and_nothing_else_is() {
    let (mut early, mut lost) = (0, 0);
    for seed in seeds(12) {
        // What else is lost, the oracle says.
        let world = history(seed, Plan { lose: 50, double: 50, crash: 12, doom: 12, lead: 10, ..CALM }, 4000);
        early += world.oracle.early();
        lost += world.oracle.lost(AckMode::Cached);
    }
    assert!(early > 100 && lost > 0, "{lost} of {early} were lost");
}
