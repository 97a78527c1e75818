//! `pyralog log create`.

use std::time::Duration;

use clap::Args;
use pyralog_consensus::duration::parse_duration;
use serde_json::{Value, json};

use super::client::LogNodeArgs;
use super::parse::parse_size;
use super::wire::{Copysets, Storage};
use super::{describe, log_name};
use crate::admin::may_be_done;
use crate::error::{Failure, Result};
use crate::node::NodeFault;
use crate::output::{GOOD, Output};

/// Options of `log create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the log: 1 to 64 characters of a-z A-Z 0-9 . _ -
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// Number of partitions: records are ordered within one, and those of one key are in one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub partitions: u32,
    /// Keep the records in memory: they are gone when the node stops
    #[arg(long)]
    pub memory: bool,
    /// Remove records that are older: 12h, 7d (default: none)
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub keep_for: Option<Duration>,
    /// Remove the oldest records of a partition that is larger: 10GiB (default: none)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep_bytes: Option<u64>,
    /// Size at which a segment is sealed, 1MiB to 1GiB; whole segments are removed (default: the node's)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub segment_bytes: Option<u64>,
    /// In a cluster: which members keep a record (default: partition)
    #[arg(long, value_enum, value_name = "WHICH", conflicts_with = "memory")]
    pub copysets: Option<Copysets>,
    /// In a cluster: members that store a partition (default: the node's, as many as copies, or one more)
    #[arg(long, value_name = "N", conflicts_with = "memory", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub nodeset: Option<u8>,
    /// In a cluster: copies of each record (default: the node's, or one less than members)
    #[arg(long, value_name = "R", conflicts_with = "memory", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub replication: Option<u8>,
    /// In a cluster: durable copies before an append is acknowledged, more than half (default: the node's)
    #[arg(long, value_name = "W", conflicts_with = "memory", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub copies: Option<u8>,
    /// With --copies, in a cluster: take half of the copies or fewer before an acknowledgement; so few lost disks may then take acknowledged records with them
    #[arg(long, conflicts_with = "memory", requires = "copies")]
    pub may_lose_acknowledged: bool,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Runs the command.
pub fn run(args: &CreateArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let info = client.create(&args.name, &request(args)?).map_err(|fault| {
        let undecided = may_be_done(&fault);
        let failure = client.failure(Some(&args.name), in_flags(fault));
        if !undecided {
            return failure;
        }
        Failure::error(format!("{failure}; the log may have been made or not")).next(client.command("list"))
    })?;
    let mut output = describe::described(&info)?;
    output.text = format!("{GOOD}created{GOOD:#}\n{}", output.text);
    Ok(output)
}

/// What the node refused, with the flags in place of its own fields.
fn in_flags(mut fault: NodeFault) -> NodeFault {
    if let NodeFault::Refused { message, .. } = &mut fault {
        for (field, flag) in
            [("max_age_ms", "--keep-for"), ("max_bytes", "--keep-bytes"), ("segment_bytes", "--segment-bytes")]
        {
            *message = message.replace(field, flag);
        }
    }
    fault
}

fn request(args: &CreateArgs) -> Result<Value> {
    let age = args.keep_for.map(|age| u64::try_from(age.as_millis()));
    let age = age.transpose().map_err(|_| Failure::usage("--keep-for is longer than a log can be told"))?;
    let storage = if args.memory { Storage::Memory } else { Storage::Disk };
    let digits = |number: Option<u64>| number.map(|number| number.to_string());
    let mut log = json!({
        "name": args.name,
        "partitions": args.partitions,
        "storage": storage,
        "retention": { "max_age_ms": digits(age), "max_bytes": digits(args.keep_bytes) },
    });
    if let Some(size) = digits(args.segment_bytes) {
        log["segment_bytes"] = size.into();
    }
    if let Some(copysets) = args.copysets {
        log["copysets"] = json!(copysets);
    }
    for (field, number) in [("nodeset", args.nodeset), ("replication", args.replication), ("copies", args.copies)] {
        if let Some(number) = number {
            log[field] = number.into();
        }
    }
    if args.may_lose_acknowledged {
        log["may_lose_acknowledged"] = true.into();
    }
    Ok(log)
}

#[cfg(test)]
#[path = "create_test.rs"]
mod tests;
