//! Positions of a partition: an epoch, and a number in it.

/// An epoch of one partition: the time during which one sequencer numbers its entries. The first one is 1; 0 is "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before the first epoch.
    pub const NONE: Self = Self(0);

    /// The epoch after this one, or `None` behind the last number there is.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The epoch before this one; [`Epoch::NONE`] is before itself.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The position of one entry of a partition. Order is the order of the partition: first by epoch, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn {
    /// The epoch of the sequencer that gave the number.
    pub epoch: Epoch,
    /// Number in the epoch, from 1 on. 0 stands before the first entry.
    pub number: u64,
}

impl Lsn {
    /// Bytes of [`Lsn::to_bytes`].
    pub const BYTES: usize = 16;

    /// The position with this number in this epoch.
    #[must_use]
    pub const fn new(epoch: Epoch, number: u64) -> Self {
        Self { epoch, number }
    }

    /// `epoch:u64 number:u64`, big-endian: bytes compare as positions do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        (u128::from(self.epoch.0) << 64 | u128::from(self.number)).to_be_bytes()
    }

    /// The position that [`Lsn::to_bytes`] gave these bytes for.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { epoch: Epoch((both >> 64) as u64), number: both as u64 }
    }
}

#[cfg(test)]
mod tests;
