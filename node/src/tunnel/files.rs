//! What the tunnels keep on disk of others. All of it is a cache: what is lost is asked for again.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::{STATIC_PUBLIC_KEY_BYTES, StaticPublicKey};
use pyralog_p2p::KeyCache;

use crate::home::{Home, PUBLIC, make_dir, read_bounded, write_atomic};

/// Most keys of others that are kept, half a MiB each; more push out those that were not used for longest.
const MAX_KEYS: usize = 256;
/// Longest file of records: 1,024 of them.
const MAX_RECORDS_BYTES: u64 = 2 << 20;

/// Rosenpass keys of peers, one file each, named by the BLAKE3 hash of its content.
#[derive(Debug)]
pub(super) struct KeyFiles {
    dir: PathBuf,
}

impl KeyFiles {
    pub(super) fn new(home: &Home) -> Self {
        Self { dir: home.tunnel().join("keys") }
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.dir.join(hex::encode(hash.0))
    }

    /// Removes what is too much, the oldest first.
    fn thin(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let used = entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((used, entry.path()));
        }
        files.sort();
        let surplus = files.len().saturating_sub(MAX_KEYS);
        files.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

impl KeyCache for KeyFiles {
    fn load(&self, hash: &Hash) -> Option<Vec<u8>> {
        let path = self.path(hash);
        let bytes = read_bounded(&path, STATIC_PUBLIC_KEY_BYTES as u64).ok()?;
        // It is used, so it is not the oldest any more; a cache that cannot say so works all the same.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    fn store(&self, hash: &Hash, key: &StaticPublicKey) {
        let stored = make_dir(&self.dir, 0o700)
            .and_then(|()| write_atomic(&self.path(hash), key.as_bytes(), PUBLIC))
            .map_err(|error| error.to_string())
            .and_then(|()| self.thin().map_err(|error| error.to_string()));
        if let Err(error) = stored {
            tracing::warn!(error, "a peer's Rosenpass key is not kept, and fetched again at the next start");
        }
    }
}

/// The records of peers as they stood at the last stop.
pub(super) fn records(home: &Home) -> Option<Bytes> {
    read_bounded(&home.tunnel_records(), MAX_RECORDS_BYTES).ok().map(Bytes::from)
}

/// Keeps them.
pub(super) fn keep_records(home: &Home, records: &[u8]) {
    if let Err(error) = write_atomic(&home.tunnel_records(), records, PUBLIC) {
        tracing::warn!(%error, "the records of peers were not saved");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_found_by_their_hash_and_the_longest_unused_go() {
        let dir = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(&Home::new(dir.path()));
        let key = StaticPublicKey::from_bytes(vec![7; STATIC_PUBLIC_KEY_BYTES]).unwrap();
        let hash = |byte: u8| Hash([byte; 32]);
        assert!(files.load(&hash(0)).is_none());
        files.store(&hash(0), &key);
        assert_eq!(files.load(&hash(0)).unwrap(), key.as_bytes());
        for number in 0..MAX_KEYS as u32 + 3 {
            let name = format!("{number:064x}");
            fs::write(files.dir.join(&name), b"").unwrap();
            let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(number));
            fs::File::open(files.dir.join(name)).unwrap().set_modified(old).unwrap();
        }
        files.load(&hash(0)).unwrap();
        files.store(&hash(1), &key);
        assert_eq!(fs::read_dir(&files.dir).unwrap().count(), MAX_KEYS);
        assert!(files.load(&hash(0)).is_some() && files.load(&hash(1)).is_some());
        assert!(!files.dir.join(format!("{:064x}", 4)).exists() && files.dir.join(format!("{:064x}", 6)).exists());
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data"), b"a file").unwrap();
        let files = KeyFiles::new(&Home::new(dir.path()));
        files.store(&Hash([1; 32]), &StaticPublicKey::from_bytes(vec![7; STATIC_PUBLIC_KEY_BYTES]).unwrap());
        assert!(files.load(&Hash([1; 32])).is_none());
    }
}
