//! The decoders of this crate's files, one call each, for fuzzers. None may panic, whatever the bytes; each answers whether it
//! accepted them.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, FaultyDisk};
use crate::frame::{FILE_HEADER, FrameFile, Kind};
use crate::{chain, home, ids, journal, notary, record, segment, slot, wal};

const DIR: &str = "/fuzz";

/// A whole frame file: header, frames, torn tail.
#[must_use]
pub fn frame_file(bytes: &[u8]) -> bool {
    let disk = FaultyDisk::new(0);
    let path = Path::new(DIR).join("file");
    disk.overwrite(&path, bytes.to_vec());
    let replays = |kind| {
        let frames = FrameFile::open(&disk, &path, kind);
        frames.and_then(|mut frames| frames.replay(FILE_HEADER, |_, _| Ok(()))).is_ok()
    };
    replays(Kind::Wal) || replays(Kind::Leaves)
}

/// The bytes behind the header of a WAL file, through recovery, cut and a second recovery, which must find nothing torn.
///
/// # Panics
/// If the second recovery finds other entries than the first, or a tail to cut.
#[must_use]
pub fn wal_file(bytes: &[u8]) -> bool {
    let faulty = FaultyDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let dir = Path::new(DIR);
    if wal::WalFile::open(&disk, dir, 1).is_err() {
        return false;
    }
    for path in faulty.files() {
        let mut file = faulty.contents(&path).unwrap_or_default();
        file.extend_from_slice(bytes);
        faulty.overwrite(&path, file);
    }
    let Ok((_, first, cut)) = wal::WalFile::open(&disk, dir, 1) else { return false };
    let again = wal::WalFile::open(&disk, dir, 1).ok().map(|(_, second, cut)| (second, cut));
    assert_eq!(again, Some((first, None)), "after cutting {cut:?}");
    true
}

/// The payload of a WAL frame.
#[must_use]
pub fn wal_records(bytes: &[u8]) -> bool {
    wal::read_records(bytes, |_| ()).is_some()
}

/// The payload of a frame of leaves.
#[must_use]
pub fn leaf_group(bytes: &[u8]) -> bool {
    matches!(notary::read_group(bytes, |_, _| Ok::<(), Infallible>(())), Ok(Some(_)))
}

/// One copy of a small record (signer mark, signed checkpoint, synced trees).
#[must_use]
pub fn slot(bytes: &[u8]) -> bool {
    slot::decode(bytes, 0).is_some()
}

/// The contents of the small records of a notary log.
#[must_use]
pub fn log_record(bytes: &[u8]) -> bool {
    notary::decodes(bytes)
}

/// The file `FORMAT`.
#[must_use]
pub fn format(bytes: &[u8]) -> bool {
    home::parse_format(bytes).is_some()
}

/// Values of the chain's index tables.
#[must_use]
pub fn chain_values(bytes: &[u8]) -> bool {
    chain::decodes(bytes)
}

/// The records of the id generators, and an id as text.
#[must_use]
pub fn ids(bytes: &[u8]) -> bool {
    ids::decodes(bytes)
}

/// One record.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn record(bytes: &[u8]) -> bool {
    record::fuzz(bytes)
}

/// The bytes behind the header of a journal file, through recovery, an append, and a second recovery.
///
/// # Panics
/// If the second recovery does not find what the first found, and what was appended.
#[must_use]
pub fn journal_file(bytes: &[u8]) -> bool {
    journal::fuzz::file(bytes)
}

/// The entries of a journal's group.
#[must_use]
pub fn journal_group(bytes: &[u8]) -> bool {
    journal::fuzz::group(bytes)
}

/// The list of a journal's files.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn journal_list(bytes: &[u8]) -> bool {
    journal::fuzz::list(bytes)
}

/// The bytes behind the header of a segment that is not sealed, through recovery, an append, and a second recovery.
///
/// # Panics
/// If the second recovery does not find what the first found, and what was appended.
#[must_use]
pub fn segment_file(bytes: &[u8]) -> bool {
    segment::fuzz::file(bytes)
}

/// One batch or footer of a segment, page of its index, or record of what is synced.
///
/// # Panics
/// If a footer has another encoding.
#[must_use]
pub fn segment_parts(bytes: &[u8]) -> bool {
    segment::fuzz::parts(bytes)
}

#[cfg(test)]
mod tests;
