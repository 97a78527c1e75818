//! An epoch shard: who may number the records of which partition.
//!
//! Its state is an [`EpochStore`] per partition. One [`ShardCommand::Batch`] takes the epochs of all partitions that a dead member led, in one commit.

mod codec;

use std::collections::BTreeMap;

use super::Machine;
use super::global::MAX_ALL_PARTITIONS;
use crate::replication::{Answer, Command, EpochStore, NodeSet};

/// Most commands of one batch.
pub const MAX_BATCH: usize = 4096;

/// A change of a shard, or a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardCommand {
    /// The partition is kept here from now on.
    Create {
        /// Its id.
        partition: u64,
        /// Who stores it.
        nodeset: NodeSet,
    },
    /// These are kept here from now on, at most [`MAX_BATCH`]; those that are already stay as they are.
    CreateAll(Vec<(u64, NodeSet)>),
    /// The partition is gone. Its id is never given again.
    Remove {
        /// Its id.
        partition: u64,
    },
    /// For one partition.
    One {
        /// Its id.
        partition: u64,
        /// What.
        command: Command,
    },
    /// For many partitions, at most [`MAX_BATCH`], in this order.
    Batch(Vec<(u64, Command)>),
}

/// What a shard says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardAnswer {
    /// It is so.
    Done,
    /// The shard keeps the partition already, with another nodeset: it was created so, or changed since.
    Exists,
    /// The shard does not keep the partition.
    NoSuchPartition,
    /// The shard keeps as many partitions as a cluster may have.
    Full,
    /// What the partition's epoch store said.
    One(Answer),
    /// What each epoch store said, in the order of the commands; nothing where the shard does not keep the partition.
    Batch(Vec<Option<Answer>>),
}

/// What an epoch shard agrees about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardState {
    partitions: BTreeMap<u64, EpochStore>,
}

impl ShardState {
    /// The epoch store of a partition.
    #[must_use]
    pub fn partition(&self, partition: u64) -> Option<&EpochStore> {
        self.partitions.get(&partition)
    }

    /// All partitions, in the order of their ids.
    pub fn partitions(&self) -> impl Iterator<Item = (u64, &EpochStore)> {
        self.partitions.iter().map(|(id, store)| (*id, store))
    }

    fn one(&mut self, partition: u64, command: &Command) -> Option<Answer> {
        self.partitions.get_mut(&partition).map(|store| store.apply(command))
    }

    /// The same creation may be asked for again, since its answer may be lost.
    fn create(&mut self, partition: u64, nodeset: &NodeSet) -> ShardAnswer {
        match self.partitions.get(&partition) {
            None if self.partitions.len() >= MAX_ALL_PARTITIONS => ShardAnswer::Full,
            None => {
                self.partitions.insert(partition, EpochStore::new(nodeset.clone()));
                ShardAnswer::Done
            }
            Some(old) if old.nodeset() == nodeset => ShardAnswer::Done,
            Some(_) => ShardAnswer::Exists,
        }
    }
}

impl Machine for ShardState {
    type Command = ShardCommand;
    type Answer = ShardAnswer;

    fn apply(&mut self, command: &ShardCommand) -> ShardAnswer {
        match command {
            ShardCommand::Create { partition, nodeset } => self.create(*partition, nodeset),
            ShardCommand::CreateAll(all) => {
                let mut answer = ShardAnswer::Done;
                for (partition, nodeset) in all {
                    // All that fit.
                    if self.create(*partition, nodeset) == ShardAnswer::Full {
                        answer = ShardAnswer::Full;
                    }
                }
                answer
            }
            ShardCommand::Remove { partition } => match self.partitions.remove(partition) {
                Some(_) => ShardAnswer::Done,
                None => ShardAnswer::NoSuchPartition,
            },
            ShardCommand::One { partition, command } => {
                self.one(*partition, command).map_or(ShardAnswer::NoSuchPartition, ShardAnswer::One)
            }
            ShardCommand::Batch(commands) => {
                ShardAnswer::Batch(commands.iter().map(|(partition, command)| self.one(*partition, command)).collect())
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
