//! One encoding for each value, and nothing else is read.

use bytes::Bytes;
use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode};

use super::super::{Change, Found, MAX_KNOWN_EPOCHS, MemberState, Message};
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digits(text: &str) -> String {
    text.split_whitespace().collect()
}

const LSN_3_5: Lsn = Lsn::new(Epoch(3), 5);
const FENCE_3_2: Fence = Fence { epoch: Epoch(3), attempt: 2 };

fn entry(record: &'static [u8]) -> Entry {
    Entry { content: Content::Record(Bytes::from_static(record)), precedence: Precedence::Wave(7) }
}

fn hole() -> Entry {
    Entry { content: Content::Hole, precedence: Precedence::Recovery(FENCE_3_2) }
}

/// Messages of every kind.
pub(in crate::replication) fn messages() -> Vec<(Message, &'static str)> {
    let (epoch, fence, lsn) = (Epoch(3), FENCE_3_2, LSN_3_5);
    let entries = vec![(6, entry(b"ab")), (9, hole())];
    let bridge = Found::Copy(Content::Bridge);
    let record = Found::Copy(Content::Record(Bytes::from_static(b"ab")));
    vec![
        (
            Message::Store { lsn, entry: entry(b"abc"), known_good: 4, early: true },
            "01 01 0000000000000003 0000000000000005 0000000000000004 01 00 00000007 00 00000003 616263",
        ),
        (
            Message::Store { lsn, entry: hole(), known_good: 4, early: false },
            "01 01 0000000000000003 0000000000000005 0000000000000004 00 01 0000000000000003 0000000000000002 01",
        ),
        (
            Message::Stored { lsn, precedence: Precedence::Wave(7) },
            "01 02 0000000000000003 0000000000000005 00 00000007",
        ),
        (Message::Fenced { by: fence }, "01 03 0000000000000003 0000000000000002"),
        (Message::Seal { epoch }, "01 04 0000000000000003"),
        (Message::Sealed { fence }, "01 05 0000000000000003 0000000000000002"),
        (
            Message::Digest { epoch, fence, after: 8 },
            "01 06 0000000000000003 0000000000000003 0000000000000002 0000000000000008",
        ),
        (
            Message::Digested { epoch, fence, after: 1, known_good: 5, entries, more: true },
            "01 07 0000000000000003 0000000000000003 0000000000000002 0000000000000001 0000000000000005 01 00000002
             0000000000000006 00 00000007 00 00000002 6162
             0000000000000009 01 0000000000000003 0000000000000002 01",
        ),
        (Message::Clean { epoch, fence }, "01 08 0000000000000003 0000000000000003 0000000000000002"),
        (Message::Cleaned { epoch, fence }, "01 09 0000000000000003 0000000000000003 0000000000000002"),
        (Message::Release { lsn }, "01 0a 0000000000000003 0000000000000005"),
        (Message::Read { lsn }, "01 0b 0000000000000003 0000000000000005"),
        (Message::Received { lsn }, "01 0d 0000000000000003 0000000000000005"),
        (Message::Answer { lsn, found: Found::Nothing }, "01 0c 0000000000000003 0000000000000005 00"),
        (Message::Answer { lsn, found: Found::NotReleased }, "01 0c 0000000000000003 0000000000000005 01"),
        (Message::Answer { lsn, found: bridge }, "01 0c 0000000000000003 0000000000000005 02 02"),
        (Message::Answer { lsn, found: record }, "01 0c 0000000000000003 0000000000000005 02 00 00000002 6162"),
    ]
}

/// Changes of every kind.
pub(in crate::replication) fn changes() -> Vec<Change> {
    let (epoch, lsn) = (Epoch(3), LSN_3_5);
    vec![
        Change::Fence(FENCE_3_2),
        Change::Put { lsn, entry: entry(b"abc") },
        Change::Cut { epoch, above: 6 },
        Change::Clean(epoch),
        Change::Release(lsn),
        Change::KnownGood { epoch, number: 9 },
    ]
}

