//! What a member keeps, says and refuses.

use bytes::Bytes;

use super::*;
use crate::replication::{Content, MemoryCopies, NodeSet};

const SEQUENCER: MemberId = MemberId(100);

/// A member whose disk is done when the test says so.
struct Member {
    member: StoringMember,
    copies: MemoryCopies,
    asked: Vec<Vec<Change>>,
}

impl Member {
    fn new() -> Self {
        Self { member: StoringMember::new(MemberState::default()), copies: MemoryCopies::default(), asked: Vec::new() }
    }

    fn step(&mut self, input: MemberInput) -> Vec<MemberEffect> {
        let effects = self.member.step(input, &self.copies).unwrap();
        for effect in &effects {
            if let MemberEffect::Persist { changes, .. } = effect {
                changes.iter().for_each(|change| self.copies.apply(change));
                self.asked.push(changes.clone());
            }
        }
        effects
    }

    /// What it says at once.
    fn hear(&mut self, message: Message) -> Vec<Message> {
        sent(self.step(MemberInput::Message { from: SEQUENCER, message }))
    }

    /// What it says when everything is durable.
    fn sync(&mut self) -> Vec<Message> {
        let ticket = self.asked.len() as u64;
        sent(self.step(MemberInput::Durable { ticket }))
    }

    /// What it says in the end.
    fn tell(&mut self, message: Message) -> Vec<Message> {
        let mut said = self.hear(message);
        said.extend(self.sync());
        said
    }

    fn numbers(&self, epoch: u64) -> Vec<u64> {
        self.copies.iter().filter(|(lsn, _)| lsn.epoch == Epoch(epoch)).map(|(lsn, _)| lsn.number).collect()
    }
}

fn sent(effects: Vec<MemberEffect>) -> Vec<Message> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            MemberEffect::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect()
}

fn lsn(epoch: u64, number: u64) -> Lsn {
    Lsn::new(Epoch(epoch), number)
}

fn fence(epoch: u64, attempt: u64) -> Fence {
    Fence { epoch: Epoch(epoch), attempt }
}

fn store(at: Lsn, content: Content, precedence: Precedence, known_good: u64) -> Message {
    Message::Store { lsn: at, entry: Entry { content, precedence }, known_good, early: false }
}

fn wave(epoch: u64, number: u64) -> Message {
    let content = Content::Record(Bytes::from(format!("{epoch}.{number}")));
    store(lsn(epoch, number), content, Precedence::Wave(1), 0)
}

fn stored(epoch: u64, number: u64) -> Message {
    Message::Stored { lsn: lsn(epoch, number), precedence: Precedence::Wave(1) }
}

fn metadata(last_clean: u64, known_good: &[(u64, u64)]) -> MemberInput {
    MemberInput::Metadata(Metadata {
        nodeset: NodeSet::new([MemberId(1)], 1, 1).unwrap(),
        earlier: Vec::new(),
        epoch: Epoch(last_clean + 1),
        sequencer: SEQUENCER,
        last_clean: Epoch(last_clean),
        known_good: known_good.iter().map(|(epoch, good)| (Epoch(*epoch), *good)).collect(),
    })
}

#[test]
fn stored_is_said_when_the_copy_is_durable() {
    let mut member = Member::new();
    assert_eq!(member.hear(wave(1, 1)), []);
    assert_eq!(member.sync(), [stored(1, 1)]);
}

#[test]
fn received_is_said_at_once_where_it_is_wanted() {
    let mut member = Member::new();
    let mut early = wave(1, 1);
    if let Message::Store { early, .. } = &mut early {
        *early = true;
    }
    assert_eq!(member.hear(early), [Message::Received { lsn: lsn(1, 1) }]);
    assert_eq!(member.sync(), [stored(1, 1)]);
}

