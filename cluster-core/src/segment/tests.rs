//! Segment files: formats, damage, indexes, retention.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::conformance::{Owned, grow, read};
use super::*;
use crate::disk::{Disk, FaultyDisk};

pub(super) const DIR: &str = "/s";
pub(super) const STREAM: u64 = 5;

pub(super) fn try_open(faulty: &FaultyDisk) -> Result<(SegmentLog, SegmentRecovery), Error> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    SegmentLog::open(&disk, Path::new(DIR), STREAM, 30_000)
}

pub(super) fn open(disk: &FaultyDisk) -> SegmentLog {
    try_open(disk).unwrap().0
}

/// Three sealed segments and one that is written, all synced.
pub(super) fn filled() -> (FaultyDisk, Vec<Owned>, Vec<PathBuf>) {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    while log.segments().len() < 4 {
        grow(&log, 6, 3);
    }
    grow(&log, 9, 3);
    log.sync().unwrap();
    assert_eq!(log.segments().len(), 4);
    let segments = log.segments().iter().map(|segment| file::path(Path::new(DIR), segment.first)).collect();
    (disk, read(&log, 0).unwrap(), segments)
}

pub(super) fn flip(disk: &FaultyDisk, path: &Path, at: usize) {
    let mut bytes = disk.contents(path).unwrap();
    bytes[at] ^= 0x10;
    disk.overwrite(path, bytes);
}

fn damage<T: std::fmt::Debug>(result: Result<T, Error>) -> (PathBuf, u64) {
    match result {
        Err(Error::Damaged { file, offset, .. }) => (file, offset),
        other => panic!("expected damage, got {other:?}"),
    }
}

/// The first damage, or the indexes that were made again.
pub(super) fn verify(log: &SegmentLog) -> Result<Vec<PathBuf>, Error> {
    let mut damage = None;
    let replaced = log.verify(&mut |error| {
        damage.get_or_insert(error);
    });
    damage.map_or(Ok(replaced), Err)
}

#[test]
fn a_stream_comes_back_at_the_next_start() {
    let (disk, records, _) = filled();
    let (log, recovery) = try_open(&disk).unwrap();
    assert_eq!((recovery.first, recovery.next, recovery.cut), (0, records.len() as u64, None));
    assert_eq!(read(&log, 0).unwrap(), records);
    assert_eq!(verify(&log).unwrap(), Vec::<PathBuf>::new());
    grow(&log, 100, 4);
    assert_eq!(read(&log, 0).unwrap().len(), records.len() + 100);
}

#[test]
fn the_format_is_as_it_is_drawn() {
    let identity = batch::Identity { stream: 1, base: 7, salt: 3 };
    let header = file::header(identity);
    assert_eq!(&header[..16], b"PYRASEGM\0\0\0\x01\0\0\0\x04");
    assert_eq!(header[16..40], [&1u64.to_be_bytes()[..], &7u64.to_be_bytes(), &3u64.to_be_bytes()].concat());
    let mut buffer = Vec::new();
    let items = [Item { timestamp: 2, bytes: b"ab" }, Item { timestamp: 1, bytes: b"" }];
    let batch = batch::encode(&mut buffer, identity, 64, 7, &items);
    assert_eq!(&buffer[..12], b"PYB1\0\0\0\x1a\0\0\0\x02");
    assert_eq!(&buffer[28..], b"\0\0\0\0\0\0\0\x02\0\0\0\x02ab\0\0\0\0\0\0\0\x01\0\0\0\0");
    assert_eq!((batch.next(), batch.bytes()), (9, 54));
    let mut tally = cursor::Tally::new(identity);
    let point = tally.add(&batch, &buffer, [2, 1].into_iter()).unwrap();
    assert_eq!(point, cursor::Point { offset: 7, time: 0, position: 64 });
    let footer = tally.footer;
    assert_eq!((footer.next, footer.batches, footer.min_time, footer.max_time), (9, 1, 1, 2));
    assert_eq!((footer.entries, footer.end), (1, 118));
    assert_eq!(footer.crc, crc32c::crc32c(&[&header[..], &buffer].concat()));
    assert_eq!(file::Footer::decode(&footer.encode(identity), identity, 118), Some(footer));
    // Vectors: a change of the format shows here.
    assert_eq!(crc32c::crc32c(&header), 2_627_542_757);
    assert_eq!(crc32c::crc32c(&[&buffer[..], &footer.encode(identity)].concat()), 2_320_228_306);
}

