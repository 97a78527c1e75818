//! Header and footer of a segment file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::Identity;
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::{u32_at, u64_at};

/// Bytes of a file header.
pub(super) const FILE_HEADER: u64 = 64;
/// Bytes of a footer.
pub(super) const FOOTER: u64 = 64;

const HEADER_MAGIC: [u8; 8] = *b"PYRASEGM";
const FOOTER_MAGIC: [u8; 8] = *b"PYRASEAL";
const VERSION: u32 = 1;

/// Creates a segment file in place of what may be there. Neither its name nor its header is durable yet.
pub(super) fn create(disk: &dyn Disk, path: &Path, stream: u64, base: u64) -> Result<(Arc<dyn File>, Identity), Error> {
    let salt = disk.nonce().map_err(|e| Error::io("draw randomness for", path, e))?;
    let identity = Identity { stream, base, salt };
    let file = disk.create(path).map_err(|e| Error::io("create", path, e))?;
    file.write_at(&header(identity), 0).map_err(|e| Error::io("write", path, e))?;
    Ok((file, identity))
}

/// Opens a segment file and checks its header against its stream and its name.
pub(super) fn open(disk: &dyn Disk, path: &Path, stream: u64, base: u64) -> Result<(Arc<dyn File>, Identity), Error> {
    let (file, identity) = read(disk, path)?;
    if (identity.stream, identity.base) != (stream, base) {
        let why = format!("the file begins with record {} of stream {}", identity.base, identity.stream);
        return Err(Error::damaged(path, 0, format!("{why}, not with record {base} of stream {stream}")));
    }
    Ok((file, identity))
}

/// The stream that the header of a segment file names.
pub(super) fn stream_of(disk: &dyn Disk, path: &Path) -> Result<u64, Error> {
    Ok(read(disk, path)?.1.stream)
}

fn read(disk: &dyn Disk, path: &Path) -> Result<(Arc<dyn File>, Identity), Error> {
    let file = disk.open(path).map_err(|e| Error::io("open", path, e))?;
    let mut bytes = [0; FILE_HEADER as usize];
    let read = file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", path, e))?;
    let damaged = |why: &str| Err(Error::damaged(path, 0, why));
    if read < bytes.len() {
        return damaged("the file header is cut short");
    }
    if bytes[..8] != HEADER_MAGIC || crc32c::crc32c(&bytes[..60]) != u32_at(&bytes, 60) {
        return damaged("the file header does not check");
    }
    if u32_at(&bytes, 8) != VERSION || u32_at(&bytes, 12) != super::KIND {
        return damaged("the file header names another version or kind");
    }
    let identity = Identity { stream: u64_at(&bytes, 16), base: u64_at(&bytes, 24), salt: u64_at(&bytes, 32) };
    Ok((file, identity))
}

/// The header of the file.
pub(super) fn header(identity: Identity) -> [u8; FILE_HEADER as usize] {
    let mut bytes = [0; FILE_HEADER as usize];
    bytes[..8].copy_from_slice(&HEADER_MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
    bytes[12..16].copy_from_slice(&super::KIND.to_be_bytes());
    bytes[16..24].copy_from_slice(&identity.stream.to_be_bytes());
    bytes[24..32].copy_from_slice(&identity.base.to_be_bytes());
    bytes[32..40].copy_from_slice(&identity.salt.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// What a sealed segment says of itself. Also what is counted while it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    /// Offset behind the last record.
    pub(super) next: u64,
    pub(super) batches: u64,
    /// Lowest and highest timestamp of its records; 0 where there is none.
    pub(super) min_time: u64,
    pub(super) max_time: u64,
    /// Entries of each of its two indexes.
    pub(super) entries: u64,
    /// Position behind the last batch.
    pub(super) end: u64,
    /// CRC32C of all bytes before `end`.
    pub(super) crc: u32,
}

impl Footer {
    /// What the file says of itself that was just created.
    pub(super) fn empty(identity: Identity) -> Self {
        let crc = crc32c::crc32c(&header(identity));
        Self { next: identity.base, batches: 0, min_time: 0, max_time: 0, entries: 0, end: FILE_HEADER, crc }
    }

    /// The footer's bytes, which stand at `end`.
    pub(super) fn encode(&self, identity: Identity) -> [u8; FOOTER as usize] {
        let mut bytes = [0; FOOTER as usize];
        bytes[..8].copy_from_slice(&FOOTER_MAGIC);
        let numbers = [self.next, self.batches, self.min_time, self.max_time, self.entries, self.end];
        for (place, number) in numbers.iter().enumerate() {
            bytes[8 + 8 * place..16 + 8 * place].copy_from_slice(&number.to_be_bytes());
        }
        bytes[56..60].copy_from_slice(&self.crc.to_be_bytes());
        let crc = crc32c::crc32c_append(identity.crc(super::KIND), &bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a footer that stands at `end`; `None` where it does not check or belongs elsewhere.
    pub(super) fn decode(bytes: &[u8], identity: Identity, end: u64) -> Option<Self> {
        if bytes.len() != FOOTER as usize || bytes[..8] != FOOTER_MAGIC {
            return None;
        }
        if u32_at(bytes, 60) != crc32c::crc32c_append(identity.crc(super::KIND), &bytes[..60]) {
            return None;
        }
        let footer = Self {
            next: u64_at(bytes, 8),
            batches: u64_at(bytes, 16),
            min_time: u64_at(bytes, 24),
            max_time: u64_at(bytes, 32),
            entries: u64_at(bytes, 40),
            end: u64_at(bytes, 48),
            crc: u32_at(bytes, 56),
        };
        (footer.end == end && footer.next >= identity.base).then_some(footer)
    }
}

/// Name of the file whose first record has an offset.
pub(super) fn file_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// The offset in the name of a file.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    let base = name.strip_suffix(".seg")?.parse().ok()?;
    (file_name(base) == name).then_some(base)
}

/// Where the file stands.
pub(super) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(file_name(base))
}
