//! The records of the signer's log.

use bytes::Bytes;
use pyralog_consensus::engine::SignMark;
use pyralog_crypto::codec::{Decode, Encode, Reader, Writer};
use pyralog_crypto::error::CodecError;

/// Bytes of one part of what does not fit into a record.
pub const PART_BYTES: usize = 512 << 10;

/// One record. What stands last fills it. `number` is that of the begin that it belongs to: an engine that was replaced may have sent some more.
///
/// ```text
/// 1:u8 number:u64 member:u64          a member begins to sign, under the number of this start
/// 2:u8 number:u64 last:u8 bytes       a part of a WAL entry, and whether it is the last one
/// 3:u8 number:u64 height:u64          entries so far are not needed: this height is under way
/// 4:u8 mark                           see `SignMark`
/// 5:u8 number:u64 last:u8 bytes       a part of a decided block: height:u64 length:u32 block commit
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
    /// A part of a WAL entry.
    Entry {
        /// Whose.
        number: u64,
        /// Whether the entry ends with it.
        last: bool,
        /// The bytes.
        part: Bytes,
    },
    /// The WAL is emptied.
    Reset {
        /// Whose.
        number: u64,
        /// The height under way.
        height: u64,
    },
    /// So far may have been signed.
    Mark(SignMark),
    /// A part of a decided block with its commit.
    Block {
        /// Whose.
        number: u64,
        /// Whether the block ends with it.
        last: bool,
        /// The bytes.
        part: Bytes,
    },
}

impl Encode for SignerRecord {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Begin { number, member } => w.u8(1).u64(*number).u64(*member),
            Self::Entry { number, last, part } => w.u8(2).u64(*number).u8(u8::from(*last)).raw(part),
            Self::Reset { number, height } => w.u8(3).u64(*number).u64(*height),
            Self::Mark(mark) => w.u8(4).put(mark),
            Self::Block { number, last, part } => w.u8(5).u64(*number).u8(u8::from(*last)).raw(part),
        };
    }
}

impl SignerRecord {
    /// The record that fills `bytes`.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are none.
    pub fn from_shared(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let record = match r.u8()? {
            1 => Self::Begin { number: r.u64()?, member: r.u64()? },
            kind @ (2 | 5) => {
                let number = r.u64()?;
                let last = match r.u8()? {
                    0 => false,
                    1 => true,
                    found => return Err(CodecError::Tag { what: "part of a signer's record", found: found.into() }),
                };
                let part = bytes.slice(10..);
                return Ok(match kind {
                    2 => Self::Entry { number, last, part },
                    _ => Self::Block { number, last, part },
                });
            }
            3 => Self::Reset { number: r.u64()?, height: r.u64()? },
            4 => Self::Mark(SignMark::decode(&mut r)?),
            found => return Err(CodecError::Tag { what: "record of the signer's log", found: found.into() }),
        };
        r.finish().map(|()| record)
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
            (SignerRecord::Entry { number: 7, last: false, part: part.clone() }, "02000000000000000700ab"),
            (SignerRecord::Reset { number: 7, height: 9 }, "0300000000000000070000000000000009"),
            (SignerRecord::Mark(mark), "040100000000000001020000000303"),
            (SignerRecord::Block { number: 7, last: true, part }, "05000000000000000701ab"),
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
