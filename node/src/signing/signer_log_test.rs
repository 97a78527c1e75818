#![allow(clippy::unwrap_used)]
use pyralog_consensus::block::Step;
use pyralog_crypto::codec::Encode;

use super::super::record::join_block;
use super::*;

fn mark(height: u64) -> SignMark {
    SignMark { height, round: 0, step: Step::Precommit }
}

fn entry(sequence: u64, last: bool, part: &'static [u8]) -> SignerRecord {
    Said::Entry { last, part: Bytes::from_static(part) }.of(5, sequence)
}

fn begin(number: u64) -> SignerRecord {
    SignerRecord::Begin { number, member: 1 }
}

/// A log that has read records from a place on.
fn read(from: u64, records: &[SignerRecord]) -> SignerLog {
    let mut log = SignerLog::default();
    for (place, record) in (from..).zip(records) {
        log.take(place, &record.to_bytes().into()).unwrap();
    }
    log
}

fn entries(log: &SignerLog) -> Vec<String> {
    log.wal().entries.iter().map(|entry| String::from_utf8(entry.to_vec()).unwrap()).collect()
}

#[test]
fn the_wal_is_what_stands_behind_the_last_reset() {
    let mark = Said::Mark(mark(3)).of(5, 2);
    let log =
        read(0, &[begin(5), entry(1, true, b"a"), mark, Said::Reset { height: 4 }.of(5, 3), entry(4, true, b"b")]);
    assert_eq!(entries(&log), ["b"]);
    assert!(!log.wal().truncated);
    assert_eq!((log.mark(), log.number(), log.decided(), log.next()), (Some(self::mark(3)), 5, 3, 5));
}

#[test]
fn an_entry_that_its_member_never_finished_does_not_count() {
    let of = |sequence, last, part| Said::Entry { last, part: Bytes::from_static(part) }.of(6, sequence);
    let log = read(0, &[begin(5), entry(1, false, b"half"), begin(6), of(1, false, b"an"), of(2, true, b"other")]);
    assert_eq!(entries(&log), ["another"]);
}

#[test]
fn what_a_replaced_engine_sent_behind_the_next_begin_counts_for_nothing() {
    let log = read(
        0,
        &[
            begin(5),
            entry(1, true, b"seen"),
            begin(6),
            entry(2, true, b"never left"),
            Said::Reset { height: 9 }.of(5, 3),
            Said::Entry { last: true, part: Bytes::from_static(b"left") }.of(6, 1),
            // Nobody signs under a number that is too low.
            begin(4),
            Said::Entry { last: true, part: Bytes::from_static(b"either") }.of(4, 1),
        ],
    );
    assert_eq!(entries(&log), ["seen", "left"]);
    assert_eq!((log.number(), log.decided()), (6, 0));
}

#[test]
fn behind_a_gap_nothing_counts_until_the_next_begin() {
    let records = [
        begin(5),
        entry(1, true, b"one"),
        // The second was never stored, so what follows was never acknowledged.
        entry(3, true, b"three"),
        Said::Mark(mark(9)).of(5, 4),
        Said::Reset { height: 9 }.of(5, 5),
    ];
    let mut log = read(0, &records);
    assert_eq!(entries(&log), ["one"]);
    assert_eq!((log.mark(), log.decided()), (None, 0));
    let more = [begin(6), Said::Entry { last: true, part: Bytes::from_static(b"two") }.of(6, 1)];
    for (place, record) in (5..).zip(more) {
        log.take(place, &record.to_bytes().into()).unwrap();
    }
    assert_eq!(entries(&log), ["one", "two"]);
    // A mark of nobody counts always.
    log.take(7, &Said::Mark(mark(2)).of(0, 0).to_bytes().into()).unwrap();
    assert_eq!(log.mark(), Some(mark(2)));
}

#[test]
fn of_begins_with_one_number_the_first_counts_and_whoever_made_another_sees_it() {
    let other = SignerRecord::Begin { number: 5, member: 2 };
    let mut log = read(0, &[begin(4), begin(5), entry(1, true, b"one"), other]);
    assert_eq!((log.number(), log.begun()), (5, Some(1)));
    // Nothing of it: its member begins again, under a higher number.
    log.take(4, &entry(1, true, b"two").to_bytes().into()).unwrap();
    assert_eq!(entries(&log), ["one"]);
    log.take(5, &SignerRecord::Begin { number: 6, member: 2 }.to_bytes().into()).unwrap();
    assert_eq!((log.number(), log.begun()), (6, Some(5)));
}

#[test]
fn a_log_whose_begin_is_gone_tells_no_entries_before_the_next_reset() {
    let mut log = read(7, &[entry(40, true, b"of a height whose lock is gone"), Said::Mark(mark(9)).of(5, 41)]);
    assert!(log.wal().truncated && log.wal().entries.is_empty());
    assert_eq!((log.mark(), log.number()), (Some(mark(9)), 5), "the mark and the number count all the same");
    log.take(9, &Said::Reset { height: 10 }.of(5, 42).to_bytes().into()).unwrap();
    log.take(10, &entry(43, true, b"x").to_bytes().into()).unwrap();
    assert_eq!(entries(&log), ["x"]);
    // A gap of places begins it anew, and what was signed stays known.
    log.take(20, &entry(60, true, b"y").to_bytes().into()).unwrap();
    assert!(log.wal().truncated);
    assert_eq!(log.mark(), Some(mark(9)));
    // What the same member signs on counts.
    log.take(21, &Said::Mark(mark(12)).of(5, 61).to_bytes().into()).unwrap();
    log.take(22, &Said::Reset { height: 13 }.of(5, 62).to_bytes().into()).unwrap();
    assert_eq!((log.mark(), log.decided(), log.wal().truncated), (Some(mark(12)), 12, false));
}

#[test]
fn the_last_blocks_are_kept_and_a_lower_mark_changes_nothing() {
    let block = |height: u64| Said::Block { last: true, part: join_block(height, b"block", b"commit") }.of(5, height);
    let mut records = vec![begin(5)];
    records.extend((1..=40).map(block));
    records.extend([Said::Mark(mark(41)).of(5, 41), Said::Mark(mark(12)).of(5, 42)]);
    let log = read(0, &records);
    assert_eq!(log.block(40), Some((Bytes::from_static(b"block"), Bytes::from_static(b"commit"))));
    assert_eq!(log.block(1), None);
    assert_eq!(log.mark(), Some(mark(41)));
}
