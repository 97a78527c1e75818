//! Append-only files of checksummed frames.
//!
//! ```text
//! file   = header frame*
//! header = "PYRAFRAM" version:u32 kind:u32 generation:u64 salt:u64 first:u64 base:u64 zero[12] crc:u32        64 bytes
//! frame  = "PYF1" length:u32 payload_crc:u32 header_crc:u32 payload[length]                                16 bytes + payload
//! ```
//!
//! Integers are big-endian, checksums CRC32C. `header_crc` covers kind, generation and salt of the file, the frame's offset, its
//! length and `payload_crc`, so that no frame passes for one of another file or place. The salt is random: nobody who can choose
//! payloads can make bytes that look like a frame.
//!
//! The writer writes one frame, syncs, and only then writes the next. So after a crash at most the last frame is torn, however
//! the disk reordered its sectors; anything else that does not check is damage. One frame carries a whole group of records.

mod file;
mod scan;

pub(crate) use file::{FrameFile, Kind, temporary};
pub(crate) use scan::Torn;

/// Bytes of a file header.
pub(crate) const FILE_HEADER: u64 = 64;
/// Bytes of a frame header.
pub(crate) const FRAME_HEADER: u64 = 16;
/// Most bytes of one frame's payload. A reader allocates no more than this.
pub const MAX_FRAME_BYTES: usize = 32 << 20;

const FILE_MAGIC: [u8; 8] = *b"PYRAFRAM";
const FRAME_MAGIC: [u8; 4] = *b"PYF1";
const VERSION: u32 = 1;

/// Big-endian integers at fixed places of a header whose length is known.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests;
