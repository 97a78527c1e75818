//! The keystore directory: one sealed key per file, `NAME.json`.

use std::fs;
use std::path::{Path, PathBuf};

use pyralog_crypto::keystore::{self, KeystoreInfo, MAX_KEYSTORE_BYTES, NONCE_BYTES, SALT_BYTES};
use pyralog_crypto::{KdfParams, KeystoreError, SigningKey};
use zeroize::Zeroizing;

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::home::HomeArgs;
use crate::output::shown;
use crate::receipt_file::quoted;

const EXTENSION: &str = "json";

/// A keystore directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct KeyStore {
    dir: PathBuf,
}

/// What the clear part of one key file says.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's name: its file name without `.json`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The clear part, or why it cannot be read.
    pub info: Result<KeystoreInfo>,
}

impl KeyStore {
    /// The keystore in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// ` --keystore DIR` for a command to type, empty where this is the default keystore.
    pub fn flag(&self) -> String {
        if HomeArgs::default().keystore().is_ok_and(|default| default == self.dir) {
            return String::new();
        }
        format!(" --keystore {}", quoted(&self.dir))
    }

    /// All keys in the order of their names. Files that are no keystores are listed with their error.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context(|| format!("cannot read the keystore {}", shown(&self.dir))),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.context(|| format!("cannot read the keystore {}", shown(&self.dir)))?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            if let Some(name) = name.filter(|name| check_name(name).is_ok())
                && path.extension().is_some_and(|extension| extension == EXTENSION)
            {
                let info = read(&path).and_then(|bytes| describe(&path, keystore::inspect(&bytes)));
                found.push(Entry { name, path, info });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The clear part of one key.
    pub fn entry(&self, name: &str) -> Result<(PathBuf, KeystoreInfo)> {
        let (path, bytes) = self.sealed(name)?;
        let info = describe(&path, keystore::inspect(&bytes))?;
        Ok((path, info))
    }

    /// The sealed file of one key.
    pub fn sealed(&self, name: &str) -> Result<(PathBuf, Vec<u8>)> {
        let path = self.path(name)?;
        if !path.is_file() {
            return Err(Failure::error(format!("there is no key {name} in {}", shown(&self.dir)))
                .next(format!("see `pyralog keys list{0}`, or make it: pyralog keys new {name}{0}", self.flag())));
        }
        let bytes = read(&path)?;
        Ok((path, bytes))
    }

    /// Opens a key.
    pub fn open(&self, name: &str, passphrase: &str) -> Result<SigningKey> {
        let (path, bytes) = self.sealed(name)?;
        describe(&path, keystore::open(&bytes, passphrase.as_bytes()))
    }

    /// Seals `key` and stores it as `name`, which must be new.
    pub fn add(&self, name: &str, key: &SigningKey, passphrase: &str) -> Result<PathBuf> {
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        random(&mut salt)?;
        random(&mut nonce)?;
        let sealed = keystore::seal(key, passphrase.as_bytes(), KdfParams::RECOMMENDED, salt, nonce)
            .context(|| "cannot seal the key".to_owned())?;
        self.add_sealed(name, &sealed)
    }

    /// Stores a sealed file as `name`, which must be new.
    pub fn add_sealed(&self, name: &str, sealed: &[u8]) -> Result<PathBuf> {
        let path = self.path(name)?;
        self.make_dir()?;
        match files::write(&path, sealed, files::SECRET, Existing::Keep) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(self.taken(name)),
            other => other.context(|| format!("cannot write {}", shown(&path))).map(|()| path),
        }
    }

    /// Fails when `name` is not usable for a new key; asked before the passphrase is.
    pub fn check_new(&self, name: &str) -> Result<()> {
        if self.path(name)?.symlink_metadata().is_ok() { Err(self.taken(name)) } else { Ok(()) }
    }

    fn taken(&self, name: &str) -> Failure {
        Failure::error(format!("the key {name} exists in {} and is never replaced", shown(&self.dir)))
            .next("choose another name")
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.dir.join(format!("{name}.{EXTENSION}")))
    }

    fn make_dir(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .context(|| format!("cannot make the keystore {}", shown(&self.dir)))
    }
}

