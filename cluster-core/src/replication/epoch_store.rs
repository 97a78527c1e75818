//! Epochs and last clean epoch of one partition: the part that must be linearizable.

use std::collections::BTreeMap;

use super::rule::{Rule, broken};
use super::{Epoch, MemberId, NodeSet};

/// Most epochs whose last known good one answer tells.
pub const MAX_KNOWN_GOOD: usize = 64;
/// Most nodesets of epochs that are not clean, beside the newest: a change that would make them more is refused.
pub const MAX_EARLIER: usize = 4;

/// A change or a question, in the order of consensus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Begin a new epoch.
    TakeEpoch {
        /// The member whose sequencer it is for.
        sequencer: MemberId,
        /// Who stores the partition from this epoch on; whoever did so far, where there is none.
        nodeset: Option<NodeSet>,
    },
    /// The epoch has been recovered: it is now the last clean one, if the one before it is that so far.
    AdvanceClean {
        /// The recovered epoch.
        epoch: Epoch,
        /// Its last known good, as the recovery found it.
        known_good: u64,
    },
    /// How do things stand?
    Ask {
        /// First epoch whose last known good is wanted.
        from: Epoch,
    },
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The epoch in it is new, and belongs to whoever asked.
    Taken(Metadata),
    /// The last clean epoch has advanced.
    Advanced(Metadata),
    /// Nothing was changed: another epoch is due, there are no more numbers, or [`MAX_EARLIER`] nodesets wait for the recovery of their epochs.
    Refused(Metadata),
    /// How things stand.
    Asked(Metadata),
}

impl Answer {
    /// How things stood when the command was applied.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::Taken(metadata) | Self::Advanced(metadata) | Self::Refused(metadata) | Self::Asked(metadata) => {
                metadata
            }
        }
    }
}

/// How things stood at one moment. All numbers only rise, and a last known good never changes, so an old answer is still true.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// Who stores the newest epoch.
    pub nodeset: NodeSet,
    /// Who stores the earlier epochs that are not clean, where the nodeset was changed since: each behind the last of its epochs, in order, at
    /// most [`MAX_EARLIER`].
    pub earlier: Vec<(Epoch, NodeSet)>,
    /// The newest epoch; 0 where none was taken yet.
    pub epoch: Epoch,
    /// Whose it is.
    pub sequencer: MemberId,
    /// All epochs up to this one are recovered for good.
    pub last_clean: Epoch,
    /// Last known good of clean epochs, from the one that was asked for on, without gaps; at most [`MAX_KNOWN_GOOD`].
    pub known_good: Vec<(Epoch, u64)>,
}

impl Metadata {
    /// Who stores an epoch that is not clean.
    #[must_use]
    pub fn nodeset_of(&self, epoch: Epoch) -> &NodeSet {
        let earlier = self.earlier.iter().find(|(last, _)| *last >= epoch);
        earlier.map_or(&self.nodeset, |(_, nodeset)| nodeset)
    }

    /// Who stores the epochs before the newest that are not clean.
    pub fn unclean(&self) -> impl Iterator<Item = &NodeSet> {
        let changed = self.earlier.last().map_or(self.last_clean, |(last, _)| *last);
        let since = (changed < self.epoch.previous()).then_some(&self.nodeset);
        self.earlier.iter().map(|(_, nodeset)| nodeset).chain(since)
    }
}

/// The state machine that consensus feeds: epochs are unique and rise, and the last clean epoch advances one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochStore {
    /// Of the newest epoch; before the first one, of that.
    nodeset: NodeSet,
    /// Of the epochs before it that are not clean, where it was changed since: under the last epoch of each.
    earlier: BTreeMap<Epoch, NodeSet>,
    epoch: Epoch,
    sequencer: MemberId,
    last_clean: Epoch,
    /// One of each clean epoch; the log's retention removes them together with the epoch.
    known_good: BTreeMap<Epoch, u64>,
}

impl EpochStore {
    /// A partition without epochs.
    #[must_use]
    pub fn new(nodeset: NodeSet) -> Self {
        let (epoch, last_clean, sequencer) = (Epoch::NONE, Epoch::NONE, MemberId(0));
        let (earlier, known_good) = Default::default();
        Self { nodeset, earlier, epoch, sequencer, last_clean, known_good }
    }

    /// The newest epoch; 0 where none was taken yet.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whose the newest epoch is.
    #[must_use]
    pub fn sequencer(&self) -> MemberId {
        self.sequencer
    }

    /// All epochs up to this one are recovered for good.
    #[must_use]
    pub fn last_clean(&self) -> Epoch {
        self.last_clean
    }

    /// Whether a member stores epochs that are not clean, of an earlier nodeset.
    #[must_use]
    pub fn earlier_stands_on(&self, member: MemberId) -> bool {
        self.earlier.iter().any(|(_, nodeset)| nodeset.contains(member))
    }

    /// Applies one command. The same commands in the same order give the same answers on every replica.
    pub fn apply(&mut self, command: &Command) -> Answer {
        match command {
            Command::TakeEpoch { sequencer, nodeset } => self.take(*sequencer, nodeset.as_ref()),
            Command::AdvanceClean { epoch, known_good } => self.advance(*epoch, *known_good),
            Command::Ask { from } => Answer::Asked(self.metadata(*from)),
        }
    }

    fn take(&mut self, sequencer: MemberId, nodeset: Option<&NodeSet>) -> Answer {
        let repeated = broken(Rule::EpochRepeated) && self.epoch > Epoch::NONE;
        let next = if repeated { Some(self.epoch) } else { self.epoch.next() };
        let nodeset = nodeset.filter(|nodeset| **nodeset != self.nodeset);
        let too_many = nodeset.is_some() && self.earlier.len() >= MAX_EARLIER;
        let Some(epoch) = next.filter(|_| !too_many) else { return Answer::Refused(self.metadata(self.epoch)) };
        if let Some(nodeset) = nodeset {
            let before = std::mem::replace(&mut self.nodeset, nodeset.clone());
            // The newest epoch is never clean.
            if self.epoch > Epoch::NONE {
                self.earlier.insert(self.epoch, before);
            }
        }
        (self.epoch, self.sequencer) = (epoch, sequencer);
        Answer::Taken(self.metadata(epoch))
    }

    /// Compare and set. The newest epoch is still written to, so it is never clean.
    fn advance(&mut self, epoch: Epoch, known_good: u64) -> Answer {
        let due = self.last_clean.next() == Some(epoch) || broken(Rule::CleanUncompared);
        if !due || epoch >= self.epoch {
            return Answer::Refused(self.metadata(epoch));
        }
        self.last_clean = epoch;
        self.known_good.insert(epoch, known_good);
        self.earlier.retain(|last, _| *last > epoch);
        Answer::Advanced(self.metadata(epoch))
    }

    fn metadata(&self, from: Epoch) -> Metadata {
        let known_good = self.known_good.range(from..).take(MAX_KNOWN_GOOD).map(|(epoch, good)| (*epoch, *good));
        Metadata {
            nodeset: self.nodeset.clone(),
            earlier: self.earlier.iter().map(|(last, nodeset)| (*last, nodeset.clone())).collect(),
            epoch: self.epoch,
            sequencer: self.sequencer,
            last_clean: self.last_clean,
            known_good: known_good.collect(),
        }
    }
}

#[path = "epoch_codec.rs"]
mod codec;
#[cfg(test)]
mod tests;
