//! One journal file: pre-written, then used under one identity after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::group::{BLOCK, Identity};
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::{temporary, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"PYRAJRNL";
const VERSION: u32 = 1;
const CRC_AT: usize = BLOCK as usize - 4;
const ZEROS: usize = 1 << 20;

/// A file in use.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// Number of its first group.
    pub(super) first: u64,
    /// Bytes of the file.
    pub(super) size: u64,
}

impl JournalFile {
    /// Begins a use of a pre-written file of `size` bytes, durably. Nothing of its earlier use can be read any more.
    pub(super) fn begin(disk: &dyn Disk, path: &Path, generation: u64, first: u64, size: u64) -> Result<Self, Error> {
        let salt = disk.nonce().map_err(|e| Error::io("draw randomness for", path, e))?;
        let file = disk.open(path).map_err(|e| Error::io("open", path, e))?;
        let found = file.size().map_err(|e| Error::io("measure", path, e))?;
        if found != size {
            return Err(Error::damaged(path, found, format!("the file was made with {size} bytes and has {found}")));
        }
        let this = Self { file, path: path.to_owned(), identity: Identity { generation, salt }, first, size };
        this.file.write_at(&this.header(), 0).map_err(|e| Error::io("write", path, e))?;
        this.file.sync().map_err(|e| Error::sync(path, e))?;
        Ok(this)
    }

    /// Opens a file whose header checks; the inner error says what is wrong with it otherwise.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Result<Self, &'static str>, Error> {
        let file = match disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Err("the file is missing")),
            Err(error) => return Err(Error::io("open", path, error)),
        };
        let mut header = [0; BLOCK as usize];
        let read = file.read_at(&mut header, 0).map_err(|e| Error::io("read", path, e))?;
        if read < header.len() {
            return Ok(Err("the file header is cut short"));
        }
        if header[..8] != MAGIC || crc32c::crc32c(&header[..CRC_AT]) != u32_at(&header, CRC_AT) {
            return Ok(Err("the file header does not check"));
        }
        if u32_at(&header, 8) != VERSION || u32_at(&header, 12) != super::KIND {
            return Ok(Err("the file header names another version or kind"));
        }
        let size = file.size().map_err(|e| Error::io("measure", path, e))?;
        if size != u64_at(&header, 40) {
            return Ok(Err("the file does not have the length that its header names"));
        }
        let identity = Identity { generation: u64_at(&header, 16), salt: u64_at(&header, 24) };
        Ok(Ok(Self { file, path: path.to_owned(), identity, first: u64_at(&header, 32), size }))
    }

    fn header(&self) -> [u8; BLOCK as usize] {
        let mut header = [0; BLOCK as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_be_bytes());
        header[12..16].copy_from_slice(&super::KIND.to_be_bytes());
        header[16..24].copy_from_slice(&self.identity.generation.to_be_bytes());
        header[24..32].copy_from_slice(&self.identity.salt.to_be_bytes());
        header[32..40].copy_from_slice(&self.first.to_be_bytes());
        header[40..48].copy_from_slice(&self.size.to_be_bytes());
        let crc = crc32c::crc32c(&header[..CRC_AT]);
        header[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        header
    }
}

/// Makes a file of `size` zeros under its name: every byte is written and synced, so that later syncs touch no metadata.
pub(super) fn prewrite(disk: &dyn Disk, path: &Path, size: u64) -> Result<(), Error> {
    let temporary = temporary(path);
    let written = write_zeros(disk, &temporary, size);
    if written.is_err() {
        // Best effort: the next open removes it as well, but a full disk wants its space back now.
        let _left = disk.remove(&temporary);
    }
    written?;
    disk.rename(&temporary, path).map_err(|e| Error::io("rename", &temporary, e))?;
    let dir = path.parent().unwrap_or(path);
    disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))
}

fn write_zeros(disk: &dyn Disk, path: &Path, size: u64) -> Result<(), Error> {
    let file = disk.create(path).map_err(|e| Error::io("create", path, e))?;
    let zeros = vec![0; ZEROS.min(size as usize)];
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(ZEROS as u64);
        file.write_at(&zeros[..length as usize], offset).map_err(|e| Error::io("write", path, e))?;
        offset += length;
    }
    file.sync().map_err(|e| Error::sync(path, e))
}

/// Name of a file by its number.
pub(super) fn file_name(number: u32) -> String {
    format!("journal-{number:06}")
}

/// The number in the name of a file.
pub(super) fn parse_name(name: &str) -> Option<u32> {
    let number = name.strip_prefix("journal-")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}
