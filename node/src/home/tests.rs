use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_home_keeps_its_keys_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(&dir.path().join("new/home"));
    home.create().unwrap();
    assert_eq!(mode(&home.keys()), 0o700);
    write_atomic(&home.validator_key(), b"sealed", SECRET).unwrap();
    assert_eq!(mode(&home.validator_key()), 0o600);
    home.create().unwrap();
    assert_eq!(fs::read(home.validator_key()).unwrap(), b"sealed", "creating twice keeps what is there");
}

#[test]
fn a_second_process_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let held = HomeLock::take(&home).unwrap();
    let message = HomeLock::take(&home).unwrap_err().to_string();
    assert!(message.contains("already runs on this home"), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    drop(held);
    HomeLock::take(&home).unwrap();
}

#[test]
fn replacing_leaves_nothing_beside_and_reading_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    write_atomic(&path, b"12345", PUBLIC).unwrap();
    write_atomic(&path, b"123456", PUBLIC).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(read_bounded(&path, 6).unwrap(), b"123456");
    assert!(read_bounded(&path, 5).unwrap_err().to_string().contains("larger than 5 bytes"));
    assert!(read_bounded(&dir.path().join("none"), 5).unwrap_err().to_string().contains("none"));
}

#[test]
fn the_default_home_is_the_users() {
    assert_eq!(Home::default_root(&|_| Some("/h/x".to_owned())), Path::new("/h/x/.pyralog/node"));
}
