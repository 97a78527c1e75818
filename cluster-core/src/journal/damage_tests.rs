//! Every way in which the files of a journal must not be read.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::tests::{DIR, Groups, bytes, open, path, put};
use super::*;
use crate::disk::FaultyDisk;

fn flip(disk: &FaultyDisk, path: &Path, at: usize) {
    let mut bytes = disk.contents(path).unwrap();
    bytes[at] ^= 0x40;
    disk.overwrite(path, bytes);
}

fn damage(result: Result<(Journal, Groups, JournalRecovery), Error>) -> (PathBuf, u64) {
    match result {
        Err(Error::Damaged { file, offset, .. }) => (file, offset),
        other => panic!("expected damage, got {:?}", other.map(|(_, groups, recovery)| (groups, recovery))),
    }
}

#[test]
fn every_flip_in_the_last_group_is_a_torn_tail_that_is_named() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    put(&mut journal, 0, 50);
    put(&mut journal, 1, 5000);
    let whole = disk.contents(&path(0)).unwrap();
    for at in 2 * 4096..4 * 4096 {
        disk.overwrite(&path(0), whole.clone());
        flip(&disk, &path(0), at);
        let (_, groups, recovery) = open(&disk).unwrap();
        assert_eq!(groups.len(), 1, "flip at {at}");
        let cut = recovery.cut.unwrap();
        assert_eq!((cut.file, cut.offset), (path(0), 2 * 4096), "flip at {at}");
        assert_eq!(recovery.next_group, 2);
    }
}

#[test]
fn every_flip_elsewhere_is_damage_with_file_and_offset() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for round in 0..10 {
        put(&mut journal, round, 3000);
    }
    put(&mut journal, 10, 5000);
    journal.close().unwrap();
    let originals = [disk.contents(&path(0)).unwrap(), disk.contents(&path(1)).unwrap()];
    // After a clean stop that holds for the last group as well: blocks 4 and 5; block 6 is the empty group of the stop.
    for (number, end) in [(0, 8 * 4096), (1, 6 * 4096)] {
        for at in (0..end).filter(|at| at % 7 == 0 || at % 4096 < 64) {
            flip(&disk, &path(number), at);
            let (file, offset) = damage(open(&disk));
            let block = at as u64 / 4096;
            let expected = if number == 1 && block == 5 { 4 } else { block };
            assert_eq!((file, offset), (path(number), expected * 4096), "flip at {at}");
            disk.overwrite(&path(number), originals[number as usize].clone());
        }
    }
    assert_eq!(open(&disk).unwrap().1.len(), 11);
}

#[test]
fn a_flip_in_the_list_of_files_loses_nothing_in_silence() {
    for turns in [0, 1, 2, 5] {
        let disk = FaultyDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        for round in 0..turns * 7 + 3 {
            put(&mut journal, round, 3000);
        }
        let list = Path::new(DIR).join("files");
        let whole = disk.contents(&list).unwrap();
        for at in (0..8192).filter(|at| at % 97 == 0 || at % 4096 < 80 || at % 4096 > 4080) {
            flip(&disk, &list, at);
            match open(&disk) {
                Ok((_, groups, _)) => assert_eq!(groups.len() as u64, turns * 7 + 3, "flip at {at}"),
                Err(Error::Damaged { file, .. }) => assert_eq!(file, list, "flip at {at}"),
                Err(error) => panic!("flip at {at}: {error}"),
            }
            disk.overwrite(&list, whole.clone());
        }
    }
}

#[test]
fn missing_cut_and_foreign_files_are_named() {
    let fill = || {
        let disk = FaultyDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        for round in 0..20 {
            put(&mut journal, round, 3000);
        }
        assert_eq!(journal.files().0, 3);
        disk
    };
    for number in 0..3 {
        let disk = fill();
        disk.lose(&path(number));
        assert_eq!(damage(open(&disk)), (path(number), 0));
        let disk = fill();
        let whole = disk.contents(&path(number)).unwrap();
        for length in [0, 100, 4096, 4097, whole.len() - 1] {
            disk.overwrite(&path(number), whole[..length].to_vec());
            assert_eq!(damage(open(&disk)), (path(number), 0), "cut to {length}");
        }
        disk.overwrite(&path(number), vec![0x55; whole.len()]);
        assert_eq!(damage(open(&disk)), (path(number), 0));
        disk.overwrite(&path(number), disk.contents(&path((number + 1) % 3)).unwrap());
        assert_eq!(damage(open(&disk)), (path(number), 0), "another file of the journal");
    }
    let disk = fill();
    let list = Path::new(DIR).join("files");
    disk.lose(&list);
    assert_eq!(damage(open(&disk)), (list, 0));

    let disk = fill();
    for (name, bytes) in [("notes.txt", 3), ("journal-1", 5), ("journal-000009", 77), ("journal-000008.tmp", 5)] {
        disk.overwrite(&Path::new(DIR).join(name), vec![1; bytes]);
    }
    assert_eq!(open(&disk).unwrap().1.len(), 20);
    let names: Vec<PathBuf> = disk.files();
    assert!(names.contains(&Path::new(DIR).join("notes.txt")) && names.contains(&Path::new(DIR).join("journal-1")));
    assert_eq!(names.len(), 6, "half-made files and spare ones of another size go: {names:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A write that lands in another place, at any write: what is shown is what was appended, without a hole, or the damage is named.
    #[test]
    fn misdirected_writes_are_never_served(seed: u64, astray in 0u64..60, lengths in prop::collection::vec(0usize..9000, 1..20)) {
        let disk = FaultyDisk::new(seed);
        let (mut journal, ..) = open(&disk).unwrap();
        disk.misdirect_write_after(astray);
        let mut expected = Groups::new();
        for (round, length) in lengths.iter().enumerate() {
            let bytes = bytes(round as u64, *length);
            let Ok(group) = journal.append(&[Entry { stream: 7, position: 0, bytes: &bytes }]) else { break };
            expected.insert(group, vec![(7, 0, bytes)]);
            if round % 8 == 7 && journal.release(group - 3).is_err() {
                break;
            }
        }
        match open(&disk) {
            Ok((_, groups, recovery)) => {
                for (group, entries) in &groups {
                    prop_assert_eq!(Some(entries), expected.get(group));
                }
                // The last groups may be gone, since nothing behind them tells of them; a hole is never passed over.
                let numbers: Vec<u64> = groups.keys().copied().collect();
                prop_assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
                prop_assert_eq!(numbers.last().map_or(recovery.next_group, |last| last + 1), recovery.next_group);
            }
            Err(error) => prop_assert!(matches!(error, Error::Damaged { .. }), "{error}"),
        }
    }
}
