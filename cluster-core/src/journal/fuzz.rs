//! The journal's decoders, for fuzzers.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use super::group::{BLOCK, read_entries};
use super::manifest::List;
use super::{Entry, Journal, JournalOptions};
use crate::Error;
use crate::disk::{Disk, FaultyDisk};

const DIR: &str = "/fuzz";
const FILE: &str = "/fuzz/journal-000000";

/// The bytes behind the header of a journal file, through recovery, an append, and a second recovery.
pub(crate) fn file(bytes: &[u8]) -> bool {
    let faulty = FaultyDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let Ok((first, _)) = open(&disk) else { return false };
    drop(first);
    let mut whole = faulty.contents(Path::new(FILE)).unwrap_or_default();
    let length = bytes.len().min(whole.len() - BLOCK as usize);
    whole[BLOCK as usize..][..length].copy_from_slice(&bytes[..length]);
    faulty.overwrite(Path::new(FILE), whole);
    let Ok((mut journal, mut entries)) = open(&disk) else { return false };
    let appended = journal.append(&[Entry { stream: 1, position: 2, bytes: b"appended" }]);
    entries.push((1, 2, b"appended".to_vec()));
    let again = open(&disk).map(|(_, entries)| entries).ok();
    assert!(appended.is_ok() && again == Some(entries), "a second recovery found something else");
    true
}

/// The entries of a group.
pub(crate) fn group(bytes: &[u8]) -> bool {
    matches!(read_entries(bytes, |_| Ok::<(), Infallible>(())), Ok(Some(())))
}

/// The list of files in use.
pub(crate) fn list(bytes: &[u8]) -> bool {
    List::decode(bytes).map(|list| assert_eq!(list.encode(), bytes, "two encodings of one list")).is_some()
}

type Owned = (u64, u64, Vec<u8>);

fn open(disk: &Arc<dyn Disk>) -> Result<(Journal, Vec<Owned>), Error> {
    let options = JournalOptions { file_bytes: 64 << 10, spare_files: 0 };
    let mut entries = Vec::new();
    let (journal, _) = Journal::open(disk, Path::new(DIR), options, |_, entry| {
        entries.push((entry.stream, entry.position, entry.bytes.to_vec()));
        Ok(())
    })?;
    Ok((journal, entries))
}
