use std::os::unix::fs::PermissionsExt;

use super::*;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

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

#[test]
fn keys_and_passwords_that_others_may_use_are_refused_with_the_command_that_mends_them() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(&dir.path().join("a home"));
    home.create().unwrap();
    NodeKeys::generate().unwrap().save(&home, b"secret", KdfParams::CHEAPEST).unwrap();
    let password = home.keys().join("password");
    write_atomic(&password, b"secret\n", SECRET).unwrap();
    refuse_readable(&home, &password).unwrap();
    refuse_readable(&home, Path::new("")).unwrap();
    for (path, mode) in
        [(home.validator_key(), 0o640), (home.log_key(), 0o604), (home.peer_key(), 0o620), (password.clone(), 0o644)]
    {
        chmod(&path, mode);
        let message = refuse_readable(&home, &password).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        assert!(message.contains(&format!("(mode {mode:04o})")), "{message}");
        assert!(message.contains(&format!("`chmod 600 '{}'`", path.display())), "{message}");
        chmod(&path, 0o400);
        refuse_readable(&home, &password).unwrap();
    }
    // All of them stand in one command, and a password file elsewhere is not the node's to judge.
    chmod(&home.log_key(), 0o644);
    chmod(&password, 0o644);
    let message = refuse_readable(&home, &password).unwrap_err().to_string();
    assert!(message.contains("log.key' '") && message.contains("password'`"), "{message}");
    chmod(&home.log_key(), 0o600);
    let elsewhere = dir.path().join("password");
    write_atomic(&elsewhere, b"secret\n", 0o644).unwrap();
    refuse_readable(&home, &elsewhere).unwrap();
}