#[test]
fn every_flip_in_a_sealed_segment_is_found_and_never_served() {
    let (disk, records, segments) = filled();
    let path = &segments[1];
    let whole = disk.contents(path).unwrap();
    let (mut at_open, mut at_read) = (0, 0);
    for at in (0..whole.len()).filter(|at| at % 41 == 0 || *at < 200 || *at + 70 > whole.len()) {
        flip(&disk, path, at);
        match try_open(&disk) {
            Err(error) => {
                let expected = if at < 64 { 0 } else { whole.len() as u64 - 64 };
                assert_eq!(damage(Err::<(), _>(error)), (path.clone(), expected), "flip at {at}");
                at_open += 1;
            }
            Ok((log, _)) => {
                let mut found = Vec::new();
                let result = log.read(0, &mut |record| {
                    found.push((record.offset, record.timestamp, record.bytes.to_vec()));
                    true
                });
                let (file, offset) = damage(result);
                assert!(file == *path && offset <= at as u64 && offset + 3000 > at as u64, "flip at {at}: {offset}");
                assert_eq!(found[..], records[..found.len()], "nothing wrong is served");
                assert_eq!(damage(verify(&log)).0, *path);
                at_read += 1;
            }
        }
        disk.overwrite(path, whole.clone());
    }
    assert!(at_open == 64 + 64 && at_read > 500, "{at_open} {at_read}");
    assert_eq!(read(&open(&disk), 0).unwrap(), records);
}

#[test]
fn every_flip_in_what_was_synced_of_the_last_segment_is_found_at_open() {
    let (disk, _, segments) = filled();
    let path = &segments[3];
    let whole = disk.contents(path).unwrap();
    for at in (0..whole.len()).filter(|at| at % 13 == 0 || *at < 160) {
        flip(&disk, path, at);
        let (file, offset) = damage(try_open(&disk));
        assert!(file == *path && offset <= at as u64, "flip at {at}: {offset}");
        disk.overwrite(path, whole.clone());
    }
    for length in [0, 63, 64, whole.len() - 1] {
        disk.overwrite(path, whole[..length].to_vec());
        assert_eq!(damage(try_open(&disk)).0, *path);
    }
}

#[test]
fn indexes_are_made_again_byte_by_byte() {
    let (disk, records, segments) = filled();
    let indexes: Vec<PathBuf> =
        segments[..3].iter().flat_map(|segment| index::IndexKind::BOTH.map(|kind| kind.path(segment))).collect();
    let originals: Vec<Vec<u8>> = indexes.iter().map(|path| disk.contents(path).unwrap()).collect();
    assert!(originals.iter().all(|bytes| bytes.len() == 4096));
    for (path, original) in indexes.iter().zip(&originals) {
        let damages: [&dyn Fn(); 4] = [
            &|| disk.lose(path),
            &|| disk.overwrite(path, Vec::new()),
            &|| disk.overwrite(path, original[..4000].to_vec()),
            &|| disk.overwrite(path, vec![0xee; 9000]),
        ];
        for harm in damages {
            harm();
            let log = open(&disk);
            assert_eq!(verify(&log).unwrap(), std::slice::from_ref(path));
            assert_eq!(disk.contents(path).as_ref(), Some(original));
            harm();
            // A reader makes it again as well, and the answer is right at once.
            assert_eq!(read(&log, 20).unwrap(), records[20..]);
            for offset in (0..records.len() as u64).step_by(9) {
                assert_eq!(log.offset_at(offset * 10).unwrap(), Some(offset));
            }
            log.read(0, &mut |_| true).unwrap();
            for segment in log.segments() {
                log.read(segment.first, &mut |_| false).unwrap();
            }
            if disk.contents(path).unwrap().len() != 9000 {
                assert_eq!(disk.contents(path).as_ref(), Some(original));
            }
        }
    }
    for at in (0..4096).filter(|at| at % 37 == 0 || *at < 40) {
        flip(&disk, &indexes[2], at);
        assert_eq!(read(&open(&disk), 40).unwrap(), records[40..]);
        assert_eq!(
            verify(&open(&disk)).unwrap().len() + usize::from(disk.contents(&indexes[2]).unwrap() == originals[2]),
            1
        );
    }
}

