//! The table against one that remembers everything.

use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode};

use super::*;

fn lsn(number: u64) -> Lsn {
    Lsn::new(Epoch(1), number)
}

fn stamp(producer: u64, sequence: u64) -> Stamp {
    Stamp { producer: ProducerId(lsn(producer)), sequence }
}

fn record(kind: Payload) -> Content {
    Content::Record(kind.wrap(b"r"))
}

/// The record at a position, as [`folded`] has it.
fn duplicate(number: u64) -> Standing {
    Standing::Duplicate { lsn: lsn(number), offset: Some(10 * number) }
}

/// Folds these from position 1 on, each at the tenfold offset.
fn folded(most: usize, kinds: &[Payload]) -> Producers {
    let mut producers = Producers::bounded(most);
    for (number, kind) in (1..).zip(kinds) {
        producers.fold(lsn(number), &record(*kind), 10 * number);
    }
    producers
}

#[test]
fn a_retry_gets_the_first_position_and_gaps_are_refused() {
    let producers =
        folded(9, &[Payload::Plain, Payload::Open, Payload::Stamped(stamp(2, 1)), Payload::Stamped(stamp(2, 2))]);
    assert_eq!(producers.standing(stamp(2, 1)), duplicate(3));
    assert_eq!(producers.standing(stamp(2, 2)), duplicate(4));
    assert_eq!(producers.standing(stamp(2, 3)), Standing::Fresh);
    assert_eq!(producers.standing(stamp(2, 4)), Standing::Gap { expected: 3 });
    assert_eq!(producers.standing(stamp(1, 1)), Standing::UnknownProducer, "a plain record opens none");
}

#[test]
fn only_the_last_records_are_known() {
    let mut kinds = vec![Payload::Open];
    kinds.extend((1..=9).map(|sequence| Payload::Stamped(stamp(1, sequence))));
    let producers = folded(9, &kinds);
    assert_eq!(producers.standing(stamp(1, 4)), Standing::UnknownProducer);
    for sequence in 5..=9 {
        assert_eq!(producers.standing(stamp(1, sequence)), duplicate(sequence + 1));
    }
}

#[test]
fn the_producer_whose_last_record_is_oldest_is_forgotten_for_good() {
    let producers = folded(2, &[Payload::Open, Payload::Open, Payload::Stamped(stamp(1, 1)), Payload::Open]);
    assert_eq!((producers.len(), producers.standing(stamp(2, 1))), (2, Standing::UnknownProducer));
    assert_eq!(producers.standing(stamp(1, 2)), Standing::Fresh);
}

#[test]
fn what_is_not_next_is_void() {
    let mut producers = folded(9, &[Payload::Open]);
    let at = |number| lsn(number);
    assert_eq!(producers.fold(at(2), &record(Payload::Stamped(stamp(1, 2))), 2), Folded::Void);
    assert_eq!(producers.fold(at(4), &Content::Hole, 4), Folded::NotNext);
    assert_eq!(producers.fold(at(3), &record(Payload::Stamped(stamp(1, 1))), 3), Folded::Counts);
    assert_eq!(producers.fold(at(4), &record(Payload::Stamped(stamp(1, 1))), 4), Folded::Void);
    assert_eq!(producers.fold(at(5), &Content::Hole, 5), Folded::Counts);
    assert_eq!(producers.fold(at(6), &Content::Bridge, 6), Folded::Counts);
    assert_eq!(producers.next(), Lsn::new(Epoch(2), 1));
    assert_eq!(producers.standing(stamp(1, 1)), Standing::Duplicate { lsn: at(3), offset: Some(3) });
}

#[test]
fn payloads_are_taken_apart_without_a_copy() {
    for kind in [Payload::Plain, Payload::Open, Payload::Stamped(stamp(7, u64::MAX))] {
        let payload = kind.wrap(b"abc");
        let (found, record) = Payload::unwrap(&payload).unwrap();
        assert_eq!((found, &record[..]), (kind, &b"abc"[..]));
        assert_eq!(record.as_ptr(), payload[payload.len() - 3..].as_ptr());
    }
    let none = [&[][..], &[3, 0], &[1; 24], &[&[1][..], &[0; 24]].concat()].map(bytes::Bytes::copy_from_slice);
    assert!(none.iter().all(|payload| Payload::unwrap(payload).is_none()));
}

