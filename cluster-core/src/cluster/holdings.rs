//! Which records of a partition a member has, where others have stubs.

use bytes::Bytes;
use pyralog_crypto::{CodecError, Reader, Writer};

use crate::Error;
use crate::replica::Replica;

/// Records that one answer tells of, at most.
const WINDOW: u64 = 1 << 15;
/// Bytes that are read for one, about.
const READ_BYTES: usize = 64 << 20;
/// Bytes of the answer, at most.
const MAX_BITS: usize = (WINDOW / 8) as usize;

/// The records of a range of offsets that a member has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holdings {
    /// Where the range begins; higher than what was asked for where the records before were removed.
    pub(super) from: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// The member has looked at the records before this one, and does not look again for what others lack.
    pub(super) whole_to: u64,
    /// One of each record, the lowest first in a byte.
    bits: Vec<u8>,
}

impl Holdings {
    /// Those of this member from an offset on, up to `limit` at most.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(super) fn of(replica: &Replica, from: u64, limit: u64, whole_to: u64) -> Result<Self, Error> {
        let partition = replica.partition();
        let (first, _) = partition.range()?;
        let from = from.max(first);
        let most = limit.min(replica.applied().offset).min(from.saturating_add(WINDOW));
        let (mut held, mut read) = (Self { from, end: from, whole_to, bits: Vec::new() }, 0);
        if from >= most {
            return Ok(held);
        }
        partition.read(from, &mut |stored| {
            held.push(stored.stub().is_none());
            read += stored.bytes.len();
            held.end < most && read < READ_BYTES
        })?;
        Ok(held)
    }

    #[cfg(test)]
    pub(super) fn from_bits(from: u64, all: &[bool]) -> Self {
        let mut held = Self { from, end: from, whole_to: 0, bits: Vec::new() };
        all.iter().for_each(|has| held.push(*has));
        held
    }

    fn push(&mut self, has: bool) {
        let place = self.end - self.from;
        if place.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(has) << (place % 8);
        }
        self.end += 1;
    }

    /// Whether the record at an offset is there, and not its stub; `None` outside of the range.
    pub(super) fn has(&self, offset: u64) -> Option<bool> {
        let place = offset.checked_sub(self.from).filter(|_| offset < self.end)?;
        let byte = self.bits.get(usize::try_from(place / 8).ok()?)?;
        Some(byte >> (place % 8) & 1 == 1)
    }

    /// Whether all of them are there.
    pub(super) fn is_whole(&self) -> bool {
        (self.from..self.end).all(|offset| self.has(offset) == Some(true))
    }

    /// `from:u64 end:u64 whole_to:u64 bits`.
    pub(super) fn to_bytes(&self) -> Bytes {
        let mut out = Writer::with_capacity(24 + self.bits.len());
        out.u64(self.from).u64(self.end).u64(self.whole_to).raw(&self.bits);
        out.into_bytes().into()
    }

    /// # Errors
    /// [`CodecError`] for others than [`Holdings::to_bytes`] gives.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid { what: "records that a member has", why };
        let mut input = Reader::new(bytes);
        let (from, end, whole_to) = (input.u64()?, input.u64()?, input.u64()?);
        let bits = bytes[bytes.len() - input.remaining()..].to_vec();
        let count = end.checked_sub(from).ok_or(invalid("they end before they begin"))?;
        if bits.len() > MAX_BITS || bits.len() as u64 != count.div_ceil(8) {
            return Err(invalid("not one bit of each"));
        }
        Ok(Self { from, end, whole_to, bits })
    }
}

#[cfg(test)]
mod tests;