pub(in crate::replication) fn state() -> MemberState {
    let mut state = MemberState::default();
    [
        Change::Fence(FENCE_3_2),
        Change::Clean(Epoch(2)),
        Change::Release(LSN_3_5),
        Change::KnownGood { epoch: Epoch(3), number: 5 },
        Change::KnownGood { epoch: Epoch(4), number: 1 },
    ]
    .iter()
    .for_each(|change| state.apply(change));
    state
}

/// Reads back, and reads neither less nor more.
fn exact<T: PartialEq + std::fmt::Debug>(
    value: &T,
    bytes: &[u8],
    read: impl Fn(&Bytes) -> Result<T, CodecError>,
) -> Result<(), TestCaseError> {
    let whole = Bytes::copy_from_slice(bytes);
    let again = read(&whole);
    prop_assert_eq!(again.as_ref(), Ok(value));
    for end in 0..bytes.len() {
        prop_assert!(read(&whole.slice(..end)).is_err(), "a prefix of {} bytes was read", end);
    }
    let longer = Bytes::from([bytes, &[0]].concat());
    prop_assert!(read(&longer).is_err(), "a trailing byte was read");
    Ok(())
}

#[test]
fn vectors_of_messages() {
    for (message, expected) in messages() {
        let bytes = message.to_bytes();
        assert_eq!(hex(&bytes), digits(expected), "{message:?}");
        exact(&message, &bytes, Message::from_shared).unwrap();
        exact(&message, &bytes, |bytes| Message::from_bytes(bytes)).unwrap();
    }
}

#[test]
fn vector_of_changes() {
    let bytes = Change::list_to_bytes(&changes());
    let expected = "01 00000006
        03 0000000000000003 0000000000000002
        01 0000000000000003 0000000000000005 00 00000007 00 00000003 616263
        02 0000000000000003 0000000000000006
        04 0000000000000003
        05 0000000000000003 0000000000000005
        06 0000000000000003 0000000000000009";
    assert_eq!(hex(&bytes), digits(expected));
    exact(&changes(), &bytes, Change::list_from_shared).unwrap();
}

#[test]
fn vector_of_a_state() {
    let expected = "01 0000000000000003 0000000000000002 0000000000000002 0000000000000003 0000000000000005 00000002
        0000000000000003 0000000000000005 0000000000000004 0000000000000001";
    let bytes = state().to_bytes();
    assert_eq!(hex(&bytes), digits(expected));
    exact(&state(), &bytes, |bytes| MemberState::from_bytes(bytes)).unwrap();
}

#[test]
fn records_are_parts_of_what_they_were_read_from() {
    let whole =
        Bytes::from(Message::Store { lsn: LSN_3_5, entry: entry(b"abc"), known_good: 0, early: false }.to_bytes());
    let Ok(Message::Store { entry: Entry { content: Content::Record(record), .. }, .. }) = Message::from_shared(&whole)
    else {
        panic!("not a store")
    };
    assert_eq!(record.as_ptr(), whole[whole.len() - 3..].as_ptr());
}

#[test]
fn unknown_versions_and_tags_are_refused() {
    for bytes in [
        "02 0a",
        "01 00",
        "01 0e",
        "01 02 00000000000000000000000000000000 02",
        "01 0c 0000000000000003 0000000000000005 03",
    ] {
        let bytes: Vec<u8> = digits(bytes)
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let error = Message::from_bytes(&bytes).unwrap_err();
        assert!(matches!(error, CodecError::Version { .. } | CodecError::Tag { .. }), "{error}");
    }
}

fn digested(entries: Vec<(u64, Entry)>) -> Vec<u8> {
    let (after, known_good) = (1, 5);
    Message::Digested { epoch: Epoch(3), fence: FENCE_3_2, after, known_good, entries, more: false }.to_bytes()
}