#[test]
fn what_is_accepted_has_an_offset_when_it_is_placed() {
    let mut producers = folded(9, &[Payload::Open]);
    producers.accept(lsn(2), Payload::Stamped(stamp(1, 1)));
    producers.accept(lsn(3), Payload::Stamped(stamp(1, 2)));
    assert_eq!(producers.standing(stamp(1, 1)), Standing::Duplicate { lsn: lsn(2), offset: None });
    producers.placed(ProducerId(lsn(1)), lsn(2), 20);
    // Of nobody, and of what is not there.
    producers.placed(ProducerId(lsn(9)), lsn(3), 30);
    producers.placed(ProducerId(lsn(1)), lsn(4), 40);
    assert_eq!(producers.standing(stamp(1, 1)), duplicate(2));
    assert_eq!(producers.standing(stamp(1, 2)), Standing::Duplicate { lsn: lsn(3), offset: None });
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn vector_of_a_snapshot() {
    let producers = folded(MAX_PRODUCERS, &[Payload::Open, Payload::Stamped(stamp(1, 1))]);
    let expected = "02 0000000000000001 0000000000000003 00000001 0000000000000001 0000000000000001 0000000000000001
        00000002 0000000000000001 0000000000000001 01 000000000000000a 0000000000000001 0000000000000002 01 0000000000000014";
    assert_eq!(producers.to_bytes(), bytes(expected));
}

#[test]
fn a_snapshot_of_a_build_without_offsets_is_read() {
    let old = "01 0000000000000001 0000000000000003 00000001 0000000000000001 0000000000000001 0000000000000001
        00000002 0000000000000001 0000000000000001 0000000000000001 0000000000000002";
    let producers = Producers::from_bytes(&bytes(old)).unwrap();
    assert_eq!(producers.standing(stamp(1, 1)), Standing::Duplicate { lsn: lsn(2), offset: None });
    // Who has no offset is written as before; one of it that nobody knows has none.
    assert_eq!(producers.to_bytes(), bytes(old));
    let bare = "02 0000000000000001 0000000000000003 00000001 0000000000000001 0000000000000001 0000000000000001
        00000002 0000000000000001 0000000000000001 00 0000000000000001 0000000000000002 00";
    assert!(Producers::from_bytes(&bytes(bare)).is_err());
    let back = "02 0000000000000001 0000000000000003 00000001 0000000000000001 0000000000000001 0000000000000001
        00000002 0000000000000001 0000000000000001 01 0000000000000002 0000000000000001 0000000000000002 01 0000000000000001";
    assert!(Producers::from_bytes(&bytes(back)).is_err());
    assert!(Producers::from_bytes(&[&[3][..], &bytes(old)[1..]].concat()).is_err());
}

/// Everything that counted, in order.
#[derive(Default)]
struct Naive(Vec<(Lsn, ProducerId, u64)>);

impl Naive {
    /// The `most` producers with the newest records.
    fn known(&self, most: usize) -> Vec<ProducerId> {
        let mut known = Vec::new();
        for (_, producer, _) in self.0.iter().rev() {
            if !known.contains(producer) && known.len() < most {
                known.push(*producer);
            }
        }
        known
    }

    fn standing(&self, stamp: Stamp, most: usize) -> Standing {
        let own: Vec<_> = self.0.iter().filter(|(_, producer, _)| *producer == stamp.producer).collect();
        let next = own.len() as u64;
        if !self.known(most).contains(&stamp.producer) {
            return Standing::UnknownProducer;
        }
        match own.iter().rev().take(MAX_PRODUCER_RECORDS).find(|(_, _, sequence)| *sequence == stamp.sequence) {
            Some((lsn, ..)) => Standing::Duplicate { lsn: *lsn, offset: Some(10 * lsn.number) },
            None if stamp.sequence == next => Standing::Fresh,
            None if stamp.sequence > next => Standing::Gap { expected: next },
            None => Standing::UnknownProducer,
        }
    }
}

fn any_kind() -> impl Strategy<Value = Payload> {
    prop_oneof![
        1 => Just(Payload::Plain),
        3 => Just(Payload::Open),
        16 => (1..12u64, 1..9u64).prop_map(|(producer, sequence)| Payload::Stamped(stamp(producer, sequence))),
    ]
}

proptest! {
    #[test]
    fn it_answers_as_one_that_remembers_everything(
        most in 1..4usize,
        kinds in prop::collection::vec((any_kind(), any::<bool>()), 1..80),
    ) {
        let (mut producers, mut naive) = (Producers::bounded(most), Naive::default());
        for (number, (kind, follow)) in (1..).zip(kinds) {
            let at = lsn(number);
            // Half of them are what comes next of some producer.
            let kind = match kind {
                Payload::Stamped(Stamp { producer, .. }) if follow => {
                    let sequence = naive.0.iter().filter(|(_, other, _)| *other == producer).count().max(1) as u64;
                    Payload::Stamped(Stamp { producer, sequence })
                }
                kind => kind,
            };
            let counts = match kind {
                Payload::Plain => true,
                Payload::Open => { naive.0.push((at, ProducerId(at), 0)); true }
                Payload::Stamped(stamp) => {
                    let fresh = naive.standing(stamp, most) == Standing::Fresh;
                    if fresh { naive.0.push((at, stamp.producer, stamp.sequence)); }
                    fresh
                }
            };
            prop_assert_eq!(producers.fold(at, &record(kind), 10 * number) == Folded::Counts, counts);
            prop_assert!(producers.len() <= most);
            for producer in 1..=number {
                for sequence in 1..12 {
                    let stamp = stamp(producer, sequence);
                    prop_assert_eq!(producers.standing(stamp), naive.standing(stamp, most));
                }
            }
        }
        let again = Producers::from_bytes(&producers.to_bytes()).map(|again| Producers { most, ..again });
        prop_assert_eq!(again.as_ref(), Ok(&producers));
    }

    #[test]
    fn damaged_snapshots_have_one_meaning_or_none(at: prop::sample::Index, flip: u8, cut: bool) {
        let producers = folded(9, &[Payload::Open, Payload::Open, Payload::Stamped(stamp(1, 1)), Payload::Stamped(stamp(2, 1))]);
        let mut bytes = producers.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if cut { bytes.truncate(at); prop_assert!(Producers::from_bytes(&bytes).is_err()); }
        if let Ok(again) = Producers::from_bytes(&bytes) { prop_assert_eq!(again.to_bytes(), bytes); }
    }
}
