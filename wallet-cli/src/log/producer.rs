//! `pyralog log producer`.

use clap::Args;
use serde_json::json;

use super::client::{Client, LogNodeArgs};
use super::log_name;
use crate::error::Result;
use crate::output::Output;

/// Options of `log producer`.
#[derive(Debug, Args)]
pub struct ProducerArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// Partition that it appends to
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub partition: u32,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Runs the command.
pub fn run(args: &ProducerArgs) -> Result<Output> {
    open(args, &args.node.connect()?)
}

fn open(args: &ProducerArgs, client: &Client) -> Result<Output> {
    let ProducerArgs { name, partition, .. } = args;
    // Where nobody knows whether one was opened, another one is opened: it does no harm.
    let producer = client.open_producer(name, *partition).map_err(|fault| client.failure(Some(name), fault))?;
    let document = json!({ "status": "opened", "log": name, "partition": partition, "producer": producer });
    Ok(Output::new(document, producer))
}

#[cfg(test)]
#[path = "producer_test.rs"]
mod tests;
