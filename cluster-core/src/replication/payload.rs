//! What the bytes of a record begin with: who sent it, so that every copy says so.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Lsn, ProducerId};

/// Bytes before a record that a producer sent.
const STAMPED: usize = 1 + Lsn::BYTES + 8;
/// Bytes before any record, at most.
pub(super) const MAX_HEAD: usize = STAMPED;

/// Who sent a record, and as which of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The producer.
    pub producer: ProducerId,
    /// Rises by one with each of its records, from 1 on; those that open a producer are its 0.
    pub sequence: u64,
}

/// The kinds of payloads. The first byte says which one it is:
///
/// | byte | and then |
/// |---|---|
/// | 0 | the record |
/// | 1 | `producer[16] sequence:u64`, the record |
/// | 2 | a note of the client's choice, which nobody reads: the payload opens a producer, whose id is the position |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    /// Of nobody in particular. Whoever sends it again may find it twice.
    Plain,
    /// Of a producer.
    Stamped(Stamp),
    /// Opens a producer.
    Open,
}

impl Payload {
    /// A record of this kind.
    #[must_use]
    pub fn wrap(self, record: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(STAMPED + record.len());
        match self {
            Self::Plain => bytes.put_u8(0),
            Self::Stamped(Stamp { producer, sequence }) => {
                bytes.put_u8(1);
                bytes.put_slice(&producer.0.to_bytes());
                bytes.put_u64(sequence);
            }
            Self::Open => bytes.put_u8(2),
        }
        bytes.put_slice(record);
        bytes.freeze()
    }

    /// The kind of a payload, and the record in it, not copied. `None` for what [`Payload::wrap`] does not make.
    #[must_use]
    pub fn unwrap(payload: &Bytes) -> Option<(Self, Bytes)> {
        let (tag, rest) = payload.split_first()?;
        match tag {
            0 => Some((Self::Plain, payload.slice(1..))),
            1 => {
                let (producer, rest) = rest.split_first_chunk()?;
                let (sequence, _) = rest.split_first_chunk()?;
                let (producer, sequence) = (ProducerId(Lsn::from_bytes(*producer)), u64::from_be_bytes(*sequence));
                (sequence > 0).then(|| (Self::Stamped(Stamp { producer, sequence }), payload.slice(STAMPED..)))
            }
            2 => Some((Self::Open, payload.slice(1..))),
            _ => None,
        }
    }
}
