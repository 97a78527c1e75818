//! Writing a frame file: created whole under its name, appended frame by frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FILE_HEADER, FILE_MAGIC, FRAME_HEADER, FRAME_MAGIC, MAX_FRAME_BYTES, VERSION, u32_at, u64_at};
use crate::Error;
use crate::disk::{Disk, File};

/// What a frame file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Consensus write-ahead log.
    Wal = 1,
    /// Leaves of a notary log.
    Leaves = 2,
}

/// An open frame file. The writer owns it; readers share [`FrameFile::file`].
#[derive(Debug)]
pub(crate) struct FrameFile {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// Leaves: index of the first leaf. WAL: 0.
    pub(crate) first: u64,
    /// Leaves: bytes of frames in all files before this one. WAL: 0.
    pub(crate) base: u64,
    /// Offset behind the last whole frame.
    pub(super) end: u64,
    buffer: Vec<u8>,
    unsynced: bool,
}

/// What distinguishes this file's frames from all others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    kind: Kind,
    generation: u64,
    salt: u64,
}

impl Identity {
    pub(super) fn header_crc(self, offset: u64, length: u32, payload_crc: u32) -> u32 {
        let mut covered = [0; 36];
        covered[..4].copy_from_slice(&(self.kind as u32).to_be_bytes());
        covered[4..12].copy_from_slice(&self.generation.to_be_bytes());
        covered[12..20].copy_from_slice(&self.salt.to_be_bytes());
        covered[20..28].copy_from_slice(&offset.to_be_bytes());
        covered[28..32].copy_from_slice(&length.to_be_bytes());
        covered[32..].copy_from_slice(&payload_crc.to_be_bytes());
        crc32c::crc32c(&covered)
    }
}

impl FrameFile {
    /// Creates a file that exists under its name only when its header is durable: written as `<name>.tmp`, synced, renamed,
    /// directory synced.
    pub(crate) fn create(
        disk: &dyn Disk,
        path: &Path,
        kind: Kind,
        generation: u64,
        first: u64,
        base: u64,
    ) -> Result<Self, Error> {
        let salt = disk.nonce().map_err(|e| Error::io("draw randomness for", path, e))?;
        let temporary = temporary(path);
        let file = disk.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
        let mut header = [0; FILE_HEADER as usize];
        header[..8].copy_from_slice(&FILE_MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_be_bytes());
        header[12..16].copy_from_slice(&(kind as u32).to_be_bytes());
        header[16..24].copy_from_slice(&generation.to_be_bytes());
        header[24..32].copy_from_slice(&salt.to_be_bytes());
        header[32..40].copy_from_slice(&first.to_be_bytes());
        header[40..48].copy_from_slice(&base.to_be_bytes());
        let crc = crc32c::crc32c(&header[..60]);
        header[60..].copy_from_slice(&crc.to_be_bytes());
        file.write_at(&header, 0).map_err(|e| Error::io("write", &temporary, e))?;
        file.sync().map_err(|e| Error::sync(&temporary, e))?;
        disk.rename(&temporary, path).map_err(|e| Error::io("rename", &temporary, e))?;
        let dir = path.parent().unwrap_or(path);
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
        let identity = Identity { kind, generation, salt };
        Ok(Self {
            file,
            path: path.to_owned(),
            identity,
            first,
            base,
            end: FILE_HEADER,
            buffer: Vec::new(),
            unsynced: false,
        })
    }

    /// Opens a file and checks its header. [`FrameFile::replay`] must follow before anything is appended.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Self, Error> {
        let file = disk.open(path).map_err(|e| Error::io("open", path, e))?;
        let mut header = [0; FILE_HEADER as usize];
        let read = file.read_at(&mut header, 0).map_err(|e| Error::io("read", path, e))?;
        let damaged = |why: &str| Err(Error::damaged(path, 0, why));
        if read < header.len() {
            return damaged("the file header is cut short");
        }
        if header[..8] != FILE_MAGIC || crc32c::crc32c(&header[..60]) != u32_at(&header, 60) {
            return damaged("the file header does not check");
        }
        if u32_at(&header, 8) != VERSION {
            return damaged("the file header names another version than FORMAT does");
        }
        if u32_at(&header, 12) != kind as u32 {
            return damaged("the file is of another kind than its name says");
        }
        let identity = Identity { kind, generation: u64_at(&header, 16), salt: u64_at(&header, 24) };
        Ok(Self {
            file,
            path: path.to_owned(),
            identity,
            first: u64_at(&header, 32),
            base: u64_at(&header, 40),
            end: FILE_HEADER,
            buffer: Vec::new(),
            unsynced: false,
        })
    }

    /// Writes one frame, not yet synced, and answers the offset of its payload. After an error the file is cut back as far as the
    /// disk allows, and must not be written again.
    pub(crate) fn append(&mut self, payload: &[&[u8]]) -> Result<u64, Error> {
        debug_assert!(!self.unsynced, "one frame between syncs");
        let length: usize = payload.iter().map(|part| part.len()).sum();
        if length == 0 || length > MAX_FRAME_BYTES {
            return Err(Error::Size { what: "a frame", found: length as u64, allowed: "1 to 33554432" });
        }
        let payload_crc = payload.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
        self.buffer.clear();
        self.buffer.extend(FRAME_MAGIC);
        self.buffer.extend((length as u32).to_be_bytes());
        self.buffer.extend(payload_crc.to_be_bytes());
        self.buffer.extend(self.identity.header_crc(self.end, length as u32, payload_crc).to_be_bytes());
        for part in payload {
            self.buffer.extend_from_slice(part);
        }
        let written = self.file.write_at(&self.buffer, self.end);
        if let Err(error) = written {
            // Best effort: a torn tail is recognised at the next start anyway, but a clean one needs no report.
            let _uncut = self.file.set_len(self.end);
            return Err(Error::io("append to", &self.path, error));
        }
        if self.buffer.capacity() > 1 << 20 {
            self.buffer = Vec::new();
        }
        let at = self.end + FRAME_HEADER;
        self.end = at + length as u64;
        self.unsynced = true;
        Ok(at)
    }

    /// Makes the last frame durable. A failure is final.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.file.sync().map_err(|e| Error::sync(&self.path, e))?;
        self.unsynced = false;
        Ok(())
    }

    /// Cuts off everything behind the last whole frame, durably.
    pub(crate) fn cut(&mut self) -> Result<(), Error> {
        self.file.set_len(self.end).map_err(|e| Error::io("truncate", &self.path, e))?;
        self.sync()
    }

    /// Offset behind the last whole frame.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of frames, headers included.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.end - FILE_HEADER
    }

    pub(crate) fn generation(&self) -> u64 {
        self.identity.generation
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Name under which a file is made before it has its own. Such files are removed at open.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}
