//! One epoch: when it acknowledges, recovers, releases and stops.

use super::*;
use crate::replication::{Answer, Content, Found, MAX_UNACKNOWLEDGED, ProducerId, Stamp};

fn metadata(epoch: u64, last_clean: u64) -> Metadata {
    Metadata {
        nodeset: NodeSet::new((1..=3).map(MemberId), 3, 2).unwrap(),
        earlier: Vec::new(),
        epoch: Epoch(epoch),
        sequencer: MemberId(9),
        last_clean: Epoch(last_clean),
        known_good: Vec::new(),
    }
}

fn hear(sequencer: &mut Sequencer, from: u64, message: Message) -> Vec<SequencerEffect> {
    sequencer.step(SequencerInput::Message { from: MemberId(from), message })
}

fn append(sequencer: &mut Sequencer, ticket: u64) -> Vec<SequencerEffect> {
    sequencer.step(SequencerInput::Append { ticket, mode: AckMode::Durable, payload: Bytes::from_static(b"\0r") })
}

fn stored(epoch: u64, number: u64) -> Message {
    Message::Stored { lsn: Lsn::new(Epoch(epoch), number), precedence: Precedence::Wave(1) }
}

fn sealed(epoch: u64) -> Message {
    Message::Sealed { fence: Fence { epoch: Epoch(epoch), attempt: 0 } }
}

fn acknowledged(epoch: u64, number: u64) -> SequencerEffect {
    SequencerEffect::Acknowledged { lsn: Lsn::new(Epoch(epoch), number), mode: AckMode::Durable }
}

fn messages(effects: &[SequencerEffect]) -> Vec<&Message> {
    let messages = effects.iter().filter_map(|effect| match effect {
        SequencerEffect::Send { message, .. } => Some(message),
        _ => None,
    });
    messages.collect()
}

#[test]
fn the_first_epoch_acknowledges_after_w_copies() {
    let mut sequencer = Sequencer::new(&metadata(1, 0));
    let effects = append(&mut sequencer, 7);
    assert_eq!(effects[0], SequencerEffect::Accepted { ticket: 7, lsn: Lsn::new(Epoch(1), 1) });
    assert_eq!(messages(&effects).len(), 3);
    assert_eq!(hear(&mut sequencer, 1, stored(1, 1)), []);
    assert_eq!(hear(&mut sequencer, 1, stored(1, 1)), [], "the same member again");
    assert_eq!(hear(&mut sequencer, 4, stored(1, 1)), [], "not of the nodeset");
    assert_eq!(hear(&mut sequencer, 2, stored(2, 1)), [], "another epoch");
    assert_eq!(hear(&mut sequencer, 2, stored(1, 1)), [acknowledged(1, 1)]);
    assert_eq!(hear(&mut sequencer, 3, stored(1, 1)), []);
}

#[test]
fn a_later_epoch_stores_at_once_and_acknowledges_when_the_one_before_is_sealed() {
    let mut sequencer = Sequencer::new(&metadata(2, 0));
    append(&mut sequencer, 1);
    hear(&mut sequencer, 1, stored(2, 1));
    assert_eq!(hear(&mut sequencer, 2, stored(2, 1)), []);
    let seals = sequencer.step(SequencerInput::Tick);
    assert_eq!(messages(&seals).iter().filter(|m| matches!(m, Message::Seal { epoch: Epoch(1) })).count(), 3);
    assert_eq!(hear(&mut sequencer, 1, sealed(1)), []);
    assert_eq!(hear(&mut sequencer, 1, sealed(1)), []);
    let effects = hear(&mut sequencer, 2, sealed(1));
    assert!(effects.contains(&acknowledged(2, 1)), "{effects:?}");
    assert!(effects.contains(&SequencerEffect::Ask(Command::Ask { from: Epoch(2) })), "{effects:?}");
}

