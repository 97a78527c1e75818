//! Many Scarab ids of one draw.

use std::iter::FusedIterator;

use super::scarab::{END_MS, SEQUENCE_BITS};
use super::{NodeNumber, Scarab, range_count};
use crate::Error;

/// Ids that follow each other without a gap, of one node. As numbers they are *not* consecutive where the sequence carries into the
/// next millisecond; the first id and the length name the whole range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScarabRange {
    node: NodeNumber,
    next: u64,
    end: u64,
}

impl ScarabRange {
    /// The `count` ids from `first` on, 1 to [`MAX_RANGE`](super::MAX_RANGE), as the generator that drew them names them to others.
    ///
    /// # Errors
    /// [`Error::Size`] for another count, or for ids beyond the last time.
    pub fn new(first: Scarab, count: u32) -> Result<Self, Error> {
        let count = range_count(count)?;
        let next = first.state();
        let left = (END_MS << SEQUENCE_BITS) - next;
        if count > left {
            return Err(Error::Size { what: "a range of ids", found: count, allowed: "up to the last id of 2094" });
        }
        Ok(Self::of_states(next, count, first.node()))
    }

    pub(super) fn of_states(first: u64, count: u64, node: NodeNumber) -> Self {
        Self { node, next: first, end: first + count }
    }
}

impl Iterator for ScarabRange {
    type Item = Scarab;

    #[inline]
    fn next(&mut self) -> Option<Scarab> {
        let id = (self.next < self.end).then(|| Scarab::of_state(self.next, self.node))?;
        self.next += 1;
        Some(id)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ScarabRange {}

impl FusedIterator for ScarabRange {}
