//! The node part of a Scarab id.

use std::fmt;

use super::scarab::NODE_BITS;
use crate::Error;

/// Number of a generator of Scarab ids, 0 to 1023. No two generators of a cluster may ever have the same: then they would make the
/// same ids. A generator that lost its directory takes a number that was never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(u16);

impl NodeNumber {
    /// The largest number.
    pub const MAX: Self = Self((1 << NODE_BITS) - 1);

    /// Checks a number.
    ///
    /// # Errors
    /// [`Error::NodeNumber`] above 1023.
    pub fn new(number: u64) -> Result<Self, Error> {
        match u16::try_from(number) {
            Ok(small) if small <= Self::MAX.0 => Ok(Self(small)),
            _ => Err(Error::NodeNumber { found: number }),
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The node part of a whole id.
    pub(super) fn of_bits(bits: u64) -> Self {
        Self((bits & u64::from(Self::MAX.0)) as u16)
    }
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