#[test]
fn a_digest_is_bounded_and_rises() {
    let holes = |numbers: std::ops::Range<u64>| numbers.map(|number| (number, hole())).collect::<Vec<_>>();
    assert!(Message::from_bytes(&digested(holes(6..70))).is_ok());
    assert!(matches!(Message::from_bytes(&digested(holes(6..71))), Err(CodecError::TooLong { .. })));
    assert!(Message::from_bytes(&digested(holes(5..7))).is_err(), "known good");
    assert!(Message::from_bytes(&digested(vec![(7, hole()), (7, hole())])).is_err(), "twice");
    let large = |bytes| Entry { content: Content::Record(Bytes::from(vec![0; bytes])), ..hole() };
    let full = digested(vec![(6, large(MAX_DIGEST_BYTES - 1)), (7, large(MAX_PAYLOAD_BYTES))]);
    assert!(Message::from_bytes(&full).is_ok() && full.len() < MAX_MESSAGE_BYTES);
    assert!(Message::from_bytes(&digested(vec![(6, large(MAX_DIGEST_BYTES)), (7, hole())])).is_err());
    assert!(Message::from_bytes(&digested(vec![(6, large(MAX_PAYLOAD_BYTES + 1))])).is_err());
}

#[test]
fn changes_are_bounded() {
    let list = |changes: &[Change]| Change::list_from_shared(&Bytes::from(Change::list_to_bytes(changes)));
    assert!(list(&[]).is_err());
    assert!(list(&vec![Change::Clean(Epoch(1)); MAX_CHANGES]).is_ok());
    assert!(list(&vec![Change::Clean(Epoch(1)); MAX_CHANGES + 1]).is_err());
    let put = |bytes| Change::Put {
        lsn: LSN_3_5,
        entry: Entry { content: Content::Record(Bytes::from(vec![0; bytes])), ..hole() },
    };
    let mut largest = vec![Change::Cut { epoch: Epoch(1), above: 1 }; MAX_CHANGES - 1];
    largest.push(put(MAX_PAYLOAD_BYTES));
    assert_eq!(list(&largest).as_ref(), Ok(&largest));
    assert!(Change::list_to_bytes(&largest).len() <= MAX_CHANGES_BYTES);
    assert!(list(&[put(MAX_PAYLOAD_BYTES), put(1)]).is_err());
}

#[test]
fn the_epochs_of_a_state_are_bounded_and_rise() {
    let known_good = |count: u64| (0..count).map(|epoch| (Epoch(epoch), 1)).collect();
    let state = |count| MemberState { known_good: known_good(count), ..MemberState::default() }.to_bytes();
    assert!(MemberState::from_bytes(&state(MAX_KNOWN_EPOCHS as u64)).is_ok());
    assert!(MemberState::from_bytes(&state(MAX_KNOWN_EPOCHS as u64 + 1)).is_err());
    let mut bytes = state(2);
    let place = bytes.len() - 9;
    bytes[place - 7] = 0;
    bytes[place - 8 + 1..place + 1].fill(0);
    assert!(MemberState::from_bytes(&bytes).is_err(), "one epoch twice");
}

pub(super) fn any_lsn() -> impl Strategy<Value = Lsn> {
    (any::<u64>(), any::<u64>()).prop_map(|(epoch, number)| Lsn::new(Epoch(epoch), number))
}

fn any_fence() -> impl Strategy<Value = Fence> {
    (any::<u64>(), any::<u64>()).prop_map(|(epoch, attempt)| Fence { epoch: Epoch(epoch), attempt })
}

fn any_precedence() -> impl Strategy<Value = Precedence> {
    prop_oneof![any::<u32>().prop_map(Precedence::Wave), any_fence().prop_map(Precedence::Recovery)]
}

fn any_content() -> impl Strategy<Value = Content> {
    let record = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Content::Record(bytes.into()));
    prop_oneof![3 => record, 1 => Just(Content::Hole), 1 => Just(Content::Bridge)]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (any_content(), any_precedence()).prop_map(|(content, precedence)| Entry { content, precedence })
}