#[test]
fn a_full_disk_while_an_index_is_made_again_costs_time_only() {
    let (disk, records, segments) = filled();
    let log = open(&disk);
    let path = index::IndexKind::Offsets.path(&segments[0]);
    disk.lose(&path);
    disk.set_capacity(Some(disk.used()));
    assert_eq!(read(&log, 5).unwrap(), records[5..]);
    assert_eq!(disk.contents(&path), None);
    assert!(matches!(verify(&log), Err(Error::DiskFull { .. })));
    disk.set_capacity(None);
    assert_eq!(read(&log, 5).unwrap(), records[5..]);
    assert!(disk.contents(&path).is_some());
}

#[test]
fn a_long_segment_has_many_index_pages() {
    let faulty = FaultyDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let (log, _) = SegmentLog::open(&disk, Path::new(DIR), STREAM, 8 << 20).unwrap();
    let large = vec![7; 6000];
    for offset in 0..1400u64 {
        log.append(&[Item { timestamp: offset / 3, bytes: &large }]).unwrap();
    }
    assert_eq!(log.segments().len(), 2, "one is sealed");
    for asked in (0..1400).step_by(61) {
        let mut first = None;
        log.read(asked, &mut |record| {
            first = Some(record.offset);
            false
        })
        .unwrap();
        assert_eq!(first, Some(asked));
        assert_eq!(log.offset_at(asked / 3).unwrap(), Some(asked / 3 * 3));
    }
    let path = index::IndexKind::Times.path(&file::path(Path::new(DIR), 0));
    let original = faulty.contents(&path).unwrap();
    assert_eq!(original.len(), 6 * 4096);
    faulty.lose(&path);
    assert_eq!(verify(&log).unwrap(), std::slice::from_ref(&path));
    assert_eq!(faulty.contents(&path), Some(original));
}

#[test]
fn missing_and_foreign_files_are_named() {
    let (disk, records, segments) = filled();
    for (which, segment) in segments.iter().enumerate() {
        let whole = disk.contents(segment).unwrap();
        disk.lose(segment);
        assert_eq!(
            damage(try_open(&disk)),
            if which == 3 { (segments[2].clone(), whole_end(&disk, &segments[2])) } else { (segment.clone(), 0) }
        );
        let other = disk.contents(&segments[(which + 1) % 4]).unwrap();
        disk.overwrite(segment, other);
        assert_eq!(damage(try_open(&disk)), (segment.clone(), 0), "another segment under this name");
        disk.overwrite(segment, whole);
    }
    let synced = Path::new(DIR).join("synced");
    let slot = disk.contents(&synced).unwrap();
    disk.lose(&synced);
    assert_eq!(damage(try_open(&disk)), (synced.clone(), 0));
    disk.overwrite(&synced, slot);
    for name in ["notes", "1.seg", "x.offsets"] {
        disk.overwrite(&Path::new(DIR).join(name), vec![1, 2, 3]);
    }
    assert_eq!(read(&open(&disk), 0).unwrap(), records);
    segments.iter().for_each(|segment| disk.lose(segment));
    assert_eq!(damage(try_open(&disk)), (segments[0].clone(), 0));
}

