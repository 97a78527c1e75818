//! Messages that nobody would send: no machine panics, loops or grows by them.

use bytes::Bytes;

use super::super::{
    AckMode, Answer, Content, Entry, Epoch, Fence, Found, Lsn, MAX_WITHHELD, MemberEffect, MemberInput, MemberState,
    MemoryCopies, Message, Metadata, Precedence, Reader, Sequencer, SequencerEffect, SequencerInput, StoringMember,
};
use super::*;

/// Steps of one machine.
const STEPS: usize = 3000;

fn number(rng: &mut Rng) -> u64 {
    *rng.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 5, 1023, 1024, 1025, 1026, u64::MAX - 1025, u64::MAX - 1, u64::MAX]).unwrap()
}

/// Mostly small, since a machine that has seen the highest epoch takes little else.
fn epoch(rng: &mut Rng) -> Epoch {
    Epoch(if rng.chance(3) { number(rng) } else { rng.below(6) as u64 })
}

fn fence(rng: &mut Rng) -> Fence {
    Fence { epoch: epoch(rng), attempt: if rng.chance(3) { number(rng) } else { rng.below(4) as u64 } }
}

fn content(rng: &mut Rng) -> Content {
    match rng.below(4) {
        0 => Content::Hole,
        1 => Content::Bridge,
        _ => Content::Record(Bytes::from(vec![7; rng.below(9)])),
    }
}

fn precedence(rng: &mut Rng) -> Precedence {
    if rng.chance(500) { Precedence::Wave(number(rng) as u32) } else { Precedence::Recovery(fence(rng)) }
}

fn entry(rng: &mut Rng) -> Entry {
    Entry { content: content(rng), precedence: precedence(rng) }
}

fn lsn(rng: &mut Rng) -> Lsn {
    Lsn::new(epoch(rng), number(rng))
}

fn message(rng: &mut Rng) -> Message {
    let more = rng.chance(300);
    match rng.below(14) {
        0 => Message::Store { lsn: lsn(rng), entry: entry(rng), known_good: number(rng), early: more },
        1 => Message::Stored { lsn: lsn(rng), precedence: precedence(rng) },
        2 if rng.chance(50) => Message::Fenced { by: fence(rng) },
        3 => Message::Seal { epoch: epoch(rng) },
        4 => {
            let epoch = Epoch(if rng.chance(20) { 4 } else { 3 });
            Message::Sealed { fence: Fence { epoch, attempt: number(rng) } }
        }
        5 => Message::Digest { epoch: epoch(rng), fence: fence(rng), after: number(rng) },
        6 | 2 => {
            let mut entries: Vec<(u64, Entry)> = (0..rng.below(5)).map(|_| (number(rng), entry(rng))).collect();
            if rng.chance(800) {
                entries.sort_by_key(|(number, _)| *number);
                entries.dedup_by_key(|(number, _)| *number);
            }
            let (after, known_good) = if rng.chance(500) { (0, 0) } else { (number(rng), number(rng)) };
            Message::Digested { epoch: epoch(rng), fence: fence(rng), after, known_good, entries, more }
        }
        7 => Message::Clean { epoch: epoch(rng), fence: fence(rng) },
        8 => Message::Cleaned { epoch: epoch(rng), fence: fence(rng) },
        9 if rng.chance(50) => Message::Release { lsn: lsn(rng) },
        10 => Message::Answer { lsn: lsn(rng), found: Found::Copy(content(rng)) },
        13 => Message::Received { lsn: lsn(rng) },
        11 => Message::Answer { lsn: lsn(rng), found: Found::Nothing },
        _ => Message::Read { lsn: lsn(rng) },
    }
}

fn metadata(rng: &mut Rng) -> Metadata {
    Metadata {
        nodeset: nodeset(3, 3, 2),
        earlier: (0..rng.below(2)).map(|_| (epoch(rng), nodeset(4, 3, 2))).collect(),
        epoch: Epoch(rng.below(6) as u64),
        sequencer: MemberId(100),
        last_clean: epoch(rng),
        known_good: (0..rng.below(4)).map(|_| (epoch(rng), number(rng))).collect(),
    }
}