/// Makes a key from the system's randomness.
pub fn generate() -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0u8; 32]);
    random(seed.as_mut_slice())?;
    Ok(SigningKey::from_seed(*seed))
}

/// Fills `bytes` from the system's randomness.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).context(|| "the system gives no randomness".to_owned())
}

/// A name is part of a file name: 1 to 64 letters, digits, `.`, `_`, `-`, not beginning with a dot.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{name:?} cannot name a key: 1 to 64 of a-z A-Z 0-9 . _ -, beginning with a letter, digit or underscore"
    )))
}

/// Says which file a keystore error is about, and what helps.
pub fn describe<T>(path: &Path, result: Result<T, KeystoreError>) -> Result<T> {
    result.map_err(|error| {
        let failure = Failure::error(format!("{}: {error}", shown(path)));
        match error {
            KeystoreError::WrongPassphrase => failure.next("try again, or name another file with --password-file FILE"),
            KeystoreError::Damaged => failure.next("restore the file from a copy: a sealed key cannot be repaired"),
            _ => failure,
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    files::read_bounded(path, MAX_KEYSTORE_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().join("keys"));
        (dir, store)
    }

    #[test]
    fn a_key_is_sealed_listed_and_opened() {
        let (_dir, store) = store();
        assert!(store.list().unwrap().is_empty());
        let key = generate().unwrap();
        let path = store.add("alice", &key, "correct horse").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(store.dir()).unwrap().permissions().mode() & 0o777, 0o700);
        let listed = store.list().unwrap();
        assert_eq!(listed[0].name, "alice");
        assert_eq!(listed[0].info.as_ref().unwrap().public_key, key.public_key());
        assert_eq!(store.open("alice", "correct horse").unwrap().public_key(), key.public_key());
    }

    #[test]
    fn a_wrong_passphrase_and_a_damaged_file_are_told_apart() {
        let (_dir, store) = store();
        let path = store.add("k", &generate().unwrap(), "correct horse").unwrap();
        let wrong = store.open("k", "wrong horse").unwrap_err();
        assert!(wrong.report().next.as_ref().unwrap().contains("--password-file"), "{wrong}");
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("\"ciphertext\": \"").unwrap() + 15;
        let flipped = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
        fs::write(&path, format!("{}{flipped}{}", &text[..at], &text[at + 1..])).unwrap();
        let damaged = store.open("k", "correct horse").unwrap_err();
        assert!(damaged.report().next.as_ref().unwrap().contains("restore"), "{damaged}");
        assert_ne!(wrong, damaged);
    }

    #[test]
    fn an_existing_key_is_never_replaced() {
        let (_dir, store) = store();
        let path = store.add("k", &generate().unwrap(), "correct horse").unwrap();
        let before = fs::read(&path).unwrap();
        assert!(store.check_new("k").unwrap_err().to_string().contains("never replaced"));
        assert!(store.add("k", &generate().unwrap(), "correct horse").is_err());
        assert_eq!(fs::read(path).unwrap(), before);
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for bad in ["", "../x", "a/b", ".hidden", "-flag", "name with space", "ünï"] {
            assert_eq!(check_name(bad).unwrap_err().code(), 2, "{bad}");
        }
        for good in ["alice", "a.b_c-1", "0"] {
            check_name(good).unwrap();
        }
    }

    #[test]
    fn a_missing_key_names_the_command_that_makes_it() {
        let (_dir, store) = store();
        let failure = store.open("bob", "x").unwrap_err();
        let next = failure.report().next.clone().unwrap();
        let flag = format!("--keystore {}", quoted(store.dir()));
        assert!(next.contains(&format!("pyralog keys new bob {flag}")), "{next}");
        assert!(next.contains(&format!("`pyralog keys list {flag}`")), "{next}");
        assert_eq!(KeyStore::new(HomeArgs::default().keystore().unwrap()).flag(), "");
    }

    #[test]
    fn a_foreign_file_is_listed_with_its_error() {
        let (_dir, store) = store();
        fs::create_dir_all(store.dir()).unwrap();
        fs::write(store.dir().join("notes.json"), "{}").unwrap();
        fs::write(store.dir().join("readme.txt"), "x").unwrap();
        let listed = store.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].info.is_err());
    }
}
