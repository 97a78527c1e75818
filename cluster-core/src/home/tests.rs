//! One owner, one format.

use std::path::Path;

use super::*;
use crate::disk::{FaultyDisk, RealDisk};

fn dir() -> &'static Path {
    Path::new("/member")
}

#[test]
fn a_new_home_gets_a_format_and_opens_again() {
    let disk = FaultyDisk::new(1);
    assert!(Home::open(&disk, dir()).unwrap().created);
    assert_eq!(disk.contents(&dir().join("FORMAT")).unwrap(), b"pyralog-data 2\n");
    assert!(!Home::open(&disk, dir()).unwrap().created);
}

#[test]
fn a_second_start_is_refused_with_the_pid_and_allowed_after_the_first_ended() {
    let real = tempfile::tempdir().unwrap();
    let home = Home::open(&RealDisk, real.path()).unwrap();
    let error = Home::open(&RealDisk, real.path()).unwrap_err();
    let expected = format!("{} is in use by process {}; stop it first", real.path().display(), std::process::id());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.is_fatal());
    drop(home);
    Home::open(&RealDisk, real.path()).unwrap();
}

#[test]
fn other_formats_are_refused_with_a_sentence() {
    let disk = FaultyDisk::new(1);
    drop(Home::open(&disk, dir()).unwrap());
    let format = dir().join("FORMAT");
    disk.overwrite(&format, b"pyralog-data 1\n".to_vec());
    let older = Home::open(&disk, dir()).unwrap_err();
    assert!(matches!(older, Error::OlderFormat { found: 1, expected: 2, .. }));
    assert!(older.to_string().contains("start with an empty --home"), "{older}");
    disk.overwrite(&format, b"pyralog-data 99\n".to_vec());
    let newer = Home::open(&disk, dir()).unwrap_err();
    assert!(newer.to_string().contains("upgrade pyralogd"), "{newer}");
    for garbage in [&b""[..], b"pyralog-data 1", b"pyralog-data x\n", &[0xff; 64]] {
        disk.overwrite(&format, garbage.to_vec());
        assert!(matches!(Home::open(&disk, dir()), Err(Error::NotAHome { .. })));
    }
}

#[test]
fn data_without_a_format_is_refused() {
    let disk = FaultyDisk::new(1);
    disk.create_dir(&dir().join("logs")).unwrap();
    let error = Home::open(&disk, dir()).unwrap_err();
    assert!(error.to_string().contains("it holds logs but no file FORMAT"), "{error}");
    // A file of the node beside ours is not data of ours.
    let disk = FaultyDisk::new(1);
    disk.overwrite(&dir().join("endpoints.json"), b"{}".to_vec());
    Home::open(&disk, dir()).unwrap();
}

#[test]
fn a_crash_while_a_home_is_made_does_not_spoil_it() {
    for seed in 0..50 {
        for operations in 0..8 {
            let disk = FaultyDisk::new(seed);
            disk.cut_power_after(operations);
            let _may_fail = Home::open(&disk, dir());
            disk.crash();
            Home::open(&disk, dir()).unwrap();
        }
    }
}
