//! `pyralog cluster transfer`.

use clap::Args;
use serde_json::json;

use super::chosen::Chosen;
use super::client::ClusterNodeArgs;
use crate::error::Result;
use crate::output::{GOOD, Output};

/// Options of `cluster transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The member that is to lead, by its number or its name
    #[arg(value_name = "MEMBER")]
    pub member: String,
    #[command(flatten)]
    pub node: ClusterNodeArgs,
}

/// Runs the command.
pub fn run(args: &TransferArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let chosen = Chosen::find(&client, &args.member)?;
    let asked = client
        .transfer(chosen.id)
        .map_err(|fault| client.failure_of_change(fault, "the lead may have changed or not"))?;
    let document = json!({ "status": "transferred", "leader": chosen.id, "name": chosen.name, "asked": asked });
    let partitions = asked.map_or_else(String::new, |count| format!("; partitions that it was asked to lead: {count}"));
    Ok(Output::new(document, format!("{GOOD}{} leads{GOOD:#} the cluster{partitions}", chosen.called())))
}

#[cfg(test)]
#[path = "transfer_test.rs"]
mod tests;
