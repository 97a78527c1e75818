//! The rules whose removal must be noticed: planted bugs, for tests only.

/// One way to break one rule of the data path. In tests a rule is broken by a switch of the thread; in every other build the check is
/// a constant.
///
/// The number in each comment is that of the rule in the documentation of [`crate::replication`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1: the epoch store hands out an epoch for a second time.
    EpochRepeated,
    /// 2: a new sequencer seals nobody, neither before the digest nor by it.
    SealSkipped,
    /// 2: a member answers that it is sealed, and its seal does not survive a crash.
    SealVolatile,
    /// 2: a member takes waves of epochs at or below its seal.
    SealIgnored,
    /// 3: a member says "stored" before the copy is durable.
    StoredBeforeSync,
    /// 4: a sequencer acknowledges before the epoch before its own is sealed on q members.
    AckBeforeSeal,
    /// 4: a new sequencer seals its own nodeset, not those of the epochs before.
    SealsOfNewNodesetOnly,
    /// 5: a wave outranks what a recovery has stored.
    WaveOutranks,
    /// 5: between two recoveries the lower one wins.
    LowerRecoveryWins,
    /// 6: members compare the epochs of fences, not the attempts.
    AttemptIgnored,
    /// 6: members do not compare the fence of a mutation or a clean with their own.
    FenceIgnored,
    /// 6: the fence of a digest does not survive a crash.
    FenceVolatile,
    /// 7: a digest is taken from more than half of the members, where q are more.
    DigestOfMajority,
    /// 7: a digest is taken from W members, where q are more.
    DigestOfFew,
    /// 7: a digest, and so a mutation, is taken from q members, where W are more.
    MutationOfFew,
    /// 7: an epoch is recovered by the newest nodeset, not by its own.
    RecoversByNewNodeset,
    /// 7: copies that differ from the decision are left as they are.
    CopiesLeft,
    /// 7: positions without a record are left empty.
    HolesLeft,
    /// 7: no bridge is stored at the end of an epoch.
    BridgeLeft,
    /// 7: what stands behind a bridge of higher precedence stays a record.
    BridgeIgnored,
    /// 8: the last clean epoch advances before the mutation.
    CleanTooEarly,
    /// 8: the last clean epoch advances after the mutation, without the clean.
    CleanSkipped,
    /// 8: the last clean epoch is set, not compared and set.
    CleanUncompared,
    /// 9: a sequencer releases before all earlier epochs are clean.
    ReleaseTooEarly,
    /// 10: a member that missed a recovery serves without a purge.
    PurgeSkipped,
    /// 10: a member purges by the last known good that it has heard of itself.
    PurgeByHearsay,
    /// 11: last known good is the highest acknowledged number, whatever is missing below.
    KnownGoodSkips,
    /// 12: a sequencer that restarts goes on in its old epoch, behind the last number that it knows to be good.
    NumberReused,
    /// 13: a preempted sequencer goes on.
    PreemptedGoesOn,
    /// 14: a sequencer knows no producers when it begins.
    ProducersForgotten,
    /// 14: a sequencer takes producers as of a position before the end of the epochs before its own.
    ProducersStale,
    /// 14: a sequencer does not add what it accepts to what it knows of a producer.
    PendingForgotten,
    /// 14: the records of a producer are acknowledged in any order.
    ProducerOutOfOrder,
    /// 14: a record behind a missing one of its producer counts.
    GapFolded,
    /// A sequencer acknowledges as durable what is in memory. Of the invariants, not of the rules.
    AckOfMemory,
    /// A reader takes fewer than q empty answers for a gap. Of the invariants, not of the thirteen rules.
    GapOfFew,
}

#[cfg(test)]
impl Rule {
    /// Every way there is.
    pub(super) const ALL: [Self; 36] = [
        Self::EpochRepeated,
        Self::SealSkipped,
        Self::SealVolatile,
        Self::SealIgnored,
        Self::StoredBeforeSync,
        Self::AckBeforeSeal,
        Self::SealsOfNewNodesetOnly,
        Self::WaveOutranks,
        Self::LowerRecoveryWins,
        Self::AttemptIgnored,
        Self::FenceIgnored,
        Self::FenceVolatile,
        Self::DigestOfMajority,
        Self::DigestOfFew,
        Self::MutationOfFew,
        Self::RecoversByNewNodeset,
        Self::CopiesLeft,
        Self::HolesLeft,
        Self::BridgeLeft,
        Self::BridgeIgnored,
        Self::CleanTooEarly,
        Self::CleanSkipped,
        Self::CleanUncompared,
        Self::ReleaseTooEarly,
        Self::PurgeSkipped,
        Self::PurgeByHearsay,
        Self::KnownGoodSkips,
        Self::NumberReused,
        Self::PreemptedGoesOn,
        Self::ProducersForgotten,
        Self::ProducersStale,
        Self::PendingForgotten,
        Self::ProducerOutOfOrder,
        Self::GapFolded,
        Self::AckOfMemory,
        Self::GapOfFew,
    ];
}

/// Whether the rule is broken in this thread.
#[cfg(test)]
pub(super) fn broken(rule: Rule) -> bool {
    switches::BROKEN.get() == Some(rule)
}

/// No rule is ever broken outside of tests.
#[cfg(not(test))]
pub(super) const fn broken(_: Rule) -> bool {
    false
}

/// The switch, one per thread, since tests run side by side.
#[cfg(test)]
pub(super) mod switches {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        pub(in crate::replication) static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }
}
