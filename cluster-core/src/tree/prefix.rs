//! What is left of removed segments.

use pyralog_crypto::{CodecError, Decode, Encode, Hash, Reader, SegmentLeaf, Writer};

/// Segments of a prefix that is passed on, at most.
pub const MAX_TRIMMED_SEGMENTS: usize = 100_000;

/// No partition has so many records.
const MAX_END: u64 = 1 << 62;

/// The first segments of a partition, of which nothing but the roots is left: each begins where the one before it ends.
///
/// `count:u32`, then `next:u64 root[32]` for each segment: offset behind its last record, and its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrimmedPrefix(Vec<SegmentLeaf>);

impl TrimmedPrefix {
    /// Of these leaves, which must follow each other from record 0 on; `None` where they do not, or are too many.
    #[must_use]
    pub fn new(leaves: Vec<SegmentLeaf>) -> Option<Self> {
        let mut due = 0;
        let follows = leaves.iter().all(|leaf| {
            let follows = leaf.first == due && leaf.next > due;
            due = leaf.next;
            follows
        });
        (follows && due <= MAX_END && leaves.len() <= MAX_TRIMMED_SEGMENTS).then_some(Self(leaves))
    }

    /// The leaves of the segments, from the first one on.
    #[must_use]
    pub fn leaves(&self) -> &[SegmentLeaf] {
        &self.0
    }

    /// Offset of the first record behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |leaf| leaf.next)
    }

    /// Bytes of its encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        4 + 40 * self.0.len()
    }
}

impl Encode for TrimmedPrefix {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.0, |out, leaf| {
            out.u64(leaf.next).raw(&leaf.root.0);
        });
    }
}

impl Decode for TrimmedPrefix {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut first = 0;
        let leaves = input.list(MAX_TRIMMED_SEGMENTS, |input| {
            let leaf = SegmentLeaf { first, next: input.u64()?, root: Hash(input.array()?) };
            if leaf.next <= first || leaf.next > MAX_END {
                return Err(CodecError::Invalid {
                    what: "trimmed prefix",
                    why: "a segment has no record, or too many",
                });
            }
            first = leaf.next;
            Ok(leaf)
        })?;
        Ok(Self(leaves))
    }
}
