//! The records of the signer's log.

use bytes::Bytes;
use pyralog_consensus::engine::SignMark;
use pyralog_crypto::codec::{Decode, Encode, Reader, Writer};
use pyralog_crypto::error::CodecError;

/// Bytes of one part of what does not fit into a record.
pub const PART_BYTES: usize = 512 << 10;

/// One record. What stands last fills it.
///
/// `number` is that of the begin that a record belongs to, and `sequence` its place behind it, from 1 on. An engine that was replaced may have sent some
/// more, and of what was never acknowledged some may be missing: behind a gap nothing of that begin counts, since nothing of it was acknowledged. A
/// mark of number 0 belongs to none, and counts always.
///
/// ```text
/// 1:u8 number:u64 member:u64                       a member begins to sign, under the number of this start
/// 2:u8 number:u64 sequence:u64 last:u8 bytes       a part of a WAL entry, and whether it is the last one
/// 3:u8 number:u64 sequence:u64 height:u64          entries so far are not needed: this height is under way
/// 4:u8 number:u64 sequence:u64 mark                see `SignMark`
/// 5:u8 number:u64 sequence:u64 last:u8 bytes       a part of a decided block: height:u64 length:u32 block commit
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerRecord {
    /// A member begins.
    Begin {
        /// Higher than that of all that began before.
        number: u64,
        /// Which.
        member: u64,
    },
    /// What one that has begun has to say.
    Said {
        /// Whose.
        number: u64,
        /// Its place.
        sequence: u64,
        /// What.
        what: Said,
    },
}

/// See [`SignerRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A part of a WAL entry.
    Entry {
        /// Whether the entry ends with it.
        last: bool,
        /// The bytes.
        part: Bytes,
    },
    /// The WAL is emptied.
    Reset {
        /// The height under way.
        height: u64,
    },
    /// So far may have been signed.
    Mark(SignMark),
    /// A part of a decided block with its commit.
    Block {
        /// Whether the block ends with it.
        last: bool,
        /// The bytes.
        part: Bytes,
    },
}

impl Said {
    /// As the record of a begin.
    pub fn of(self, number: u64, sequence: u64) -> SignerRecord {
        SignerRecord::Said { number, sequence, what: self }
    }
}

impl Encode for SignerRecord {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Begin { number, member } => {
                w.u8(1).u64(*number).u64(*member);
            }
            Self::Said { number, sequence, what } => {
                let kind = match what {
                    Said::Entry { .. } => 2,
                    Said::Reset { .. } => 3,
                    Said::Mark(_) => 4,
                    Said::Block { .. } => 5,
                };
                w.u8(kind).u64(*number).u64(*sequence);
                match what {
                    Said::Entry { last, part } | Said::Block { last, part } => w.u8(u8::from(*last)).raw(part),
                    Said::Reset { height } => w.u64(*height),
                    Said::Mark(mark) => w.put(mark),
                };
            }
        }
    }
}

impl SignerRecord {
    /// The record that fills `bytes`.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are none.
    pub fn from_shared(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let (kind, number, second) = (r.u8()?, r.u64()?, r.u64()?);
        let what = match kind {
            1 => return r.finish().map(|()| Self::Begin { number, member: second }),
            2 | 5 => {
                let last = match r.u8()? {
                    0 => false,
                    1 => true,
                    found => return Err(CodecError::Tag { what: "part of a signer's record", found: found.into() }),
                };
                let part = bytes.slice(bytes.len() - r.remaining()..);
                let what = if kind == 2 { Said::Entry { last, part } } else { Said::Block { last, part } };
                return Ok(what.of(number, second));
            }
            3 => Said::Reset { height: r.u64()? },
            4 => Said::Mark(SignMark::decode(&mut r)?),
            found => return Err(CodecError::Tag { what: "record of the signer's log", found: found.into() }),
        };
        r.finish().map(|()| what.of(number, second))
    }
}

/// A decided block with its commit, as one.
pub fn join_block(height: u64, block: &[u8], commit: &[u8]) -> Bytes {
    let mut w = Writer::default();
    // Blocks are bounded far below.
    w.u64(height).u32(u32::try_from(block.len()).unwrap_or(u32::MAX)).raw(block).raw(commit);
    w.into_bytes().into()
}

/// Height, block and commit of [`join_block`].
///
/// # Errors
/// [`CodecError`] for bytes that are none.
pub fn split_block(bytes: &Bytes) -> Result<(u64, Bytes, Bytes), CodecError> {
    let mut r = Reader::new(bytes);
    let (height, length) = (r.u64()?, r.u32()? as usize);
    let begin = bytes.len() - r.remaining();
    if length > r.remaining() {
        return Err(CodecError::Invalid { what: "block in the signer's log", why: "it is longer than its record" });
    }
    Ok((height, bytes.slice(begin..begin + length), bytes.slice(begin + length..)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use pyralog_consensus::block::Step;

    use super::*;

    #[test]
    fn vectors() {
        let mark = SignMark { height: 258, round: 3, step: Step::Precommit };
        let part = Bytes::from_static(b"\xab");
        for (record, hex) in [
            (SignerRecord::Begin { number: 7, member: 2 }, "0100000000000000070000000000000002"),
            (Said::Entry { last: false, part: part.clone() }.of(7, 1), "020000000000000007000000000000000100ab"),
            (Said::Reset { height: 9 }.of(7, 2), "03000000000000000700000000000000020000000000000009"),
            (Said::Mark(mark).of(0, 0), "04000000000000000000000000000000000100000000000001020000000303"),
            (Said::Block { last: true, part }.of(7, 3), "050000000000000007000000000000000301ab"),
        ] {
            let bytes = Bytes::from(record.to_bytes());
            assert_eq!(hex::encode(&bytes), hex);
            assert_eq!(SignerRecord::from_shared(&bytes).unwrap(), record);
        }
        let joined = join_block(7, b"block", b"commit");
        let (height, block, commit) = split_block(&joined).unwrap();
        assert_eq!((height, &block[..], &commit[..]), (7, &b"block"[..], &b"commit"[..]));
        assert!(split_block(&joined.slice(..14)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let bytes = Bytes::from(bytes);
            if let Ok(record) = SignerRecord::from_shared(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes.to_vec());
            }
        }
    }
}
