//! Messages as bytes.

use bytes::Bytes;
use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::super::{Content, Entry, Epoch, Fence, Found, MAX_DIGEST_BYTES, MAX_DIGEST_ENTRIES, Message};
use super::{FENCE, LSN, Source, VERSION, whole};

/// | kind | fields |
/// |---|---|
/// | 1 store | `lsn known_good:u64 early:bool entry` |
/// | 2 stored | `lsn precedence` |
/// | 3 fenced | `fence` |
/// | 4 seal | `epoch:u64` |
/// | 5 sealed | `fence` |
/// | 6 digest | `epoch:u64 fence after:u64` |
/// | 7 digested | `epoch:u64 fence after:u64 known_good:u64 more:bool list<(number:u64 entry)>`, numbers rising |
/// | 8 clean | `epoch:u64 fence` |
/// | 9 cleaned | `epoch:u64 fence` |
/// | 10 release | `lsn` |
/// | 11 read | `lsn` |
/// | 12 answer | `lsn found`: `0:u8` nothing, `1:u8` not released, `2:u8 content` |
/// | 13 received | `lsn` |
impl Encode for Message {
    fn encode(&self, out: &mut Writer) {
        self.head(out);
        if let Some(record) = self.record() {
            out.raw(record);
        }
    }

    /// In one buffer of the right size.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out.into_bytes()
    }
}

impl Decode for Message {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Self::read(input, Source::COPY)
    }
}

impl Message {
    /// Reads a message that fills `bytes`. Its records are parts of them, not copies.
    ///
    /// # Errors
    /// [`CodecError`] where the bytes are not the canonical encoding of a message within its bounds.
    pub fn from_shared(bytes: &Bytes) -> Result<Self, CodecError> {
        whole(bytes, Self::read)
    }

    /// The encoding in two parts, so that a record is sent without being copied: everything before the record of a store or an answer, and the
    /// record. The second part of all other messages is empty.
    #[must_use]
    pub fn to_parts(&self) -> (Vec<u8>, Bytes) {
        let record = self.record().cloned().unwrap_or_default();
        let mut head = Writer::with_capacity(self.encoded_len() - record.len());
        self.head(&mut head);
        (head.into_bytes(), record)
    }

