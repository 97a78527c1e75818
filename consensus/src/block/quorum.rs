//! How much power decides.

use super::ValidatorSet;

/// The threshold of a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// Strictly more than two thirds of the power.
    #[default]
    TwoThirds,
    /// A planted fault: more than one third. Only tests build with it.
    #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
    OffByOne,
}

impl Quorum {
    /// Whether `power` of `set` suffices.
    pub fn is_met(self, set: &ValidatorSet, power: u64) -> bool {
        match self {
            Self::TwoThirds => set.is_quorum(power),
            #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
            Self::OffByOne => u128::from(power) * 3 > u128::from(set.total_power()),
        }
    }
}
