//! `pyralog cluster transfer`.

use clap::Args;
use serde_json::json;

use super::chosen::Chosen;
use super::client::ClusterNodeArgs;
use crate::error::{Failure, Result};
use crate::node::NodeFault;
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
    let elsewhere = leader(&chosen);
    let asked = client.transfer(chosen.id).map_err(|fault| match elsewhere {
        Some(leader) if matches!(&fault, NodeFault::Refused { code, .. } if code == "refused") => {
            let why = format!("nothing is transferred: that is for the member that leads the cluster, {leader}, alone");
            let again =
                format!("pyralog cluster transfer {} --node URL --token-file FILE, both those of {leader}", chosen.id);
            Failure::error(why).next(again)
        }
        _ => client.failure_of_change(fault, "the lead may have changed or not"),
    })?;
    let document = json!({ "status": "transferred", "leader": chosen.id, "name": chosen.name, "asked": asked });
    let partitions = asked.map_or_else(String::new, |count| format!("; partitions that it was asked to lead: {count}"));
    Ok(Output::new(document, format!("{GOOD}{} leads{GOOD:#} the cluster{partitions}", chosen.called())))
}

/// Who leads the cluster, where that is another member than the one that was asked.
fn leader(chosen: &Chosen) -> Option<String> {
    let cluster = chosen.cluster.as_ref()?;
    let leader = cluster.leader.filter(|leader| *leader != cluster.member)?;
    Some(cluster.called(leader))
}

#[cfg(test)]
#[path = "transfer_test.rs"]
mod tests;