#[test]
fn the_nodesets_of_all_epochs_that_are_not_clean_are_sealed_before_anything_is_acknowledged() {
    let set = |members: [u64; 3]| NodeSet::new(members.map(MemberId), 3, 2).unwrap();
    let earlier = vec![(Epoch(2), set([4, 5, 6])), (Epoch(3), set([1, 2, 4]))];
    let taken = Metadata { earlier, ..metadata(4, 1) };
    let mut sequencer = Sequencer::new(&taken);
    append(&mut sequencer, 1);
    for member in [1, 2] {
        hear(&mut sequencer, member, stored(4, 1));
    }
    let sealing = |effects: &[SequencerEffect]| {
        let seals = effects.iter().filter_map(|effect| match effect {
            SequencerEffect::Send { to, message: Message::Seal { epoch: Epoch(3) } } => Some(to.0),
            _ => None,
        });
        seals.collect::<Vec<u64>>()
    };
    assert_eq!(sealing(&sequencer.step(SequencerInput::Tick)), [1, 2, 4, 5, 6], "member 3 stores none of them");
    for member in [3, 1, 2, 7, 5] {
        assert_eq!(hear(&mut sequencer, member, sealed(3)), [], "{member}");
    }
    let effects = hear(&mut sequencer, 6, sealed(3));
    assert!(effects.contains(&acknowledged(4, 1)), "{effects:?}");
    // Epoch 2 is recovered by its own nodeset.
    let digests = sequencer.step(SequencerInput::Answer(Answer::Asked(taken.clone())));
    let to = digests.iter().map(|effect| match effect {
        SequencerEffect::Send { to, message: Message::Digest { epoch: Epoch(2), .. } } => to.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(to.collect::<Vec<u64>>(), [4, 5, 6]);
    // In the end those who are left out hear that it is the end.
    let clean =
        sequencer.step(SequencerInput::Answer(Answer::Advanced(Metadata { earlier: Vec::new(), ..metadata(4, 3) })));
    let released = |of: u64| {
        let find = |effect: &SequencerEffect| match effect {
            SequencerEffect::Send { to, message: Message::Release { lsn } } if to.0 == of => Some(lsn.number),
            _ => None,
        };
        clean.iter().find_map(find)
    };
    assert_eq!([1, 2, 3, 4, 5, 6].map(released), [Some(1), Some(1), Some(1), Some(0), Some(0), Some(0)]);
}

#[test]
fn a_copy_of_a_member_that_was_left_out_does_not_count() {
    let earlier = vec![(Epoch(1), NodeSet::new((2..=4).map(MemberId), 3, 2).unwrap())];
    let mut sequencer = Sequencer::new(&Metadata { earlier, ..metadata(2, 0) });
    append(&mut sequencer, 1);
    (2..=3).for_each(|member| drop(hear(&mut sequencer, member, sealed(1))));
    hear(&mut sequencer, 1, stored(2, 1));
    assert_eq!(hear(&mut sequencer, 4, stored(2, 1)), []);
    assert_eq!(hear(&mut sequencer, 3, stored(2, 1)), [acknowledged(2, 1)]);
}

#[test]
fn an_unanswered_entry_goes_out_in_another_wave() {
    let mut sequencer = Sequencer::new(&metadata(1, 0));
    append(&mut sequencer, 1);
    hear(&mut sequencer, 1, stored(1, 1));
    let mut waves = Vec::new();
    let second = |effect: &SequencerEffect| matches!(effect, SequencerEffect::Send { message: Message::Store { entry, .. }, .. } if entry.precedence == Precedence::Wave(2));
    while !waves.iter().any(second) {
        waves = sequencer.step(SequencerInput::Tick);
    }
    // Whoever has it is not sent it again.
    let to = waves.iter().filter(|effect| second(effect)).map(|effect| match effect {
        SequencerEffect::Send { to, .. } => to.0,
        _ => 0,
    });
    assert_eq!(to.collect::<Vec<_>>(), [2, 3]);
    hear(&mut sequencer, 2, stored(1, 1));
    let releases = sequencer.step(SequencerInput::Tick);
    assert!(messages(&releases).iter().all(|m| **m == Message::Release { lsn: Lsn::new(Epoch(1), 1) }));
}

#[test]
fn nothing_is_released_before_the_epochs_before_are_clean() {
    let mut sequencer = Sequencer::new(&metadata(3, 0));
    append(&mut sequencer, 1);
    for member in 1..=2 {
        hear(&mut sequencer, member, stored(3, 1));
        hear(&mut sequencer, member, sealed(2));
    }
    let released = |effects: &[SequencerEffect]| {
        messages(effects).iter().any(|message| matches!(message, Message::Release { .. }))
    };
    for last_clean in [0, 1] {
        let digests = sequencer.step(SequencerInput::Answer(Answer::Asked(metadata(3, last_clean))));
        assert!(
            messages(&digests).iter().all(|m| matches!(m, Message::Digest { epoch, .. } if epoch.0 == last_clean + 1))
        );
        assert!(!sequencer.is_clean() && !released(&sequencer.step(SequencerInput::Tick)));
    }
    // An old answer, late: epoch 1 is long clean.
    assert_eq!(sequencer.step(SequencerInput::Answer(Answer::Refused(metadata(3, 1)))), []);
    assert!(released(&sequencer.step(SequencerInput::Answer(Answer::Advanced(metadata(3, 2))))));
    assert!(sequencer.is_clean());
}

#[test]
fn every_attempt_has_a_fence_of_its_own() {
    let mut sequencer = Sequencer::new(&metadata(2, 0));
    (1..=2).for_each(|member| drop(hear(&mut sequencer, member, sealed(1))));
    let mut fences = BTreeSet::new();
    for _ in 0..3 {
        let digests = sequencer.step(SequencerInput::Answer(Answer::Asked(metadata(2, 0))));
        let [Message::Digest { fence, .. }, ..] = messages(&digests)[..] else { panic!("{digests:?}") };
        assert!(fences.insert(*fence));
        let asked = sequencer.step(SequencerInput::Retry);
        assert_eq!(asked, [SequencerEffect::Ask(Command::Ask { from: Epoch(2) })]);
    }
    // A recovery that does not get on is begun again by itself.
    sequencer.step(SequencerInput::Answer(Answer::Asked(metadata(2, 0))));
    let asks = |effect: &SequencerEffect| matches!(effect, SequencerEffect::Ask(_));
    assert!((0..=ATTEMPT_TICKS).any(|_| sequencer.step(SequencerInput::Tick).iter().any(asks)));
}

#[test]
fn a_preempted_sequencer_stops_whoever_tells_it() {
    let fence = Fence { epoch: Epoch(2), attempt: 5 };
    for input in [
        SequencerInput::Message { from: MemberId(1), message: Message::Fenced { by: fence } },
        SequencerInput::Message { from: MemberId(1), message: Message::Sealed { fence } },
        SequencerInput::Answer(Answer::Asked(metadata(3, 0))),
    ] {
        let mut sequencer = Sequencer::new(&metadata(2, 0));
        append(&mut sequencer, 1);
        assert_eq!(sequencer.step(input), [SequencerEffect::Stopped { newer: Epoch(3) }]);
        assert!(sequencer.is_stopped());
        assert_eq!(append(&mut sequencer, 2), [SequencerEffect::Refused { ticket: 2, why: Refusal::Stopped }]);
        (1..=3).for_each(|member| assert_eq!(hear(&mut sequencer, member, stored(2, 1)), []));
        assert_eq!(sequencer.step(SequencerInput::Tick), []);
    }
}

#[test]
fn a_lower_fence_does_not_stop_it() {
    let mut sequencer = Sequencer::new(&metadata(3, 0));
    let by = Fence { epoch: Epoch(2), attempt: u64::MAX };
    assert_eq!(hear(&mut sequencer, 1, Message::Fenced { by }), []);
    assert_eq!(hear(&mut sequencer, 1, sealed(1)), []);
    assert!(!sequencer.is_stopped());
}

#[test]
fn what_waits_for_its_acknowledgement_is_bounded() {
    let mut sequencer = Sequencer::new(&metadata(1, 0));
    for ticket in 0..MAX_UNACKNOWLEDGED as u64 {
        append(&mut sequencer, ticket);
    }
    let busy = append(&mut sequencer, 7777);
    assert_eq!(busy, [SequencerEffect::Refused { ticket: 7777, why: Refusal::Busy }]);
    assert!(messages(&sequencer.step(SequencerInput::Tick)).len() <= WAVES * 3 + 3);
    let payload = Bytes::from(vec![0; MAX_PAYLOAD_BYTES + 1]);
    let large = sequencer.step(SequencerInput::Append { ticket: 1, mode: AckMode::Durable, payload });
    assert_eq!(large, [SequencerEffect::Refused { ticket: 1, why: Refusal::TooLarge }]);
}

#[test]
fn messages_for_others_are_ignored() {
    let mut sequencer = Sequencer::new(&metadata(1, 0));
    let lsn = Lsn::new(Epoch(1), 1);
    for message in [
        Message::Read { lsn },
        Message::Answer { lsn, found: Found::Copy(Content::Hole) },
        Message::Release { lsn },
        Message::Seal { epoch: Epoch(9) },
        stored(1, u64::MAX),
    ] {
        assert_eq!(hear(&mut sequencer, 1, message), []);
    }
}

#[test]
fn records_of_producers_wait_for_the_epochs_before() {
    let mut sequencer = Sequencer::new(&metadata(2, 0));
    let producer = ProducerId(Lsn::new(Epoch(1), 1));
    let send = |sequencer: &mut Sequencer, sequence| {
        let payload = Payload::Stamped(Stamp { producer, sequence }).wrap(b"r");
        sequencer.step(SequencerInput::Append { ticket: sequence, mode: AckMode::Durable, payload }).remove(0)
    };
    assert_eq!(send(&mut sequencer, 1), SequencerEffect::Refused { ticket: 1, why: Refusal::Recovering });
    let mut producers = Producers::default();
    producers.fold(Lsn::new(Epoch(1), 1), &Content::Record(Payload::Open.wrap(b"")), 0);
    sequencer.step(SequencerInput::Producers(producers.clone()));
    assert!(sequencer.awaits_producers(), "the end of the epoch is missing");
    producers.fold(Lsn::new(Epoch(1), 2), &Content::Bridge, 0);
    sequencer.step(SequencerInput::Producers(producers));
    let lsn = Lsn::new(Epoch(2), 1);
    assert_eq!(send(&mut sequencer, 1), SequencerEffect::Accepted { ticket: 1, lsn });
    assert_eq!(
        send(&mut sequencer, 1),
        SequencerEffect::Duplicate { ticket: 1, lsn, offset: None, acknowledged: false }
    );
    sequencer.placed(producer, lsn, 7);
    sequencer.placed(ProducerId(lsn), lsn, 8);
    let again = send(&mut sequencer, 1);
    assert_eq!(again, SequencerEffect::Duplicate { ticket: 1, lsn, offset: Some(7), acknowledged: false });
    let why = Refusal::Gap { expected: 2 };
    assert_eq!(send(&mut sequencer, 3), SequencerEffect::Refused { ticket: 3, why });
    let malformed = SequencerInput::Append { ticket: 9, mode: AckMode::Durable, payload: Bytes::from_static(b"?") };
    assert_eq!(sequencer.step(malformed), [SequencerEffect::Refused { ticket: 9, why: Refusal::Malformed }]);
}
