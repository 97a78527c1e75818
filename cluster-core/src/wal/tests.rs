//! The WAL over crashes, resets and rotations.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;

const DIR: &str = "/member/wal";

fn open(disk: &FaultyDisk, rotate_at: u64) -> (WalFile, WalRecovery, Option<CutTail>) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    WalFile::open(&disk, Path::new(DIR), rotate_at).unwrap()
}

fn entry(number: u64) -> Bytes {
    Bytes::from(format!("entry {number}"))
}

fn log_file(disk: &FaultyDisk) -> PathBuf {
    let mut logs = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
    let file = logs.next().unwrap();
    assert_eq!(logs.next(), None);
    file
}

#[test]
fn entries_come_back_until_the_reset() {
    let disk = FaultyDisk::new(1);
    let (mut wal, recovery, cut) = open(&disk, 1 << 20);
    assert_eq!((recovery, cut), (WalRecovery::default(), None));
    assert_eq!(wal.append(&[entry(0), entry(1)]).unwrap(), 0);
    assert_eq!(wal.append(&[entry(2)]).unwrap(), 2);
    let (mut wal, recovery, _) = open(&disk, 1 << 20);
    assert_eq!(recovery.entries, [entry(0), entry(1), entry(2)]);
    assert_eq!(wal.entries(), 3);
    wal.reset(5).unwrap();
    assert_eq!(wal.append(&[entry(9)]).unwrap(), 0);
    let (_, recovery, _) = open(&disk, 1 << 20);
    assert_eq!(recovery, WalRecovery { height: 5, entries: vec![entry(9)], truncated: false });
}

#[test]
fn a_big_log_moves_to_a_new_file_at_the_reset() {
    let disk = FaultyDisk::new(1);
    let (mut wal, ..) = open(&disk, 100);
    for height in 1..20 {
        for number in 0..10 {
            wal.append(&[entry(number)]).unwrap();
        }
        wal.reset(height).unwrap();
        let (_, recovery, _) = open(&disk, 100);
        assert_eq!(recovery, WalRecovery { height, entries: vec![], truncated: false });
        assert_eq!(log_file(&disk), Path::new(DIR).join(file_name(height + 1)));
        assert_eq!(disk.used(), crate::frame::FILE_HEADER);
    }
}

#[test]
fn a_torn_last_entry_is_cut_told_and_remembered_until_the_reset() {
    let disk = FaultyDisk::new(1);
    let (mut wal, ..) = open(&disk, 1 << 20);
    wal.append(&[entry(0)]).unwrap();
    wal.append(&[entry(1)]).unwrap();
    let file = log_file(&disk);
    let mut bytes = disk.contents(&file).unwrap();
    let end = bytes.len();
    bytes.truncate(end - 3);
    disk.overwrite(&file, bytes);
    let (_, recovery, cut) = open(&disk, 1 << 20);
    assert_eq!(recovery, WalRecovery { height: 0, entries: vec![entry(0)], truncated: true });
    let cut = cut.unwrap();
    assert_eq!((cut.file, cut.offset + cut.bytes), (file, end as u64 - 3));
    // The process dies before it could act on it; the next one must still know.
    disk.crash();
    let (mut wal, recovery, cut) = open(&disk, 1 << 20);
    assert_eq!((recovery.truncated, cut), (true, None));
    wal.append(&[entry(7)]).unwrap();
    wal.reset(1).unwrap();
    disk.crash();
    let (_, recovery, _) = open(&disk, 1 << 20);
    assert_eq!(recovery, WalRecovery { height: 1, entries: vec![], truncated: false });
}

#[test]
fn damage_before_the_end_is_refused_and_nothing_is_changed() {
    let disk = FaultyDisk::new(1);
    let (mut wal, ..) = open(&disk, 1 << 20);
    wal.append(&[entry(0)]).unwrap();
    wal.append(&[entry(1)]).unwrap();
    let file = log_file(&disk);
    let mut bytes = disk.contents(&file).unwrap();
    bytes[64 + 20] ^= 1;
    disk.overwrite(&file, bytes.clone());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let error = WalFile::open(&shared, Path::new(DIR), 1).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file: found, offset: 64, .. } if *found == file), "{error}");
    assert!(error.to_string().contains("is damaged at offset 64"), "{error}");
    assert_eq!(disk.contents(&file).unwrap(), bytes);
}

