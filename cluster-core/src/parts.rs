//! What all files share: integers at fixed places, the bound of one read, names while they are made, torn ends.

use std::path::{Path, PathBuf};

/// Most bytes of one group, batch or other part of a file that is read at once.
pub(crate) const MAX_PART_BYTES: usize = 32 << 20;

/// A torn last write that was cut off, or will be written over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The file.
    pub file: PathBuf,
    /// Where it began.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Where a file is made before it gets its name.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// A big-endian integer at a fixed place of a header whose length is known.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

/// As [`u32_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}