    /// Bytes of the encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let fields = match self {
            Self::Store { entry, .. } => LSN + 8 + 1 + entry.encoded_len(),
            Self::Stored { precedence, .. } => LSN + precedence.encoded_len(),
            Self::Fenced { .. } | Self::Sealed { .. } => FENCE,
            Self::Seal { .. } => 8,
            Self::Digest { .. } => 8 + FENCE + 8,
            Self::Digested { entries, .. } => {
                let entries = entries.iter().map(|(_, entry)| 8 + entry.encoded_len());
                8 + FENCE + 8 + 8 + 1 + 4 + entries.sum::<usize>()
            }
            Self::Clean { .. } | Self::Cleaned { .. } => 8 + FENCE,
            Self::Release { .. } | Self::Read { .. } | Self::Received { .. } => LSN,
            Self::Answer { found: Found::Copy(content), .. } => LSN + 1 + content.encoded_len(),
            Self::Answer { .. } => LSN + 1,
        };
        2 + fields
    }

    /// The record at the end of the encoding.
    fn record(&self) -> Option<&Bytes> {
        match self {
            Self::Store { entry, .. } => entry.content.record(),
            Self::Answer { found: Found::Copy(content), .. } => content.record(),
            _ => None,
        }
    }

    /// All but the record at the end.
    fn head(&self, out: &mut Writer) {
        out.u8(VERSION);
        match self {
            Self::Store { lsn, entry, known_good, early } => {
                entry.head(out.u8(1).put(lsn).u64(*known_good).bool(*early))
            }
            Self::Stored { lsn, precedence } => out.u8(2).put(lsn).put(precedence),
            Self::Fenced { by } => out.u8(3).put(by),
            Self::Seal { epoch } => out.u8(4).u64(epoch.0),
            Self::Sealed { fence } => out.u8(5).put(fence),
            Self::Digest { epoch, fence, after } => out.u8(6).u64(epoch.0).put(fence).u64(*after),
            Self::Digested { epoch, fence, after, known_good, entries, more } => {
                out.u8(7).u64(epoch.0).put(fence).u64(*after).u64(*known_good).bool(*more);
                out.list(entries, |out, (number, entry)| {
                    out.u64(*number).put(entry);
                })
            }
            Self::Clean { epoch, fence } => out.u8(8).u64(epoch.0).put(fence),
            Self::Cleaned { epoch, fence } => out.u8(9).u64(epoch.0).put(fence),
            Self::Release { lsn } => out.u8(10).put(lsn),
            Self::Read { lsn } => out.u8(11).put(lsn),
            Self::Received { lsn } => out.u8(13).put(lsn),
            Self::Answer { lsn, found } => match found {
                Found::Nothing => out.u8(12).put(lsn).u8(0),
                Found::NotReleased => out.u8(12).put(lsn).u8(1),
                Found::Copy(content) => content.head(out.u8(12).put(lsn).u8(2)),
            },
        };
    }

    fn read(input: &mut Reader<'_>, source: Source<'_>) -> Result<Self, CodecError> {
        input.version("replication message", VERSION)?;
        Ok(match input.u8()? {
            1 => {
                let (lsn, known_good, early) = (input.get()?, input.u64()?, input.bool()?);
                Self::Store { lsn, known_good, early, entry: Entry::read(input, source)? }
            }
            2 => Self::Stored { lsn: input.get()?, precedence: input.get()? },
            3 => Self::Fenced { by: input.get()? },
            4 => Self::Seal { epoch: epoch(input)? },
            5 => Self::Sealed { fence: input.get()? },
            6 => Self::Digest { epoch: epoch(input)?, fence: input.get()?, after: input.u64()? },
            7 => Self::digested(input, source)?,
            8 => Self::Clean { epoch: epoch(input)?, fence: input.get()? },
            9 => Self::Cleaned { epoch: epoch(input)?, fence: input.get()? },
            10 => Self::Release { lsn: input.get()? },
            11 => Self::Read { lsn: input.get()? },
            12 => Self::Answer { lsn: input.get()?, found: found(input, source)? },
            13 => Self::Received { lsn: input.get()? },
            found => return Err(CodecError::Tag { what: "replication message", found: found.into() }),
        })
    }

    fn digested(input: &mut Reader<'_>, source: Source<'_>) -> Result<Self, CodecError> {
        let (epoch, fence): (Epoch, Fence) = (epoch(input)?, input.get()?);
        let (after, known_good, more) = (input.u64()?, input.u64()?, input.bool()?);
        let (mut last, mut bytes) = (after.max(known_good), 0);
        let entries = input.list(MAX_DIGEST_ENTRIES, |input| {
            let (number, entry) = (input.u64()?, Entry::read(input, source)?);
            if number <= last {
                return Err(CodecError::Invalid { what: "digest", why: "its numbers do not rise" });
            }
            if bytes >= MAX_DIGEST_BYTES {
                return Err(CodecError::Invalid { what: "digest", why: "a copy stands behind the one that fills it" });
            }
            last = number;
            bytes += entry.content.len();
            Ok((number, entry))
        })?;
        Ok(Self::Digested { epoch, fence, after, known_good, entries, more })
    }
}

fn epoch(input: &mut Reader<'_>) -> Result<Epoch, CodecError> {
    input.u64().map(Epoch)
}

fn found(input: &mut Reader<'_>, source: Source<'_>) -> Result<Found, CodecError> {
    match input.u8()? {
        0 => Ok(Found::Nothing),
        1 => Ok(Found::NotReleased),
        2 => Ok(Found::Copy(Content::read(input, source)?)),
        found => Err(CodecError::Tag { what: "found", found: found.into() }),
    }
}
