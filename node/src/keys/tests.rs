use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn keys_survive_sealing_and_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    home.create().unwrap();
    let keys = NodeKeys::generate().unwrap();
    keys.save(&home, b"secret", KdfParams::CHEAPEST).unwrap();
    assert_eq!(NodeKeys::load(&home, b"secret").unwrap().public(), keys.public());
    assert_eq!(PublicKeys::load(&home).unwrap(), keys.public());
    assert_eq!(std::fs::metadata(home.log_key()).unwrap().permissions().mode() & 0o777, 0o600);
    let again = NodeKeys::generate().unwrap().save(&home, b"secret", KdfParams::CHEAPEST).unwrap_err();
    assert!(again.to_string().contains("never overwritten"));
}

#[test]
fn a_wrong_passphrase_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    home.create().unwrap();
    NodeKeys::generate().unwrap().save(&home, b"secret", KdfParams::CHEAPEST).unwrap();
    let message = NodeKeys::load(&home, b"other").err().expect("must be refused").to_string();
    assert!(message.contains("validator.key") && message.contains("passphrase"), "{message}");
}

#[test]
fn a_password_file_is_its_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "first\r\nsecond\n").unwrap();
    assert_eq!(passphrase(&file, true).unwrap().as_slice(), b"first");
    std::fs::write(&file, "\n").unwrap();
    assert!(passphrase(&file, false).unwrap_err().to_string().contains("is empty"));
}