/// Makes the message an answer to a question of the sequencer, so that it gets somewhere.
fn answering(mut message: Message, question: &Message) -> Message {
    match (&mut message, question) {
        (
            Message::Digested { epoch, fence, .. } | Message::Cleaned { epoch, fence },
            Message::Digest { epoch: asked, fence: by, .. } | Message::Clean { epoch: asked, fence: by },
        ) => (*epoch, *fence) = (*asked, *by),
        (Message::Stored { lsn, precedence }, Message::Store { lsn: at, entry, .. }) => {
            (*lsn, *precedence) = (*at, entry.precedence);
        }
        _ => {}
    }
    message
}

#[test]
fn a_storing_member_takes_any_message() {
    let mut answers = 0;
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let mut member = StoringMember::new(MemberState::default());
        let mut copies = MemoryCopies::default();
        for _ in 0..STEPS {
            let input = match rng.below(20) {
                0 => MemberInput::Durable { ticket: number(&mut rng) },
                1 => MemberInput::Metadata(metadata(&mut rng)),
                _ => MemberInput::Message { from: MemberId(number(&mut rng)), message: message(&mut rng) },
            };
            let effects = member.step(input, &copies).unwrap();
            assert!(effects.len() <= MAX_WITHHELD + 8);
            for effect in effects {
                match effect {
                    MemberEffect::Persist { changes, .. } => changes.iter().for_each(|change| copies.apply(change)),
                    MemberEffect::Send { .. } => answers += 1,
                    MemberEffect::Consult { .. } => {}
                }
            }
        }
    }
    assert!(answers > STEPS, "{answers}");
}

#[test]
fn a_sequencer_and_its_recoveries_take_any_message() {
    let (mut mutations, mut longest) = (0, 0);
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let taken = Metadata { epoch: Epoch(4), ..metadata(&mut rng) };
        let mut sequencer = Sequencer::new(&taken);
        let mut question = Message::Read { lsn: Lsn::default() };
        for ticket in 0..STEPS as u64 {
            let input = match rng.below(40) {
                0 => SequencerInput::Tick,
                1 => SequencerInput::Retry,
                2 => SequencerInput::Append { ticket, mode: AckMode::Durable, payload: Bytes::from_static(b"\0r") },
                3 => SequencerInput::Answer(Answer::Asked(Metadata { epoch: Epoch(4), ..metadata(&mut rng) })),
                4 if rng.chance(50) => SequencerInput::Answer(Answer::Asked(metadata(&mut rng))),
                _ => {
                    let from = MemberId(rng.below(5) as u64);
                    let message = message(&mut rng);
                    let message = if rng.chance(800) { answering(message, &question) } else { message };
                    SequencerInput::Message { from, message }
                }
            };
            // One that was stopped has nothing left to show.
            if sequencer.is_stopped() {
                sequencer = Sequencer::new(&taken);
            }
            let effects = sequencer.step(input);
            longest = longest.max(effects.len());
            let mutation = |effect: &&SequencerEffect| {
                matches!(effect, SequencerEffect::Send { message: Message::Store { entry, .. }, .. }
                    if matches!(entry.precedence, Precedence::Recovery(_)))
            };
            mutations += effects.iter().filter(mutation).count();
            for effect in effects {
                if let SequencerEffect::Send { message, .. } = effect {
                    question = message;
                }
            }
        }
    }
    assert!(mutations > 100, "{mutations}: the messages are too wild to get anywhere");
    assert!(longest < 500, "{longest} effects of one step");
}

#[test]
fn a_reader_takes_any_message() {
    let mut rng = Rng::new(1);
    let mut reader = Reader::new(nodeset(3, 3, 2), Lsn::new(Epoch(1), 1));
    for _ in 0..STEPS {
        let from = MemberId(rng.below(5) as u64);
        reader.step(from, &message(&mut rng));
    }
    assert!(reader.questions().count() <= 3);
}