fn whole_end(disk: &FaultyDisk, path: &Path) -> u64 {
    // The segment before the lost one is now the last; its footer is no batch.
    disk.contents(path).unwrap().len() as u64 - 64
}

#[test]
fn a_full_disk_stops_appends_and_nothing_is_lost() {
    let (disk, records, _) = filled();
    let log = open(&disk);
    disk.set_capacity(Some(disk.used() + 100));
    let large = vec![1; 400];
    assert!(matches!(log.append(&[Item { timestamp: 0, bytes: &large }]), Err(Error::DiskFull { .. })));
    assert!(log.failure().is_some());
    disk.set_capacity(None);
    let (log, recovery) = try_open(&disk).unwrap();
    assert_eq!(recovery.next, records.len() as u64);
    assert!(recovery.cut.is_some(), "the part that fitted");
    assert_eq!(read(&log, 0).unwrap(), records);
}

#[test]
fn retention_lets_whole_segments_go() {
    let segment =
        |first: u64, max_time: u64, bytes: u64| SegmentInfo { first, next: first + 10, bytes, min_time: 0, max_time };
    let segments = [segment(0, 100, 50), segment(10, 300, 50), segment(20, 200, 50), segment(30, 400, 50)];
    let trim = |max_age_ms, max_bytes, now| Retention { max_age_ms, max_bytes }.trim_to(&segments, now);
    assert_eq!(trim(None, None, u64::MAX), 0, "for ever");
    assert_eq!((trim(Some(50), None, 150), trim(Some(50), None, 151), trim(Some(50), None, 300)), (0, 10, 10));
    assert_eq!((trim(Some(50), None, 351), trim(Some(50), None, u64::MAX)), (30, 30), "the last one stays");
    assert_eq!(trim(Some(u64::MAX), None, u64::MAX), 0);
    assert_eq!((trim(None, Some(151), 0), trim(None, Some(150), 0), trim(None, Some(100), 0)), (0, 10, 20));
    assert_eq!(trim(None, Some(0), 0), 30);
    assert_eq!(trim(Some(50), Some(100), 151), 20, "either limit");
    assert_eq!(Retention::default().trim_to(&[], 5), 0);
}

proptest! {
    #[test]
    fn no_decoder_panics_on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz::file(&bytes);
        fuzz::parts(&bytes);
    }

    /// Valid batches of the right file, and their seal, mutated.
    #[test]
    fn no_decoder_panics_on_mutated_files(count in 1u64..8, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut: prop::sample::Index) {
        let faulty = FaultyDisk::new(0);
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let (log, _) = SegmentLog::open(&disk, Path::new("/fuzz"), 1, 10).unwrap();
        grow(&log, count, count);
        grow(&log, 1, 1);
        let mut bytes = faulty.contents(Path::new("/fuzz/00000000000000000000.seg")).unwrap()[64..].to_vec();
        prop_assert!(fuzz::file(&bytes));
        for (at, flip) in edits {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        prop_assert!(fuzz::file(&bytes));
        fuzz::parts(&bytes);
    }
}

#[test]
fn the_parts_that_fuzzers_try_are_accepted() {
    // That of the segment which the fuzzed file begins.
    let salt = FaultyDisk::new(0).nonce().unwrap();
    let identity = batch::Identity { stream: 1, base: 0, salt };
    let mut buffer = Vec::new();
    let header = batch::encode(&mut buffer, identity, 64, 0, &[Item { timestamp: 2, bytes: &[7; 8] }]);
    assert!(fuzz::parts(&buffer));
    let mut tally = cursor::Tally::new(identity);
    tally.add(&header, &buffer, [2].into_iter());
    assert!(fuzz::parts(&tally.footer.encode(identity)) && fuzz::parts(&[0; 16]));
}