#[test]
fn a_repeated_store_is_answered_and_not_written_again() {
    let mut member = Member::new();
    member.tell(wave(1, 1));
    assert_eq!(member.hear(wave(1, 1)), [stored(1, 1)]);
    assert_eq!(member.asked.len(), 1);
    // While the first write is on its way, the second answer waits with the first.
    assert_eq!(member.hear(wave(1, 2)), []);
    assert_eq!(member.hear(wave(1, 2)), []);
    assert_eq!(member.sync(), [stored(1, 2), stored(1, 2)]);
}

#[test]
fn a_sealed_member_refuses_the_sealed_epoch_and_earlier_ones() {
    let mut member = Member::new();
    member.tell(wave(2, 1));
    assert_eq!(member.hear(Message::Seal { epoch: Epoch(2) }), []);
    let refused = || Message::Fenced { by: fence(2, 0) };
    // Refused at once, though nobody hears of it before the seal is durable.
    assert_eq!(member.hear(wave(2, 2)), []);
    assert_eq!(member.sync(), [Message::Sealed { fence: fence(2, 0) }, refused()]);
    assert_eq!(member.hear(wave(1, 7)), [refused()]);
    assert_eq!(member.tell(wave(3, 1)), [stored(3, 1)]);
    assert_eq!(member.numbers(2), [1]);
}

#[test]
fn a_lower_seal_is_answered_with_the_higher_one() {
    let mut member = Member::new();
    member.tell(Message::Seal { epoch: Epoch(5) });
    assert_eq!(member.hear(Message::Seal { epoch: Epoch(3) }), [Message::Sealed { fence: fence(5, 0) }]);
}

#[test]
fn a_restarted_member_knows_what_was_durable_and_nothing_else() {
    let mut member = Member::new();
    member.tell(Message::Seal { epoch: Epoch(1) });
    member.hear(Message::Seal { epoch: Epoch(2) });
    let mut state = MemberState::default();
    member.asked[0].iter().for_each(|change| state.apply(change));
    assert_eq!(state.fence(), fence(1, 0));
    let mut again = Member { member: StoringMember::new(state), ..Member::new() };
    assert_eq!(again.tell(wave(2, 1)), [stored(2, 1)]);
}

#[test]
fn an_older_attempt_is_fenced_off_in_digest_mutation_and_clean() {
    let mut member = Member::new();
    member.tell(wave(1, 1));
    let digest = |attempt| Message::Digest { epoch: Epoch(1), fence: fence(1, attempt), after: 0 };
    assert!(matches!(member.tell(digest(2))[..], [Message::Digested { .. }]));
    let refused = [Message::Fenced { by: fence(1, 2) }];
    let mutation = store(lsn(1, 1), Content::Hole, Precedence::Recovery(fence(1, 1)), 0);
    assert_eq!(member.tell(digest(1)), refused);
    assert_eq!(member.tell(mutation), refused);
    assert_eq!(member.tell(Message::Clean { epoch: Epoch(1), fence: fence(1, 1) }), refused);
    assert_eq!(member.member.state().clean(), Epoch::NONE);
}

#[test]
fn a_digest_comes_in_pieces_and_leaves_out_what_is_known_good() {
    let mut member = Member::new();
    for number in 1..=100 {
        let content = Content::Record(Bytes::from_static(b"r"));
        member.tell(store(lsn(1, number), content, Precedence::Wave(1), number.saturating_sub(90)));
    }
    let ask = |after| Message::Digest { epoch: Epoch(1), fence: fence(1, 1), after };
    let mut numbers = Vec::new();
    let mut after = 0;
    loop {
        let said = member.tell(ask(after));
        let [Message::Digested { known_good: 10, entries, more, .. }] = &said[..] else { panic!("{said:?}") };
        assert!(entries.len() <= MAX_DIGEST_ENTRIES);
        numbers.extend(entries.iter().map(|(number, _)| *number));
        after = numbers.last().copied().unwrap_or(after);
        if !more {
            break;
        }
    }
    assert_eq!(numbers, (11..=100).collect::<Vec<u64>>());
}

