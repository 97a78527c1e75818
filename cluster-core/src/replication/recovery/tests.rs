//! One attempt from digest to compare-and-set, and what it ignores.

use bytes::Bytes;

use super::*;

const FENCE: Fence = Fence { epoch: Epoch(3), attempt: 2 };

/// A recovery of epoch 1 on five members, three copies, two before an acknowledgement.
fn recovery() -> Recovery {
    Recovery::new(NodeSet::new((1..=5).map(MemberId), 3, 2).unwrap(), Epoch(1), FENCE)
}

fn record(number: u64) -> (u64, Entry) {
    let content = Content::Record(Bytes::copy_from_slice(&number.to_be_bytes()));
    (number, Entry { content, precedence: Precedence::Wave(1) })
}

fn piece(after: u64, known_good: u64, numbers: impl IntoIterator<Item = u64>, more: bool) -> Message {
    let entries = numbers.into_iter().map(record).collect();
    Message::Digested { epoch: Epoch(1), fence: FENCE, after, known_good, entries, more }
}

fn sent(effects: &[RecoveryEffect]) -> Vec<(MemberId, Message)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        RecoveryEffect::Send(to, message) => Some((*to, message.clone())),
        RecoveryEffect::Advance(_) => None,
    });
    sent.collect()
}

/// Digests of so many members, all empty.
fn digest(recovery: &mut Recovery, members: u64) -> Vec<RecoveryEffect> {
    (1..=members).flat_map(|member| recovery.step(MemberId(member), piece(0, 0, [], false))).collect()
}

#[test]
fn digest_mutation_clean_and_then_the_last_clean_epoch() {
    let mut recovery = recovery();
    assert_eq!(sent(&recovery.resend()).len(), 5);
    assert_eq!(digest(&mut recovery, 3), [], "q is 4");
    let stores = sent(&recovery.step(MemberId(4), piece(0, 0, [1], false)));
    assert_eq!(stores.len(), 6, "the record has a copy here and gets two more, the bridge three: {stores:?}");
    let mut cleans = Vec::new();
    for (to, message) in stores {
        let Message::Store { lsn, entry, .. } = message else { panic!("{message:?}") };
        assert_eq!(cleans, [], "nobody is told before all copies are stored");
        cleans = recovery.step(to, Message::Stored { lsn, precedence: entry.precedence });
    }
    let cleans = sent(&cleans);
    assert_eq!(cleans.iter().map(|(to, _)| to.0).collect::<Vec<u64>>(), [1, 2, 3, 4]);
    let cleaned = || Message::Cleaned { epoch: Epoch(1), fence: FENCE };
    for member in [1, 2, 2, 3, 5] {
        assert_eq!(recovery.step(MemberId(member), cleaned()), []);
    }
    let advance = RecoveryEffect::Advance(Command::AdvanceClean { epoch: Epoch(1), known_good: 0 });
    assert_eq!(recovery.step(MemberId(4), cleaned()), std::slice::from_ref(&advance));
    assert_eq!(recovery.resend(), [advance]);
}

#[test]
fn the_pieces_of_a_digest_are_put_together() {
    let mut recovery = recovery();
    digest(&mut recovery, 3);
    let next = Message::Digest { epoch: Epoch(1), fence: FENCE, after: 2 };
    let asked = recovery.step(MemberId(4), piece(0, 0, [1, 2], true));
    assert_eq!(sent(&asked), [(MemberId(4), next.clone())]);
    assert_eq!(recovery.step(MemberId(4), piece(0, 0, [1, 2], true)), [], "a double");
    assert!(sent(&recovery.resend()).contains(&(MemberId(4), next)));
    let stores = sent(&recovery.step(MemberId(4), piece(2, 0, [3], false)));
    let numbers: BTreeSet<u64> = stores
        .iter()
        .filter_map(|(_, message)| if let Message::Store { lsn, .. } = message { Some(lsn.number) } else { None })
        .collect();
    assert_eq!(numbers, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn answers_to_other_attempts_are_ignored() {
    let mut recovery = recovery();
    digest(&mut recovery, 3);
    for fence in [Fence { attempt: 1, ..FENCE }, Fence { epoch: Epoch(2), ..FENCE }] {
        let old =
            Message::Digested { epoch: Epoch(1), fence, after: 0, known_good: 0, entries: Vec::new(), more: false };
        assert_eq!(recovery.step(MemberId(4), old), []);
    }
    let other =
        Message::Digested { epoch: Epoch(2), fence: FENCE, after: 0, known_good: 0, entries: Vec::new(), more: false };
    assert_eq!(recovery.step(MemberId(4), other), []);
    assert!(!recovery.step(MemberId(4), piece(0, 0, [], false)).is_empty());
}

#[test]
fn pieces_that_no_member_can_send_are_ignored() {
    let window = MAX_UNACKNOWLEDGED as u64;
    for (what, message) in [
        ("behind the window", piece(0, 5, [5 + window + 2], false)),
        ("last number there is", piece(0, u64::MAX, [], false)),
        ("wraps", piece(0, u64::MAX - 3, [u64::MAX], false)),
        ("falls", piece(0, 0, [2, 1], false)),
        ("twice", piece(0, 0, [2, 2], false)),
        ("known good", piece(0, 7, [7], false)),
        ("more of nothing", piece(0, 0, [], true)),
        ("not asked for", piece(9, 0, [10], false)),
    ] {
        let mut recovery = recovery();
        digest(&mut recovery, 3);
        assert_eq!(recovery.step(MemberId(4), message), [], "{what}");
    }
}

#[test]
fn a_mutation_keeps_a_bounded_number_of_copies_on_their_way() {
    let mut recovery = recovery();
    digest(&mut recovery, 3);
    let first = sent(&recovery.step(MemberId(4), piece(0, 0, 1..=500, false)));
    assert_eq!((first.len(), recovery.resend().len()), (STORES, STORES));
    let mut open: VecDeque<(MemberId, Message)> = first.into();
    let mut stored = BTreeSet::new();
    while let Some((to, message)) = open.pop_front() {
        let Message::Store { lsn, entry, .. } = message else { break };
        assert!(stored.insert((lsn, to)), "{lsn:?} went to {to:?} twice");
        open.extend(sent(&recovery.step(to, Message::Stored { lsn, precedence: entry.precedence })));
        assert!(open.len() <= STORES);
    }
    assert!(stored.len() > 1500, "{}", stored.len());
    assert!(matches!(recovery.phase, Phase::Clean { .. }));
}
