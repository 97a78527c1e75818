//! What every [`RecordLog`] must do; memory and disk both run it.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, FaultyDisk};

const STREAM: u64 = 77;

fn memory(segment_bytes: u64) -> Box<dyn RecordLog> {
    Box::new(MemoryLog::new(STREAM, segment_bytes))
}

fn disk(segment_bytes: u64) -> Box<dyn RecordLog> {
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(1));
    Box::new(SegmentLog::open(&disk, Path::new("/s"), STREAM, segment_bytes).unwrap().0)
}

fn both(check: impl Fn(&dyn Fn(u64) -> Box<dyn RecordLog>)) {
    check(&memory);
    check(&disk);
}

pub(super) type Owned = (u64, u64, Vec<u8>);

pub(super) fn read(log: &dyn RecordLog, from: u64) -> Result<Vec<Owned>, Error> {
    let mut found = Vec::new();
    log.read(from, &mut |record| {
        found.push((record.offset, record.timestamp, record.bytes.to_vec()));
        true
    })?;
    Ok(found)
}

pub(super) fn bytes(offset: u64) -> Vec<u8> {
    vec![offset as u8; (offset * 37 % 900) as usize]
}

/// Appends `count` records in batches of `batch`; the time of each is `offset * 10`.
pub(super) fn grow(log: &dyn RecordLog, count: u64, batch: u64) {
    let end = log.next_offset() + count;
    while log.next_offset() < end {
        let first = log.next_offset();
        let owned: Vec<Owned> =
            (first..end.min(first + batch)).map(|offset| (offset, offset * 10, bytes(offset))).collect();
        let items: Vec<Item<'_>> =
            owned.iter().map(|(_, timestamp, bytes)| Item { timestamp: *timestamp, bytes }).collect();
        assert_eq!(log.append(&items).unwrap(), first);
    }
}

#[test]
fn an_empty_log() {
    both(|make| {
        let log = make(1000);
        assert_eq!((log.first_offset(), log.next_offset(), log.sync().unwrap()), (0, 0, 0));
        assert_eq!(read(log.as_ref(), 0).unwrap(), []);
        assert_eq!(log.offset_at(0).unwrap(), None);
        assert_eq!(log.segments().len(), 1);
        log.trim(100).unwrap();
        assert_eq!(log.next_offset(), 0);
        assert!(matches!(read(log.as_ref(), 1), Err(Error::NoSuchRecord { asked: 1, next: 0, stream: STREAM, .. })));
        assert!(matches!(log.append(&[]), Err(Error::Size { .. })));
        let large = vec![0; MAX_BATCH_BYTES];
        assert!(matches!(log.append(&[Item { timestamp: 0, bytes: &large }]), Err(Error::Size { .. })));
    });
}

#[test]
fn records_are_read_from_any_offset_over_segments() {
    both(|make| {
        let log = make(20_000);
        grow(log.as_ref(), 300, 7);
        assert!(log.segments().len() > 4);
        assert_eq!(log.sync().unwrap(), 300);
        for from in (0..=300).step_by(13) {
            let found = read(log.as_ref(), from).unwrap();
            assert_eq!(found, (from..300).map(|offset| (offset, offset * 10, bytes(offset))).collect::<Vec<_>>());
        }
        assert_eq!(read(log.as_ref(), 300).unwrap(), []);
        assert!(matches!(read(log.as_ref(), 301), Err(Error::NoSuchRecord { .. })));
        let mut seen = 0;
        log.read(100, &mut |_| {
            seen += 1;
            seen < 5
        })
        .unwrap();
        assert_eq!(seen, 5, "the visitor ends the reading");
    });
}

#[test]
fn a_visitor_may_append_and_reads_what_it_appended() {
    both(|make| {
        let log = make(2000);
        grow(log.as_ref(), 3, 3);
        let mut seen = 0;
        log.read(0, &mut |record| {
            seen = record.offset + 1;
            if record.offset < 50 {
                grow(log.as_ref(), 1, 1);
            }
            true
        })
        .unwrap();
        assert_eq!(seen, 53);
    });
}

#[test]
fn the_first_record_at_a_time_is_found_though_times_jump() {
    both(|make| {
        let log = make(6000);
        let times: Vec<u64> = (0..400u64).map(|offset| 1000 + offset * 10 % 970 + offset).collect();
        for (offset, time) in times.iter().enumerate() {
            log.append(&[Item { timestamp: *time, bytes: &bytes(offset as u64) }]).unwrap();
        }
        for asked in (0..3000).step_by(7) {
            let expected = times.iter().position(|time| *time >= asked).map(|offset| offset as u64);
            assert_eq!(log.offset_at(asked).unwrap(), expected, "at {asked}");
        }
        assert_eq!(log.offset_at(u64::MAX).unwrap(), None);
    });
}

