//! Changes of a member as bytes: one journal entry for all that become durable together.

use bytes::Bytes;
use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::super::{Change, Entry, Epoch, MAX_PAYLOAD_BYTES};
use super::{FENCE, LSN, MAX_CHANGES, Source, VERSION, whole};

/// | kind | fields |
/// |---|---|
/// | 1 put | `lsn entry` |
/// | 2 cut | `epoch:u64 above:u64` |
/// | 3 fence | `fence` |
/// | 4 clean | `epoch:u64` |
/// | 5 release | `lsn` |
/// | 6 known good | `epoch:u64 number:u64` |
impl Encode for Change {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Put { lsn, entry } => out.u8(1).put(lsn).put(entry),
            Self::Cut { epoch, above } => out.u8(2).u64(epoch.0).u64(*above),
            Self::Fence(fence) => out.u8(3).put(fence),
            Self::Clean(epoch) => out.u8(4).u64(epoch.0),
            Self::Release(lsn) => out.u8(5).put(lsn),
            Self::KnownGood { epoch, number } => out.u8(6).u64(epoch.0).u64(*number),
        };
    }
}

impl Decode for Change {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::read(input, Source::COPY)
    }
}

impl Change {
    /// The changes of one [`super::super::MemberEffect::Persist`], in one buffer of the right size.
    #[must_use]
    pub fn list_to_bytes(changes: &[Self]) -> Vec<u8> {
        let mut out = Writer::with_capacity(1 + 4 + changes.iter().map(Self::encoded_len).sum::<usize>());
        out.u8(VERSION).list(changes, |out, change| {
            out.put(change);
        });
        out.into_bytes()
    }

    /// Reads changes that fill `bytes`. Their records are parts of them, not copies.
    ///
    /// # Errors
    /// [`CodecError`] where the bytes are not the canonical encoding of 1 to [`MAX_CHANGES`] changes, whose records have together at most
    /// [`MAX_PAYLOAD_BYTES`].
    pub fn list_from_shared(bytes: &Bytes) -> Result<Vec<Self>, CodecError> {
        whole(bytes, |input, source| {
            input.version("changes of a member", VERSION)?;
            let mut records = 0;
            let changes = input.list(MAX_CHANGES, |input| {
                let change = Self::read(input, source)?;
                records += change.record_len();
                if records > MAX_PAYLOAD_BYTES {
                    return Err(CodecError::TooLong { what: "records", max: MAX_PAYLOAD_BYTES, found: records });
                }
                Ok(change)
            })?;
            if changes.is_empty() {
                return Err(CodecError::Invalid { what: "changes of a member", why: "there are none" });
            }
            Ok(changes)
        })
    }

    /// Bytes of the encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let fields = match self {
            Self::Put { entry, .. } => LSN + entry.encoded_len(),
            Self::Cut { .. } | Self::KnownGood { .. } => 8 + 8,
            Self::Fence(_) => FENCE,
            Self::Clean(_) => 8,
            Self::Release(_) => LSN,
        };
        1 + fields
    }

    fn record_len(&self) -> usize {
        if let Self::Put { entry, .. } = self { entry.content.len() } else { 0 }
    }

    fn read(input: &mut Reader<'_>, source: Source<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            1 => Self::Put { lsn: input.get()?, entry: Entry::read(input, source)? },
            2 => Self::Cut { epoch: Epoch(input.u64()?), above: input.u64()? },
            3 => Self::Fence(input.get()?),
            4 => Self::Clean(Epoch(input.u64()?)),
            5 => Self::Release(input.get()?),
            6 => Self::KnownGood { epoch: Epoch(input.u64()?), number: input.u64()? },
            found => return Err(CodecError::Tag { what: "change of a member", found: found.into() }),
        })
    }
}
