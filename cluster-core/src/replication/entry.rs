//! What stands at a position, and which of two copies counts.

use bytes::Bytes;

use super::Epoch;
use super::rule::{Rule, broken};

/// Who may change the epochs at or below `epoch`: the sequencer of the epoch behind it, in one attempt to recover. The higher fence
/// wins; a member that has seen it refuses the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence {
    /// The seal: waves of this epoch and of earlier ones are refused.
    pub epoch: Epoch,
    /// Attempt of the one sequencer that sealed with this epoch; 0 is the seal alone.
    pub attempt: u64,
}

/// Which of two copies of a position counts: the higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precedence {
    /// Stored by the sequencer of the epoch, in this wave. All waves of a position have the same content.
    Wave(u32),
    /// Stored by a recovery. All copies of one attempt have the same content.
    Recovery(Fence),
}

impl Precedence {
    /// Rule 5: whether a copy takes the place of another one. Copies of one precedence are the same.
    pub(super) fn outranks(self, other: Self) -> bool {
        match (self, other) {
            (Self::Recovery(own), Self::Recovery(other)) if broken(Rule::LowerRecoveryWins) => own <= other,
            (Self::Wave(_), Self::Recovery(_)) if broken(Rule::WaveOutranks) => true,
            (Self::Recovery(_), Self::Wave(_)) if broken(Rule::WaveOutranks) => false,
            _ => self >= other,
        }
    }
}

/// What stands at a position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// What a client appended.
    Record(Bytes),
    /// Nothing: its record was never acknowledged, and never will be.
    Hole,
    /// Nothing, and the epoch has no record behind it: a reader goes on with the next epoch.
    Bridge,
}

impl Content {
    /// Bytes of the record, 0 where there is none.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Record(bytes) => bytes.len(),
            Self::Hole | Self::Bridge => 0,
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One copy of a position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What stands there.
    pub content: Content,
    /// Which copy counts.
    pub precedence: Precedence,
}