#[test]
fn a_piece_of_a_digest_ends_with_the_record_that_fills_it() {
    let mut member = Member::new();
    for number in 1..=3 {
        let content = Content::Record(Bytes::from(vec![0; MAX_DIGEST_BYTES * 3 / 4]));
        member.tell(store(lsn(1, number), content, Precedence::Wave(1), 0));
    }
    let said = member.tell(Message::Digest { epoch: Epoch(1), fence: fence(1, 1), after: 0 });
    let [Message::Digested { entries, more: true, .. }] = &said[..] else { panic!("{} messages", said.len()) };
    assert_eq!(entries.len(), 2);
}

#[test]
fn what_no_sequencer_can_send_is_dropped() {
    let mut member = Member::new();
    let record = || Content::Record(Bytes::from_static(b"r"));
    let far = MAX_UNACKNOWLEDGED as u64 + 2;
    let large = Content::Record(Bytes::from(vec![0; MAX_PAYLOAD_BYTES + 1]));
    let recovery = Precedence::Recovery(fence(1, 1));
    for message in [
        store(lsn(1, 0), record(), Precedence::Wave(1), 0),
        store(lsn(1, far), record(), Precedence::Wave(1), 0),
        store(lsn(1, u64::MAX), record(), Precedence::Wave(1), 7),
        store(lsn(1, 1), large, Precedence::Wave(1), 0),
        store(lsn(1, 1), Content::Bridge, Precedence::Wave(1), 0),
        // A recovery of the sequencer's own epoch, and of epoch 0.
        store(lsn(2, 1), Content::Hole, recovery, 0),
        store(lsn(0, 1), Content::Hole, recovery, 0),
        stored(1, 1),
    ] {
        assert_eq!(member.tell(message.clone()), [], "{message:?}");
    }
    assert_eq!(member.asked, Vec::<Vec<Change>>::new());
    // The last place where a bridge can stand.
    assert_eq!(member.tell(store(lsn(1, far - 1), Content::Bridge, recovery, 0)).len(), 1);
}

#[test]
fn nothing_is_read_before_its_release() {
    let mut member = Member::new();
    member.tell(wave(1, 1));
    let read = |number| Message::Read { lsn: lsn(1, number) };
    let answer = |number, found| [Message::Answer { lsn: lsn(1, number), found }];
    assert_eq!(member.hear(read(1)), answer(1, Found::NotReleased));
    member.tell(Message::Release { lsn: lsn(1, 2) });
    assert_eq!(member.hear(read(1)), answer(1, Found::Copy(Content::Record(Bytes::from_static(b"1.1")))));
    assert_eq!(member.hear(read(2)), answer(2, Found::Nothing));
    assert_eq!(member.hear(read(3)), answer(3, Found::NotReleased));
}

#[test]
fn a_member_that_missed_recoveries_purges_before_it_releases() {
    let mut member = Member::new();
    for (epoch, number) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
        member.tell(wave(epoch, number));
    }
    let effects = member.step(MemberInput::Message { from: SEQUENCER, message: Message::Release { lsn: lsn(3, 1) } });
    assert_eq!(effects, [MemberEffect::Consult { from: Epoch(1) }]);
    assert_eq!(member.member.state().released(), Lsn::default());
    // Half of the answer: what is clean stays clean, and the rest is asked for.
    let effects = member.step(metadata(1, &[(1, 1)]));
    assert!(effects.contains(&MemberEffect::Consult { from: Epoch(2) }), "{effects:?}");
    assert_eq!(member.numbers(1), [1]);
    member.step(metadata(2, &[(1, 1), (2, 0)]));
    assert_eq!((member.numbers(1), member.numbers(2), member.numbers(3)), (vec![1], vec![], vec![1]));
    assert_eq!(member.member.state().released(), lsn(3, 1));
    // Whoever comes late finds the purged epochs closed.
    let late = store(lsn(2, 1), Content::Hole, Precedence::Recovery(fence(2, 9)), 0);
    assert_eq!(member.tell(late), []);
    assert!(matches!(member.tell(wave(2, 5))[..], [Message::Fenced { .. }]));
}

