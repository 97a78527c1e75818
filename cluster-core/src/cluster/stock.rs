//! How far a member has the partitions that it stores with one that is to leave.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_crypto::{CodecError, Reader, Writer};

use crate::PartitionId;

/// Bytes of one partition in an answer.
const ENTRY: usize = 17;

/// What a member has of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    /// All that it should.
    All = 0,
    /// All that is there, as records or as stubs; but it has not looked yet at all of those that a member had which is no more.
    Unsure = 1,
    /// Not all of the epochs before, or nothing that can be used.
    Less = 2,
}

/// A partition on a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) state: Has,
    /// Offset behind the last record that can be read.
    pub(super) to: u64,
}

/// `count:u32`, then `partition:u64 state:u8 to:u64` of each, rising.
pub(super) fn to_bytes(stock: &BTreeMap<PartitionId, Stock>) -> Bytes {
    let entries: Vec<_> = stock.iter().collect();
    let mut out = Writer::with_capacity(4 + ENTRY * entries.len());
    out.list(&entries, |out, (id, stock)| {
        out.u64(id.0).u8(stock.state as u8).u64(stock.to);
    });
    out.into_bytes().into()
}

/// # Errors
/// [`CodecError`] for others than [`to_bytes`] gives.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<PartitionId, Stock>, CodecError> {
    let mut input = Reader::new(bytes);
    let entries = input.list(bytes.len() / ENTRY, |input| {
        let id = PartitionId(input.u64()?);
        let state = match input.u8()? {
            0 => Has::All,
            1 => Has::Unsure,
            2 => Has::Less,
            found => return Err(CodecError::Tag { what: "what a member has of a partition", found: found.into() }),
        };
        Ok((id, Stock { state, to: input.u64()? }))
    })?;
    input.finish()?;
    if !entries.is_sorted_by(|(before, _), (after, _)| before < after) {
        return Err(CodecError::Invalid { what: "partitions of a member", why: "they do not rise" });
    }
    Ok(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_has_is_read_as_it_was_written_and_nothing_else() {
        let states = [(3, Has::All, 0), (5, Has::Unsure, 7), (9, Has::Less, u64::MAX)];
        let stock: BTreeMap<_, _> = states.map(|(id, state, to)| (PartitionId(id), Stock { state, to })).into();
        let bytes = to_bytes(&stock);
        assert_eq!(read(&bytes).unwrap(), stock);
        assert_eq!(read(&to_bytes(&BTreeMap::new())).unwrap(), BTreeMap::new());
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        let (one, other) = (&bytes[4..4 + ENTRY], &bytes[4 + ENTRY..4 + 2 * ENTRY]);
        assert!(
            read(&[&[0, 0, 0, 2], other, one].concat()).is_err() && read(&[&[0, 0, 0, 2], one, one].concat()).is_err()
        );
        let mut unknown = bytes.to_vec();
        unknown[4 + 8] = 3;
        assert!(read(&unknown).is_err());
    }
}
