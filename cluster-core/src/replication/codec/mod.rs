//! The canonical encoding of what members say to each other and keep, in the manner of [`pyralog_crypto::Encode`].
//!
//! | value | bytes |
//! |---|---|
//! | [`Lsn`] | `epoch:u64 number:u64` |
//! | [`Fence`] | `epoch:u64 attempt:u64` |
//! | [`Precedence`] | `0:u8 wave:u32`, or `1:u8 fence` |
//! | [`Content`] | `0:u8 record:bytes`, `1:u8` a hole, `2:u8` a bridge |
//! | [`Entry`] | `precedence content` |
//! | [`Message`] | `version:u8 (1) kind:u8` and what [`Message`]'s table of kinds says |
//! | [`Change`] | `kind:u8` and what [`Change`]'s table of kinds says |
//! | changes of one [`Persist`] | `version:u8 (1) list<change>` |
//! | [`MemberState`] | `version:u8 (1) fence clean:u64 released:lsn list<(epoch:u64 number:u64)>`, epochs rising |
//!
//! Epochs are `u64`; a record stands last wherever it can, so that an encoding is a short head and the record as it is.
//!
//! **Bounds.** A record has at most [`MAX_PAYLOAD_BYTES`]; a piece of a digest as many copies and bytes as a member sends; one `Persist`
//! at most [`MAX_CHANGES`] changes, whose records have together at most [`MAX_PAYLOAD_BYTES`]. So nothing is longer than
//! [`MAX_MESSAGE_BYTES`] or [`MAX_CHANGES_BYTES`].
//!
//! **Copies.** [`Message::from_shared`] and [`Change::list_from_shared`] give records that are parts of their input: the input stays in memory
//! as long as one of them does. [`Decode`] copies.
//!
//! [`Persist`]: super::MemberEffect::Persist
//! [`MemberState`]: super::MemberState
//! [`Message`]: super::Message
//! [`Message::from_shared`]: super::Message::from_shared
//! [`Change`]: super::Change
//! [`Change::list_from_shared`]: super::Change::list_from_shared

mod change;
mod message;
mod state;

use bytes::Bytes;
use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::{Content, Entry, Epoch, Fence, Lsn, MAX_DIGEST_BYTES, MAX_KNOWN_GOOD, MAX_PAYLOAD_BYTES, Precedence};

/// Changes of one [`super::MemberEffect::Persist`], at most: a purge cuts as many epochs as one answer of the epoch store tells of.
pub const MAX_CHANGES: usize = MAX_KNOWN_GOOD + 8;
/// Bytes of a list of changes, at most.
pub const MAX_CHANGES_BYTES: usize = MAX_PAYLOAD_BYTES + 8 * 1024;
/// Bytes of a message, at most: a piece of a digest whose last copy is as long as a record may be.
pub const MAX_MESSAGE_BYTES: usize = MAX_DIGEST_BYTES + MAX_PAYLOAD_BYTES + 8 * 1024;

const VERSION: u8 = 1;
const LSN: usize = Lsn::BYTES;
const FENCE: usize = 16;

/// Where decoded records are taken from: out of the input, or out of a buffer that the input is a part of.
#[derive(Debug, Clone, Copy)]
struct Source<'a>(Option<&'a Bytes>);

impl Source<'_> {
    const COPY: Self = Self(None);

    fn take(self, part: &[u8]) -> Bytes {
        match self.0 {
            // The reader was made from this buffer, so every part it gives is inside.
            Some(whole) => whole.slice_ref(part),
            None => Bytes::copy_from_slice(part),
        }
    }
}

/// Reads one value that must fill `bytes`.
fn whole<T>(
    bytes: &Bytes,
    read: impl FnOnce(&mut Reader<'_>, Source<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut input = Reader::new(bytes);
    let value = read(&mut input, Source(Some(bytes)))?;
    input.finish()?;
    Ok(value)
}

impl Encode for Lsn {
    fn encode(&self, out: &mut Writer) {
        out.raw(&Lsn::to_bytes(*self));
    }
}

impl Decode for Lsn {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Lsn::from_bytes(input.array()?))
    }
}

impl Encode for Fence {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.epoch.0).u64(self.attempt);
    }
}

impl Decode for Fence {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { epoch: Epoch(input.u64()?), attempt: input.u64()? })
    }
}

impl Encode for Precedence {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Wave(wave) => out.u8(0).u32(*wave),
            Self::Recovery(fence) => out.u8(1).put(fence),
        };
    }
}

impl Decode for Precedence {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            0 => Ok(Self::Wave(input.u32()?)),
            1 => Ok(Self::Recovery(input.get()?)),
            found => Err(CodecError::Tag { what: "precedence", found: found.into() }),
        }
    }
}

impl Precedence {
    fn encoded_len(self) -> usize {
        match self {
            Self::Wave(_) => 1 + 4,
            Self::Recovery(_) => 1 + FENCE,
        }
    }
}

impl Content {
    /// All but the bytes of a record.
    fn head<'w>(&self, out: &'w mut Writer) -> &'w mut Writer {
        match self {
            // Bounded by the state machines far below 4 GiB; a longer one would be refused wherever it is read.
            Self::Record(record) => out.u8(0).u32(u32::try_from(record.len()).unwrap_or(u32::MAX)),
            Self::Hole => out.u8(1),
            Self::Bridge => out.u8(2),
        }
    }

    fn record(&self) -> Option<&Bytes> {
        match self {
            Self::Record(record) => Some(record),
            Self::Hole | Self::Bridge => None,
        }
    }

    fn encoded_len(&self) -> usize {
        self.record().map_or(1, |record| 1 + 4 + record.len())
    }

    fn read(input: &mut Reader<'_>, source: Source<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            0 => Ok(Self::Record(source.take(input.bytes(MAX_PAYLOAD_BYTES)?))),
            1 => Ok(Self::Hole),
            2 => Ok(Self::Bridge),
            found => Err(CodecError::Tag { what: "content", found: found.into() }),
        }
    }
}

impl Encode for Content {
    fn encode(&self, out: &mut Writer) {
        self.head(out);
        if let Some(record) = self.record() {
            out.raw(record);
        }
    }
}

impl Decode for Content {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::read(input, Source::COPY)
    }
}

impl Entry {
    fn head<'w>(&self, out: &'w mut Writer) -> &'w mut Writer {
        self.content.head(out.put(&self.precedence))
    }

    fn encoded_len(&self) -> usize {
        self.precedence.encoded_len() + self.content.encoded_len()
    }

    fn read(input: &mut Reader<'_>, source: Source<'_>) -> Result<Self, CodecError> {
        Ok(Self { precedence: input.get()?, content: Content::read(input, source)? })
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.precedence).put(&self.content);
    }
}

impl Decode for Entry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::read(input, Source::COPY)
    }
}

#[cfg(test)]
pub(super) mod tests;