#[test]
fn a_member_that_missed_a_recovery_purges_before_it_is_clean() {
    let mut member = Member::new();
    member.tell(wave(1, 1));
    let clean = || Message::Clean { epoch: Epoch(2), fence: fence(2, 1) };
    assert_eq!(member.tell(clean()), []);
    member.step(metadata(1, &[(1, 0)]));
    assert_eq!(member.numbers(1), Vec::<u64>::new());
    assert_eq!(member.tell(clean()), [Message::Cleaned { epoch: Epoch(2), fence: fence(2, 1) }]);
}

#[test]
fn answers_that_wait_for_the_disk_are_bounded() {
    let mut member = Member::new();
    member.hear(wave(1, 1));
    for _ in 0..2 * MAX_WITHHELD {
        assert_eq!(member.hear(wave(1, 1)), []);
    }
    assert_eq!(member.sync().len(), MAX_WITHHELD);
}

#[test]
fn epochs_that_are_not_clean_are_bounded() {
    let mut member = Member::new();
    let content = || Content::Record(Bytes::from_static(b"r"));
    for epoch in 1..=MAX_UNCLEAN_EPOCHS as u64 {
        assert_eq!(member.tell(store(lsn(epoch, 2), content(), Precedence::Wave(1), 1)).len(), 1);
    }
    let further = MAX_UNCLEAN_EPOCHS as u64 + 1;
    assert_eq!(member.tell(store(lsn(further, 2), content(), Precedence::Wave(1), 1)), []);
    // Those that are known go on.
    assert_eq!(member.tell(store(lsn(further - 1, 3), content(), Precedence::Wave(1), 2)).len(), 1);
}

#[test]
fn epochs_that_recoveries_tell_of_are_bounded_and_forgotten_when_they_are_clean() {
    let mut member = Member::new();
    let recovered =
        |epoch| store(lsn(epoch, 2), Content::Hole, Precedence::Recovery(fence(2 * MAX_KNOWN_EPOCHS as u64, 1)), 1);
    let mut epoch = 1;
    while !member.tell(recovered(epoch)).is_empty() {
        epoch += 1;
    }
    assert!(member.member.state().epochs() <= MAX_KNOWN_EPOCHS);
    let effects = member.step(MemberInput::Message { from: SEQUENCER, message: recovered(epoch) });
    assert_eq!(effects, [MemberEffect::Consult { from: Epoch(1) }]);
    // All of them but this one are clean: whoever recovers goes on.
    for first in (1..epoch).step_by(MAX_KNOWN_GOOD) {
        let known_good: Vec<(u64, u64)> = (first..epoch).take(MAX_KNOWN_GOOD).map(|epoch| (epoch, 1)).collect();
        member.step(metadata(epoch - 1, &known_good));
    }
    assert_eq!((member.member.state().clean(), member.member.state().epochs()), (Epoch(epoch - 1), 0));
    assert_eq!(member.tell(recovered(epoch)).len(), 1);
}

#[test]
fn a_ticket_that_was_never_given_out_means_all_that_were() {
    let mut member = Member::new();
    member.hear(wave(1, 1));
    assert_eq!(sent(member.step(MemberInput::Durable { ticket: u64::MAX })), [stored(1, 1)]);
    assert_eq!(member.hear(wave(1, 2)), []);
}

#[test]
fn a_member_that_stores_no_later_epoch_learns_from_the_epoch_store_what_may_be_read() {
    let mut member = Member::new();
    for number in 1..=3 {
        member.tell(wave(1, number));
    }
    let read = Message::Read { lsn: lsn(1, 2) };
    let found = |said: Vec<Message>| matches!(&said[..], [Message::Answer { found: Found::Copy(_), .. }]);
    member.step(metadata(0, &[]));
    assert!(!found(member.tell(read.clone())), "the epoch is not clean");
    member.step(metadata(1, &[(1, 2)]));
    assert!(found(member.tell(read)));
    assert_eq!((member.numbers(1), member.member.state().released()), (vec![1, 2], lsn(2, 0)));
    let asked = member.asked.len();
    member.step(metadata(1, &[(1, 2)]));
    assert_eq!(member.asked.len(), asked, "nothing new");
}
