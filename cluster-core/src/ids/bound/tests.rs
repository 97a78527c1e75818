//! The record of the bound, and every way to lose one of the files.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::testkit::{StepClock, dir};
use crate::ids::{Scarab, ScarabOptions, Scarabs};

const NOW: u64 = 50_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn node(number: u64) -> NodeNumber {
    NodeNumber::new(number).unwrap()
}

/// A generator whose clock was an hour ahead of now for one id.
fn drawn() -> (FaultyDisk, Scarabs<StepClock>, Scarab) {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    Scarabs::make(dir(), node(7), &disk).unwrap();
    let options = ScarabOptions { manual: true, ..ScarabOptions::of(node(7)) };
    let scarabs = Scarabs::open_with(dir(), options, &disk, clock.clone()).unwrap();
    clock.step(HOUR_MS as i64);
    let high = scarabs.next().unwrap();
    clock.set(NOW);
    (disk, scarabs, high)
}

/// [`drawn`], and then a crash.
fn crashed() -> (FaultyDisk, Scarab) {
    let (disk, scarabs, high) = drawn();
    disk.crash();
    drop(scarabs);
    (disk, high)
}

/// Opens it, now.
fn open(disk: &FaultyDisk, number: u64) -> Result<Scarabs<StepClock>, Error> {
    let options = ScarabOptions { manual: true, ..ScarabOptions::of(node(number)) };
    Scarabs::open_with(dir(), options, disk, StepClock::at(NOW))
}

fn first(disk: &FaultyDisk) -> Scarab {
    open(disk, 7).unwrap().next().unwrap()
}

fn bound() -> PathBuf {
    dir().join(BOUND)
}

fn mark() -> PathBuf {
    dir().join(MARK)
}

#[test]
fn a_missing_file_is_refused_and_its_twin_is_as_good() {
    for (lost, twin) in [(bound(), mark()), (mark(), bound())] {
        let (disk, high) = crashed();
        disk.lose(&lost);
        assert_eq!(Scarabs::used_by(dir(), &disk).unwrap(), Some(node(7)));
        assert!(matches!(Scarabs::make(dir(), node(7), &disk), Err(Error::IdsUsed { .. })));
        let message = open(&disk, 7).unwrap_err().to_string();
        let (lost_name, remedy) = (lost.display(), format!(": cp {} {}", twin.display(), lost.display()));
        assert!(message.starts_with(&format!("{lost_name} is missing")) && message.ends_with(&remedy), "{message}");
        assert!(disk.contents(&lost).is_none(), "nothing is made");
        disk.overwrite(&lost, disk.contents(&twin).unwrap());
        assert!(first(&disk) > high);
    }
}

#[test]
fn a_directory_without_both_files_is_refused() {
    let (disk, _) = crashed();
    disk.lose(&bound());
    disk.lose(&mark());
    let error = open(&disk, 7).unwrap_err();
    assert!(error.to_string().starts_with("bound and mark are missing from /ids: "), "{error}");
    assert!(disk.contents(&bound()).is_none() && disk.contents(&mark()).is_none(), "nothing is made");
}

#[test]
fn an_older_bound_is_refused_and_an_older_mark_takes_nothing_away() {
    let (disk, scarabs, _) = drawn();
    let older = [bound(), mark()].map(|path| disk.contents(&path).unwrap());
    scarabs.range(1 << 20).unwrap();
    let high = scarabs.range(1 << 20).unwrap().last().unwrap();
    while scarabs.next().unwrap().time_ms() < NOW + HOUR_MS + AHEAD_MS {
        scarabs.range(1 << 20).unwrap();
    }
    let high = high.max(scarabs.next().unwrap());
    disk.crash();
    drop(scarabs);
    let newer = disk.contents(&bound()).unwrap();
    disk.overwrite(&bound(), older[0].clone());
    let message = open(&disk, 7).unwrap_err().to_string();
    assert!(message.starts_with("/ids/bound is older than its mark") && message.ends_with("cp /ids/mark /ids/bound"));
    disk.overwrite(&bound(), newer);
    disk.overwrite(&mark(), older[1].clone());
    assert!(first(&disk) > high);
}

#[test]
fn another_number_is_refused_once_it_was_opened() {
    let disk = FaultyDisk::new(1);
    for number in [8, 7] {
        Scarabs::make(dir(), node(number), &disk).unwrap();
        assert_eq!(Scarabs::used_by(dir(), &disk).unwrap(), None);
    }
    let error = open(&disk, 8).unwrap_err();
    assert!(matches!(error, Error::OtherNodeNumber { found, asked, .. } if (found, asked) == (node(7), node(8))));
    open(&disk, 7).unwrap().next().unwrap();
    assert!(matches!(Scarabs::make(dir(), node(8), &disk), Err(Error::IdsUsed { .. })));
}

#[test]
fn one_damaged_copy_loses_nothing_and_two_are_refused() {
    for (path, at) in [bound(), mark()].into_iter().flat_map(|path| [50, 4096 + 50].map(|at| (path.clone(), at))) {
        let (disk, high) = crashed();
        let whole = disk.contents(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        disk.overwrite(&path, bytes);
        assert!(first(&disk) > high);
        let mut bytes = whole.clone();
        bytes[50] ^= 1;
        bytes[4096 + 50] ^= 1;
        for damaged in [bytes, whole[..8191].to_vec(), whole[..4096].to_vec(), Vec::new()] {
            disk.overwrite(&path, damaged);
            assert!(matches!(open(&disk, 7), Err(Error::Damaged { file, .. }) if file == path));
        }
    }
}

#[test]
fn a_record_of_another_kind_is_refused() {
    for record in [&b""[..], &[1; 11], &[2; 12], &[2; 11], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let (disk, _) = crashed();
        SlotFile::open(&disk, &bound()).unwrap().put(record).unwrap();
        assert!(matches!(open(&disk, 7), Err(Error::Damaged { .. })), "{record:?}");
    }
}

#[test]
fn a_record_has_eleven_bytes() {
    let record = Record { node: node(0x0102), bound_ms: 0x0304 };
    assert_eq!(record.encode(), [2, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
}

proptest! {
    #[test]
    fn records_come_back(number in 0u64..1024, bound_ms in 0..=END_MS) {
        let record = Record { node: node(number), bound_ms };
        prop_assert_eq!(Record::decode(&record.encode()), Some(record));
    }
}
