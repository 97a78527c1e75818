//! `pyralog log`: the record logs of a node. What is read is what the node says, unless `read --verify` proves it.

mod append;
mod client;
mod create;
mod cursor;
mod delete;
mod describe;
mod list;
mod parse;
mod producer;
mod proof;
mod read;
mod show;
mod tail;
mod wire;

#[cfg(test)]
mod testkit;

use clap::Subcommand;
use pyralog_crypto::check_log_name;

use crate::error::{Failure, Result};
use crate::output::Output;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Make a log
    Create(create::CreateArgs),
    /// Append records: one, one per file, or one per line of standard input
    ///
    /// Without VALUE, --file and --lines the whole of standard input is one record. It returns when the records are durable (or earlier, with --ack), and prints
    /// partition and offset of each, or of more than ten the first and last offset. With --json all places stand in the document, as runs
    /// of consecutive offsets in the order of the records.
    Append(append::AppendArgs),
    /// Open a producer, whose appends may be run again without standing there twice
    ///
    /// Prints its id, for log append --producer ID --sequence N. The node remembers the last 5 appends of each of its last 4096 producers, also on other
    /// members and after restarts; a number that is not the next one is refused. A log that the node has alone is the cluster's from then on.
    Producer(producer::ProducerArgs),
    /// Print the records from an offset or a time to the end
    ///
    /// A line has offset, time, key (- where there is none), headers and value; what is no text without control characters stands there as
    /// hexadecimal digits behind 0x. With --json keys and values are hexadecimal digits, and key_text and value_text the same where they
    /// are UTF-8.
    Read(read::ReadArgs),
    /// Print new records as they come, until Ctrl-C
    ///
    /// It goes on after a restart of the node, without losing or repeating a record. Where the log begins again (deleted and made again, or in
    /// memory on a node that was restarted) it ends with 1. With --json each record is one document on a line of
    /// its own, and so is what ends it.
    Tail(tail::TailArgs),
    /// Show a log: its partitions, offsets, bytes and retention
    Describe(describe::DescribeArgs),
    /// List the logs of the node
    List(list::ListArgs),
    /// Delete a log and its records
    Delete(delete::DeleteArgs),
}

/// Runs a `log` command. `json`: what is printed before the end is JSON too.
pub fn run(command: LogCommand, json: bool) -> Result<Output> {
    match command {
        LogCommand::Create(args) => create::run(&args),
        LogCommand::Append(args) => append::run(&args, json),
        LogCommand::Producer(args) => producer::run(&args),
        LogCommand::Read(args) => read::run(&args, json),
        LogCommand::Tail(args) => tail::run(&args, json),
        LogCommand::Describe(args) => describe::run(&args),
        LogCommand::List(args) => list::run(&args),
        LogCommand::Delete(args) => delete::run(&args),
    }
}

/// The name of a log as an argument: what no log can be called is never sent, since it would become part of a path.
fn log_name(text: &str) -> Result<String, String> {
    check_log_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// `--values` and `--json` say different things of the same output.
fn one_form(values: bool, json: bool) -> Result<()> {
    if values && json {
        return Err(Failure::usage("--values prints bytes and --json documents").next("give one of them"));
    }
    Ok(())
}
