#![allow(clippy::unwrap_used)]
use pyralog_consensus::block::Step;
use pyralog_crypto::codec::Encode;

use super::super::record::join_block;
use super::*;

fn mark(height: u64) -> SignMark {
    SignMark { height, round: 0, step: Step::Precommit }
}

fn entry(last: bool, part: &'static [u8]) -> SignerRecord {
    entry_of(5, last, part)
}

fn entry_of(number: u64, last: bool, part: &'static [u8]) -> SignerRecord {
    SignerRecord::Entry { number, last, part: Bytes::from_static(part) }
}

/// A log that has read records from a place on.
fn read(from: u64, records: &[SignerRecord]) -> SignerLog {
    let mut log = SignerLog::default();
    for (place, record) in (from..).zip(records) {
        log.take(place, &record.to_bytes().into()).unwrap();
    }
    log
}

#[test]
fn the_wal_is_what_stands_behind_the_last_reset() {
    let begin = SignerRecord::Begin { member: 1, number: 5 };
    let records = [
        begin,
        entry(true, b"a"),
        SignerRecord::Mark(mark(3)),
        SignerRecord::Reset { number: 5, height: 4 },
        entry(true, b"b"),
    ];
    let log = read(0, &records);
    assert_eq!(log.wal().entries, [Bytes::from_static(b"b")]);
    assert!(!log.wal().truncated);
    assert_eq!((log.mark(), log.number(), log.decided(), log.next()), (Some(mark(3)), 5, 3, 5));
}

#[test]
fn an_entry_that_its_member_never_finished_does_not_count() {
    let begin = SignerRecord::Begin { member: 2, number: 5 };
    let log = read(0, &[entry(false, b"half"), begin, entry(false, b"an"), entry(true, b"other")]);
    assert_eq!(log.wal().entries, [Bytes::from_static(b"another")]);
}

#[test]
fn what_a_replaced_engine_sent_behind_the_next_begin_counts_for_nothing() {
    let begin = |number| SignerRecord::Begin { member: 1, number };
    let log = read(
        0,
        &[
            begin(5),
            entry(true, b"seen"),
            begin(6),
            entry(true, b"never left"),
            SignerRecord::Reset { number: 5, height: 9 },
            entry_of(6, true, b"left"),
        ],
    );
    assert_eq!(log.wal().entries, [Bytes::from_static(b"seen"), Bytes::from_static(b"left")]);
    assert_eq!((log.number(), log.decided()), (6, 0));
}

#[test]
fn a_log_whose_begin_is_gone_tells_no_entries_before_the_next_reset() {
    let mut log = read(7, &[entry(true, b"of a height whose lock is gone"), SignerRecord::Mark(mark(9))]);
    assert!(log.wal().truncated && log.wal().entries.is_empty());
    assert_eq!(log.mark(), Some(mark(9)), "the mark counts all the same");
    log.take(9, &SignerRecord::Reset { number: 5, height: 10 }.to_bytes().into()).unwrap();
    log.take(10, &entry(true, b"x").to_bytes().into()).unwrap();
    assert_eq!(log.wal().entries.len(), 1);
    // A gap begins it anew, and what was signed stays known.
    log.take(20, &entry(true, b"y").to_bytes().into()).unwrap();
    assert!(log.wal().truncated);
    assert_eq!(log.mark(), Some(mark(9)));
}

#[test]
fn the_last_blocks_are_kept_and_a_lower_mark_changes_nothing() {
    let block =
        |height: u64| SignerRecord::Block { number: 5, last: true, part: join_block(height, b"block", b"commit") };
    let mut records: Vec<_> = (1..=40).map(block).collect();
    records.extend([SignerRecord::Mark(mark(41)), SignerRecord::Mark(mark(12))]);
    let log = read(0, &records);
    assert_eq!(log.block(40), Some((Bytes::from_static(b"block"), Bytes::from_static(b"commit"))));
    assert_eq!(log.block(1), None);
    assert_eq!(log.mark(), Some(mark(41)));
}
