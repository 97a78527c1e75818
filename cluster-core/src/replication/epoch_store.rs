//! Epochs and last clean epoch of one partition: the part that must be linearizable.

use std::collections::BTreeMap;

use super::rule::{Rule, broken};
use super::{Epoch, MemberId, NodeSet};

/// Most epochs whose last known good one answer tells.
pub const MAX_KNOWN_GOOD: usize = 64;

/// A change or a question, in the order of consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Begin a new epoch.
    TakeEpoch {
        /// The member whose sequencer it is for.
        sequencer: MemberId,
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
    /// Nothing was changed: another epoch is due, or there are no more numbers.
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
    /// Who stores the partition.
    pub nodeset: NodeSet,
    /// The newest epoch; 0 where none was taken yet.
    pub epoch: Epoch,
    /// Whose it is.
    pub sequencer: MemberId,
    /// All epochs up to this one are recovered for good.
    pub last_clean: Epoch,
    /// Last known good of clean epochs, from the one that was asked for on, without gaps; at most [`MAX_KNOWN_GOOD`].
    pub known_good: Vec<(Epoch, u64)>,
}

/// The state machine that consensus feeds: epochs are unique and rise, and the last clean epoch advances one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochStore {
    nodeset: NodeSet,
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
        Self { nodeset, epoch, sequencer, last_clean, known_good: BTreeMap::new() }
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

    /// Applies one command. The same commands in the same order give the same answers on every replica.
    pub fn apply(&mut self, command: &Command) -> Answer {
        match *command {
            Command::TakeEpoch { sequencer } => self.take(sequencer),
            Command::AdvanceClean { epoch, known_good } => self.advance(epoch, known_good),
            Command::Ask { from } => Answer::Asked(self.metadata(from)),
        }
    }

    fn take(&mut self, sequencer: MemberId) -> Answer {
        let repeated = broken(Rule::EpochRepeated) && self.epoch > Epoch::NONE;
        let next = if repeated { Some(self.epoch) } else { self.epoch.next() };
        match next {
            Some(epoch) => {
                (self.epoch, self.sequencer) = (epoch, sequencer);
                Answer::Taken(self.metadata(Epoch::NONE))
            }
            None => Answer::Refused(self.metadata(Epoch::NONE)),
        }
    }

    /// Compare and set. The newest epoch is still written to, so it is never clean.
    fn advance(&mut self, epoch: Epoch, known_good: u64) -> Answer {
        let due = self.last_clean.next() == Some(epoch) || broken(Rule::CleanUncompared);
        if !due || epoch >= self.epoch {
            return Answer::Refused(self.metadata(epoch));
        }
        self.last_clean = epoch;
        self.known_good.insert(epoch, known_good);
        Answer::Advanced(self.metadata(epoch))
    }

    fn metadata(&self, from: Epoch) -> Metadata {
        let known_good = self.known_good.range(from..).take(MAX_KNOWN_GOOD).map(|(epoch, good)| (*epoch, *good));
        Metadata {
            nodeset: self.nodeset.clone(),
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