#[test]
fn trimming_removes_whole_segments_and_keeps_offsets() {
    both(|make| {
        let log = make(5000);
        grow(log.as_ref(), 200, 5);
        let segments = log.segments();
        assert!(segments.len() > 5 && segments.windows(2).all(|pair| pair[0].next == pair[1].first));
        assert!(segments.iter().all(|segment| segment.min_time == segment.first * 10));
        log.trim(segments[2].next + 1).unwrap();
        assert_eq!(log.first_offset(), segments[3].first);
        assert_eq!(log.segments(), segments[3..]);
        assert!(matches!(read(log.as_ref(), segments[2].first), Err(Error::NoSuchRecord { .. })));
        assert_eq!(read(log.as_ref(), log.first_offset()).unwrap().len() as u64, 200 - segments[3].first);
        assert_eq!(log.offset_at(0).unwrap(), Some(segments[3].first));
        log.trim(u64::MAX).unwrap();
        assert_eq!((log.segments().len(), log.next_offset()), (1, 200));
        grow(log.as_ref(), 10, 5);
        assert_eq!(log.next_offset(), 210);
    });
}

#[test]
fn segments_begin_where_the_records_say_however_they_are_appended() {
    let mut firsts = Vec::new();
    let mut held = u64::MAX;
    for offset in 0..200 {
        if held >= 5000 {
            firsts.push(offset);
            held = 0;
        }
        held += 12 + bytes(offset).len() as u64;
    }
    both(|make| {
        for batch in [1, 2, 7, 64, 200] {
            let log = make(5000);
            grow(log.as_ref(), 200, batch);
            let found: Vec<u64> = log.segments().iter().map(|segment| segment.first).collect();
            assert_eq!(found, firsts, "{batch} at once");
        }
        // One record is larger than a segment should be, and one segment takes it.
        let log = make(100);
        let large = vec![1; 300];
        log.append(&[Item { timestamp: 1, bytes: &large }; 3]).unwrap();
        assert_eq!(log.segments().iter().map(|segment| segment.first).collect::<Vec<_>>(), [0, 1, 2]);
    });
}

#[test]
fn segments_are_told_from_an_offset_on() {
    both(|make| {
        let log = make(5000);
        grow(log.as_ref(), 200, 5);
        log.trim(30).unwrap();
        let all = log.segments();
        for from in 0..=201 {
            let expected: Vec<SegmentInfo> = all.iter().copied().filter(|segment| from < segment.next).collect();
            let last = all[all.len() - 1];
            assert_eq!(log.segments_from(from), if expected.is_empty() { vec![last] } else { expected }, "from {from}");
        }
    });
}

#[test]
fn readers_and_a_writer_share_a_log() {
    both(|make| {
        let log: Arc<dyn RecordLog> = Arc::from(make(3000));
        std::thread::scope(|scope| {
            let reader = || {
                let mut next = 0;
                while next < 300 {
                    log.read(next, &mut |record| {
                        assert_eq!((record.offset, record.bytes), (next, &bytes(next)[..]));
                        next += 1;
                        true
                    })
                    .unwrap();
                }
            };
            scope.spawn(reader);
            scope.spawn(reader);
            grow(log.as_ref(), 300, 3);
            log.sync().unwrap();
        });
    });
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u64, usize)>),
    Trim(u64),
    Sync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec((0u64..2000, 0usize..3000), 1..5).prop_map(Step::Append),
        1 => (0u64..100).prop_map(Step::Trim),
        1 => Just(Step::Sync),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Against a plain list.
    #[test]
    fn a_log_is_a_list(steps in steps(), asked in prop::collection::vec(0u64..2100, 5), on_disk: bool) {
        let log = if on_disk { disk(8000) } else { memory(8000) };
        let mut model: Vec<Owned> = Vec::new();
        for step in steps {
            match step {
                Step::Append(records) => {
                    let owned: Vec<Owned> = records
                        .iter()
                        .zip(model.len() as u64..)
                        .map(|((time, length), offset)| (offset, *time, vec![offset as u8; *length]))
                        .collect();
                    let items: Vec<Item<'_>> = owned.iter().map(|(_, timestamp, bytes)| Item { timestamp: *timestamp, bytes }).collect();
                    prop_assert_eq!(log.append(&items).unwrap(), model.len() as u64);
                    model.extend(owned);
                }
                Step::Trim(up_to) => log.trim(up_to).unwrap(),
                Step::Sync => prop_assert_eq!(log.sync().unwrap(), model.len() as u64),
            }
        }
        let first = log.first_offset();
        let kept = &model[first as usize..];
        prop_assert_eq!(&read(log.as_ref(), first).unwrap()[..], kept);
        for asked in asked {
            let expected = kept.iter().find(|(_, time, _)| *time >= asked).map(|(offset, ..)| *offset);
            prop_assert_eq!(log.offset_at(asked).unwrap(), expected);
            let from = first + asked % (kept.len() as u64 + 1);
            prop_assert_eq!(&read(log.as_ref(), from).unwrap()[..], &model[from as usize..]);
        }
    }
}