fn any_digested() -> impl Strategy<Value = Message> {
    let entries = prop::collection::btree_map(any::<u64>(), any_entry(), 0..9);
    let (places, fence) = ((any::<u64>(), 0..99u64, 0..99u64, any::<bool>()), any_fence());
    (places, fence, entries).prop_map(|((epoch, after, known_good, more), fence, mut entries)| {
        let entries = entries.split_off(&(after.max(known_good) + 1)).into_iter().collect();
        Message::Digested { epoch: Epoch(epoch), fence, after, known_good, entries, more }
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let epoch = || any::<u64>().prop_map(Epoch);
    let found = prop_oneof![Just(Found::Nothing), Just(Found::NotReleased), any_content().prop_map(Found::Copy)];
    prop_oneof![
        (any_lsn(), any_entry(), any::<u64>(), any::<bool>())
            .prop_map(|(lsn, entry, known_good, early)| Message::Store { lsn, entry, known_good, early }),
        (any_lsn(), any_precedence()).prop_map(|(lsn, precedence)| Message::Stored { lsn, precedence }),
        any_fence().prop_map(|by| Message::Fenced { by }),
        epoch().prop_map(|epoch| Message::Seal { epoch }),
        any_fence().prop_map(|fence| Message::Sealed { fence }),
        (epoch(), any_fence(), any::<u64>()).prop_map(|(epoch, fence, after)| Message::Digest { epoch, fence, after }),
        any_digested(),
        (epoch(), any_fence()).prop_map(|(epoch, fence)| Message::Clean { epoch, fence }),
        (epoch(), any_fence()).prop_map(|(epoch, fence)| Message::Cleaned { epoch, fence }),
        any_lsn().prop_map(|lsn| Message::Release { lsn }),
        any_lsn().prop_map(|lsn| Message::Read { lsn }),
        any_lsn().prop_map(|lsn| Message::Received { lsn }),
        (any_lsn(), found).prop_map(|(lsn, found)| Message::Answer { lsn, found }),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let pair = || (any::<u64>(), any::<u64>());
    prop_oneof![
        (any_lsn(), any_entry()).prop_map(|(lsn, entry)| Change::Put { lsn, entry }),
        pair().prop_map(|(epoch, above)| Change::Cut { epoch: Epoch(epoch), above }),
        any_fence().prop_map(Change::Fence),
        any::<u64>().prop_map(|epoch| Change::Clean(Epoch(epoch))),
        any_lsn().prop_map(Change::Release),
        pair().prop_map(|(epoch, number)| Change::KnownGood { epoch: Epoch(epoch), number }),
    ]
}

/// Bytes of a value, with a few of them changed.
fn damaged(bytes: &[u8], flips: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (at, flip) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
    }
    bytes.truncate(cut.index(2 * bytes.len()).max(bytes.len() / 2));
    bytes.into()
}

proptest! {
    #[test]
    fn messages_round_trip(message in any_message()) {
        let bytes = message.to_bytes();
        prop_assert_eq!(bytes.len(), message.encoded_len());
        let (head, record) = message.to_parts();
        prop_assert_eq!([&head[..], &record].concat(), &bytes[..]);
        exact(&message, &bytes, Message::from_shared)?;
    }

    #[test]
    fn changes_round_trip(changes in prop::collection::vec(any_change(), 1..9)) {
        let bytes = Change::list_to_bytes(&changes);
        let length: usize = changes.iter().map(Change::encoded_len).sum();
        prop_assert_eq!(bytes.len(), 5 + length);
        exact(&changes, &bytes, Change::list_from_shared)?;
    }

    #[test]
    fn states_round_trip(changes in prop::collection::vec(any_change(), 0..30)) {
        let mut state = MemberState::default();
        changes.iter().for_each(|change| state.apply(change));
        exact(&state, &state.to_bytes(), |bytes| MemberState::from_bytes(bytes))?;
    }

    #[test]
    fn damaged_bytes_have_one_meaning_or_none(
        message in any_message(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let bytes = damaged(&message.to_bytes(), &flips, cut);
        if let Ok(message) = Message::from_shared(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}