#[test]
fn a_frame_that_checks_but_holds_no_records_is_damage() {
    let disk = FaultyDisk::new(1);
    let (mut wal, ..) = open(&disk, 1 << 20);
    wal.frames.append(&[b"\x09garbage"]).unwrap();
    wal.frames.sync().unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    assert!(matches!(WalFile::open(&shared, Path::new(DIR), 1), Err(Error::Damaged { offset: 80, .. })));
}

#[test]
fn old_files_and_half_made_ones_are_removed() {
    let disk = FaultyDisk::new(1);
    let (mut wal, ..) = open(&disk, 0);
    wal.append(&[entry(0)]).unwrap();
    let old = log_file(&disk);
    let bytes = disk.contents(&old).unwrap();
    wal.reset(3).unwrap();
    // The removal was lost, and a next rotation was cut half way.
    disk.overwrite(&old, bytes);
    disk.overwrite(&Path::new(DIR).join(file_name(3) + ".tmp"), vec![1, 2, 3]);
    let (_, recovery, _) = open(&disk, 0);
    assert_eq!(recovery, WalRecovery { height: 3, entries: vec![], truncated: false });
    assert_eq!(disk.files(), [Path::new(DIR).join(file_name(2))]);
}

/// What the model says the log must hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    height: u64,
    entries: Vec<Bytes>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![3 => (1u8..4).prop_map(Step::Append), 1 => Just(Step::Reset)], 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A power cut at any operation leaves what was acknowledged, or that and the step in flight; never a mix, never less.
    #[test]
    fn power_cuts_at_any_operation(seed: u64, steps in steps(), operations in 0u64..60, rotate_at in prop_oneof![Just(0u64), 1u64..400]) {
        let disk = FaultyDisk::new(seed);
        let (mut wal, ..) = open(&disk, rotate_at);
        disk.cut_power_after(operations);
        let mut durable = Model::default();
        let mut flight = durable.clone();
        let mut number = 0;
        for step in steps {
            let done = match step {
                Step::Append(count) => {
                    let entries: Vec<Bytes> = (0..count).map(|more| entry(number + u64::from(more))).collect();
                    number += u64::from(count);
                    flight.entries.extend(entries.clone());
                    wal.append(&entries).map(|_| ())
                }
                Step::Reset => {
                    flight = Model { height: flight.height + 1, entries: Vec::new() };
                    wal.reset(flight.height)
                }
            };
            if done.is_err() {
                break;
            }
            durable = flight.clone();
        }
        disk.crash();
        let (mut wal, recovery, cut) = open(&disk, rotate_at);
        let found = Model { height: recovery.height, entries: recovery.entries };
        prop_assert!(found == durable || found == flight, "{found:?} is neither {durable:?} nor {flight:?}");
        prop_assert!(cut.is_none() || recovery.truncated);
        // And it goes on.
        wal.append(&[entry(1000)]).unwrap();
        disk.crash();
        let (_, recovery, _) = open(&disk, rotate_at);
        prop_assert_eq!(recovery.entries.last(), Some(&entry(1000)));
    }

    #[test]
    fn records_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut total = 0;
        let read = read_records(&bytes, |record| total += match record {
            Record::Entry(entry) => RECORD_HEADER + entry.len(),
            Record::Reset(_) => RECORD_HEADER + 8,
        });
        prop_assert!(read.is_none() || total == bytes.len());
    }

    #[test]
    fn records_round_trip_and_mutations_do_not_panic(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10), at: prop::sample::Index, flip: u8
    ) {
        let mut payload = Vec::new();
        for entry in &entries {
            write_record(&mut payload, ENTRY, entry);
        }
        write_record(&mut payload, RESET, &7u64.to_be_bytes());
        let mut found = Vec::new();
        let mut height = 0;
        read_records(&payload, |record| match record {
            Record::Entry(entry) => found.push(entry.to_vec()),
            Record::Reset(at) => height = at,
        }).unwrap();
        prop_assert_eq!((found, height), (entries, 7));
        let at = at.index(payload.len());
        payload[at] ^= flip;
        let _may_fail = read_records(&payload, |_| ());
    }
}
