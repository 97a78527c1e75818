//! `pyralog cluster rebalance`.

use clap::Args;
use serde_json::json;

use super::client::ClusterNodeArgs;
use crate::error::Result;
use crate::output::{GOOD, Output};

/// Options of `cluster rebalance`.
#[derive(Debug, Args)]
pub struct RebalanceArgs {
    #[command(flatten)]
    pub node: ClusterNodeArgs,
}

/// Runs the command.
pub fn run(args: &RebalanceArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let asked = client
        .rebalance()
        .map_err(|fault| client.failure_of_change(fault, "partitions may change their leaders or not"))?;
    let text = match asked {
        0 => format!("{GOOD}balanced{GOOD:#}: the member that is placed best leads each partition"),
        1 => format!("{GOOD}asked{GOOD:#} for 1 partition that a better placed member leads it"),
        _ => format!("{GOOD}asked{GOOD:#} for {asked} partitions that a better placed member leads each"),
    };
    Ok(Output::new(json!({ "status": "asked", "asked": asked }), text))
}

#[cfg(test)]
#[path = "rebalance_test.rs"]
mod tests;
