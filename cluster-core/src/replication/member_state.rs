//! What a storing member must remember over a crash, beside its copies.

use std::collections::BTreeMap;

use super::{Entry, Epoch, Fence, Lsn};

/// One change that must become durable. Those of one [`crate::replication::MemberEffect::Persist`] become durable together, and in the
/// order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// Keep this copy, instead of the one that is there.
    Put {
        /// Its position.
        lsn: Lsn,
        /// The copy.
        entry: Entry,
    },
    /// Remove the copies of an epoch above a number.
    Cut {
        /// The epoch.
        epoch: Epoch,
        /// The last number that stays.
        above: u64,
    },
    /// See [`MemberState::fence`].
    Fence(Fence),
    /// See [`MemberState::clean`].
    Clean(Epoch),
    /// See [`MemberState::released`].
    Release(Lsn),
    /// See [`MemberState::known_good`].
    KnownGood {
        /// The epoch.
        epoch: Epoch,
        /// Its last known good.
        number: u64,
    },
}

/// What a storing member knows. Applying, in order, the changes that became durable gives it back after a crash. Every field only rises.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberState {
    pub(super) fence: Fence,
    pub(super) clean: Epoch,
    pub(super) released: Lsn,
    pub(super) known_good: BTreeMap<Epoch, u64>,
}

impl MemberState {
    /// The highest fence that was seen: waves of its epoch and earlier ones are refused, and so is what a lower fence asks for.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// All epochs up to this one are as their recovery left them, or were purged. The last one may not be so for good: the recovery said
    /// "clean" to this member, and another one may still do the same with the same result.
    #[must_use]
    pub fn clean(&self) -> Epoch {
        self.clean
    }

    /// Everything up to here may be read. All earlier epochs are clean for good.
    #[must_use]
    pub fn released(&self) -> Lsn {
        self.released
    }

    /// Everything in the epoch up to this number has its W copies, as far as this member has heard. Kept of the epochs that are not
    /// clean for good, at most [`super::MAX_KNOWN_EPOCHS`]; 0 for the others.
    #[must_use]
    pub fn known_good(&self, epoch: Epoch) -> u64 {
        self.known_good.get(&epoch).copied().unwrap_or(0)
    }

    /// How many epochs have a last known good.
    pub(super) fn epochs(&self) -> usize {
        self.known_good.len()
    }

    /// Takes over the changes that do not concern copies.
    pub fn apply(&mut self, change: &Change) {
        match *change {
            Change::Fence(fence) => self.fence = self.fence.max(fence),
            Change::Clean(epoch) => {
                self.clean = self.clean.max(epoch);
                self.known_good = self.known_good.split_off(&self.clean);
            }
            Change::Release(lsn) => {
                self.released = self.released.max(lsn);
                self.known_good = self.known_good.split_off(&self.released.epoch);
            }
            Change::KnownGood { epoch, number } => {
                let good = self.known_good.entry(epoch).or_default();
                *good = (*good).max(number);
            }
            Change::Put { .. } | Change::Cut { .. } => {}
        }
    }
}
