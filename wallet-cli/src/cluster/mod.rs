//! `pyralog cluster`: the members of a cluster, and what they store. What is shown is what the asked member says.

mod add;
mod chosen;
mod client;
mod rebalance;
mod remove;
mod status;
mod transfer;
mod wire;

#[cfg(test)]
mod testkit;

use clap::Subcommand;

pub use client::one;

use crate::error::Result;
use crate::output::Output;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Show the members of the cluster and the state of every partition
    ///
    /// A partition is full when every member that should store it is up; under-replicated when one is down or was removed; behind when the
    /// asked member lacks records that others have. A member says itself what it lacks: `up, behind: records, blocks`. Only where the last line
    /// says `all members whole` a further member's disk may be lost. What is up or down is what the asked member sees. Ends with 1 where
    /// records are known that no member has any more. With --json the answer of the node is printed as it is.
    Status(status::StatusArgs),
    /// Print what to type on a new machine so that it joins the cluster; does nothing else
    Add(add::AddArgs),
    /// Remove a member for good
    ///
    /// Its number is never given again, and its home can join no cluster any more.
    Remove(remove::RemoveArgs),
    /// Make another member lead the cluster, and every partition that it can lead
    Transfer(transfer::TransferArgs),
    /// Ask the member that is placed best to lead each partition
    Rebalance(rebalance::RebalanceArgs),
}

/// Runs a `cluster` command.
pub fn run(command: ClusterCommand) -> Result<Output> {
    match command {
        ClusterCommand::Status(args) => status::run(&args),
        ClusterCommand::Add(args) => add::run(&args),
        ClusterCommand::Remove(args) => remove::run(&args),
        ClusterCommand::Transfer(args) => transfer::run(&args),
        ClusterCommand::Rebalance(args) => rebalance::run(&args),
    }
}
