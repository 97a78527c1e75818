//! One group as bytes.

use crate::parts::{MAX_PART_BYTES, u32_at, u64_at};

/// Groups begin at multiples of this; see [`crate::journal`].
pub(super) const BLOCK: u64 = 4096;
pub(super) const GROUP_HEADER: usize = 32;
pub(super) const ENTRY_HEADER: usize = 20;

const MAGIC: [u8; 4] = *b"PYJ1";
const KIND: u32 = super::KIND;

/// One opaque entry of a journal. The caller gives stream and position their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it belongs to.
    pub stream: u64,
    /// Where in that it belongs.
    pub position: u64,
    /// The bytes, none included.
    pub bytes: &'a [u8],
}

/// What distinguishes one use of a journal file from all other uses and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) generation: u64,
    pub(super) salt: u64,
}

/// The header of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupHeader {
    /// Bytes of the entries.
    length: u32,
    body_crc: u32,
    /// Number of the group in the journal.
    pub(super) number: u64,
}

/// What stands where a group could begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A header of this file and place.
    Header(GroupHeader),
    /// No header, but bytes that only a header of this use of the file, or of this number, has.
    Remains,
    /// Zeros or bytes of an earlier use.
    Nothing,
}

impl GroupHeader {
    /// What the first [`GROUP_HEADER`] bytes at an offset of a file are; `number` is the one that is due.
    pub(super) fn find(bytes: &[u8], identity: Identity, offset: u64, number: u64) -> Found {
        let header = Self { length: u32_at(bytes, 4), body_crc: u32_at(bytes, 8), number: u64_at(bytes, 24) };
        let (generation, crc) = (u64_at(bytes, 16), u32_at(bytes, 12));
        let ours = generation == identity.generation || super::canary::identity_unchecked();
        let fits = bytes[..4] == MAGIC && header.length as usize <= MAX_PART_BYTES;
        if ours && fits && crc == header.crc(identity, offset) {
            return Found::Header(header);
        }
        // One flipped bit cannot hide both fields, and no earlier use of the file had either.
        let remains = generation == identity.generation || header.number == number;
        if remains { Found::Remains } else { Found::Nothing }
    }

    /// Bytes of the whole group: header, entries, and zeros up to the next block.
    pub(super) fn group_bytes(&self) -> u64 {
        (GROUP_HEADER as u64 + u64::from(self.length)).next_multiple_of(BLOCK)
    }

    /// The entries of the whole group, header included, if it checks.
    pub(super) fn body<'a>(&self, group: &'a [u8]) -> Option<&'a [u8]> {
        let padded = group.get(GROUP_HEADER..)?;
        (crc32c::crc32c(padded) == self.body_crc).then(|| padded.get(..self.length as usize)).flatten()
    }

    fn crc(&self, identity: Identity, offset: u64) -> u32 {
        let identity = if super::canary::identity_unchecked() { Identity { generation: 0, salt: 0 } } else { identity };
        let mut covered = [0; 44];
        covered[..4].copy_from_slice(&KIND.to_be_bytes());
        covered[4..12].copy_from_slice(&identity.generation.to_be_bytes());
        covered[12..20].copy_from_slice(&identity.salt.to_be_bytes());
        covered[20..28].copy_from_slice(&offset.to_be_bytes());
        covered[28..32].copy_from_slice(&self.length.to_be_bytes());
        covered[32..36].copy_from_slice(&self.body_crc.to_be_bytes());
        covered[36..].copy_from_slice(&self.number.to_be_bytes());
        crc32c::crc32c(&covered)
    }
}

/// Bytes of a group's entries.
pub(super) fn body_bytes(entries: &[Entry<'_>]) -> usize {
    entries.iter().map(|entry| ENTRY_HEADER + entry.bytes.len()).sum()
}

/// Puts the whole group into `buffer`, whatever was in it. The caller has checked the size.
pub(super) fn encode(buffer: &mut Vec<u8>, identity: Identity, offset: u64, number: u64, entries: &[Entry<'_>]) {
    buffer.clear();
    buffer.extend([0; GROUP_HEADER]);
    for entry in entries {
        buffer.extend_from_slice(&entry.stream.to_be_bytes());
        buffer.extend_from_slice(&entry.position.to_be_bytes());
        buffer.extend_from_slice(&(entry.bytes.len() as u32).to_be_bytes());
        buffer.extend_from_slice(entry.bytes);
    }
    let length = (buffer.len() - GROUP_HEADER) as u32;
    buffer.resize(buffer.len().next_multiple_of(BLOCK as usize), 0);
    let header = GroupHeader { length, body_crc: crc32c::crc32c(&buffer[GROUP_HEADER..]), number };
    buffer[..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&header.length.to_be_bytes());
    buffer[8..12].copy_from_slice(&header.body_crc.to_be_bytes());
    buffer[12..16].copy_from_slice(&header.crc(identity, offset).to_be_bytes());
    buffer[16..24].copy_from_slice(&identity.generation.to_be_bytes());
    buffer[24..32].copy_from_slice(&number.to_be_bytes());
}

/// Gives each entry of a group to `visit`. The inner `None` stands for bytes that are not exactly entries.
pub(super) fn read_entries<'a, E>(
    mut body: &'a [u8],
    mut visit: impl FnMut(Entry<'a>) -> Result<(), E>,
) -> Result<Option<()>, E> {
    while !body.is_empty() {
        let Some((header, rest)) = body.split_at_checked(ENTRY_HEADER) else { return Ok(None) };
        let Some((bytes, rest)) = rest.split_at_checked(u32_at(header, 16) as usize) else { return Ok(None) };
        visit(Entry { stream: u64_at(header, 0), position: u64_at(header, 8), bytes })?;
        body = rest;
    }
    Ok(Some(()))
}
