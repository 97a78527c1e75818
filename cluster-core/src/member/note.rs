//! What members say to each other about a partition.

use bytes::Bytes;
use pyralog_crypto::{CodecError, Encode, Reader, Writer};

use crate::replica::Reached;
use crate::replication::{MAX_MESSAGE_BYTES, Message};
use crate::tree::TrimmedPrefix;

/// Bytes of the records in one answer to [`Note::Fetch`]: about so many, or one record that is longer.
pub(crate) const FETCH_BYTES: usize = 1 << 20;
/// Bytes of a note, at most: a message, or records with all producers that there may be.
pub const MAX_NOTE_BYTES: usize = MAX_MESSAGE_BYTES + (1 << 20);

/// Bytes of one producer, about.
const PRODUCER: usize = 256;

const REPLICATION: u8 = 1;
const FETCH: u8 = 2;
const FETCHED: u8 = 3;
const TRIMMED: u8 = 4;
const FETCH_STUBS: u8 = 5;

/// What a member says to another one about one partition.
///
/// ```text
/// 1:u8 message                                            see [`Message`]
/// 2:u8 from:u64                                           5:u8 where stubs do
/// 3:u8 from:u64 option<reached> item*                     see `crate::items`; a record, or a [`crate::Stub`], stands last
/// 4:u8 prefix                                             see [`TrimmedPrefix`]
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Of sequencers and storing members.
    Replication(Message),
    /// What records have you got from this offset on?
    Fetch {
        /// Offset of the first one that is wanted.
        from: u64,
        /// Whether their leaves are enough.
        stubs: bool,
    },
    /// These.
    Fetched {
        /// As in the question.
        from: u64,
        /// Where the last one is, if nothing is behind it yet.
        reached: Option<Reached>,
        /// The records, or what stands for them, each behind its length.
        items: Bytes,
    },
    /// What you lack was removed by the log's retention; this is left of it, and records are there behind it.
    Trimmed(TrimmedPrefix),
}

impl Note {
    /// The bytes before the last record, and it.
    #[must_use]
    pub fn to_parts(&self) -> (Vec<u8>, Bytes) {
        match self {
            Self::Replication(message) => {
                let (head, record) = message.to_parts();
                let mut whole = Vec::with_capacity(1 + head.len());
                whole.push(REPLICATION);
                whole.extend_from_slice(&head);
                (whole, record)
            }
            Self::Fetch { from, stubs } => {
                let mut out = Writer::default();
                out.u8(if *stubs { FETCH_STUBS } else { FETCH }).u64(*from);
                (out.into_bytes(), Bytes::new())
            }
            Self::Fetched { from, reached, items } => {
                let mut out = Writer::default();
                out.u8(FETCHED).u64(*from).option(reached.as_ref(), |out, reached| {
                    out.put(reached);
                });
                (out.into_bytes(), items.clone())
            }
            Self::Trimmed(prefix) => {
                let mut out = Writer::default();
                out.u8(TRIMMED).put(prefix);
                (out.into_bytes(), Bytes::new())
            }
        }
    }

    /// The note that fills `bytes`; records are parts of them.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are none, or longer than [`MAX_NOTE_BYTES`].
    pub fn from_shared(bytes: &Bytes) -> Result<Self, CodecError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(CodecError::TooLong { what: "note of a member", max: MAX_NOTE_BYTES, found: bytes.len() });
        }
        let mut input = Reader::new(bytes);
        match input.u8()? {
            REPLICATION => Message::from_shared(&bytes.slice(1..)).map(Self::Replication),
            tag @ (FETCH | FETCH_STUBS) => {
                let (from, stubs) = (input.u64()?, tag == FETCH_STUBS);
                input.finish().map(|()| Self::Fetch { from, stubs })
            }
            FETCHED => {
                let from = input.u64()?;
                let reached = input.option(Reader::get)?;
                Ok(Self::Fetched { from, reached, items: bytes.slice(bytes.len() - input.remaining()..) })
            }
            TRIMMED => {
                let prefix = input.get()?;
                input.finish().map(|()| Self::Trimmed(prefix))
            }
            found => Err(CodecError::Tag { what: "note of a member", found: found.into() }),
        }
    }

    /// About the bytes of it.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Replication(message) => message.encoded_len(),
            Self::Fetch { .. } => 0,
            Self::Fetched { reached, items, .. } => {
                items.len() + reached.as_ref().map_or(0, |to| PRODUCER * to.producers.len())
            }
            Self::Trimmed(prefix) => prefix.encoded_len(),
        }
    }

    /// Whether it is nothing but a question.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is part of catching up, and may wait for what is not.
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        matches!(self, Self::Fetch { .. } | Self::Fetched { .. } | Self::Trimmed(_))
    }
}

impl Encode for Note {
    fn encode(&self, out: &mut Writer) {
        let (head, record) = self.to_parts();
        out.raw(&head).raw(&record);
    }
}

#[cfg(test)]
mod tests;
