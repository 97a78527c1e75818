//! `pyralog cluster remove`.

use std::io::IsTerminal;

use clap::Args;
use serde_json::json;

use super::chosen::Chosen;
use super::client::{Client, ClusterNodeArgs};
use crate::error::{Context, Failure, Result};
use crate::output::{GOOD, Output, note};

/// Options of `cluster remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The member, by its number or its name
    #[arg(value_name = "MEMBER")]
    pub member: String,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
    /// Remove it even where others do not have its records yet, or cannot be asked: what it alone has is lost, and a partition may stand still for ever
    #[arg(long)]
    pub may_lose_records: bool,
    #[command(flatten)]
    pub node: ClusterNodeArgs,
}

/// Runs the command.
pub fn run(args: &RemoveArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    remove(args, &client, terminal, typed)
}

/// `answer` asks for the number of the member, and is called where there is a terminal alone.
fn remove(
    args: &RemoveArgs,
    client: &Client,
    terminal: bool,
    answer: impl Fn(&str, &str) -> Result<String>,
) -> Result<Output> {
    let chosen = Chosen::find(client, &args.member)?;
    let (id, called, follows) = (chosen.id, chosen.called(), follows(&chosen, args.may_lose_records));
    if !args.yes {
        if !terminal {
            return Err(Failure::usage(format!("{called} is not removed: there is no terminal to ask on")).next(
                client.command(&format!(
                    "remove {id} --yes{}",
                    if args.may_lose_records { " --may-lose-records" } else { "" }
                )),
            ));
        }
        if answer(&called, &follows)? != id.to_string() {
            return Err(Failure::error(format!("{called} is not removed: that is not its number")));
        }
    }
    client
        .remove(id, args.may_lose_records)
        .map_err(|fault| client.failure_of_change(fault, "the member may be removed or not"))?;
    let document = json!({ "status": "removed", "member": id, "name": chosen.name });
    let machine = "it ends by itself where it runs; the machine comes back as a new member with an empty home: pyralog cluster add";
    Ok(Output::new(document, format!("{GOOD}removed{GOOD:#} {called}: {follows}\n{machine}")))
}

fn typed(called: &str, follows: &str) -> Result<String> {
    note(&format!("this removes {called} for good: {follows}"));
    dialoguer::Input::<String>::new()
        .with_prompt("type the number of the member to remove it")
        .allow_empty(true)
        .interact_text()
        .context(|| "cannot read the answer".to_owned())
}

/// What the cluster is without the member.
fn follows(chosen: &Chosen, may_lose_records: bool) -> String {
    let number = match may_lose_records {
        true => "records that it alone has are lost; its number is never given again",
        false => "its number is never given again",
    };
    let Some(cluster) = &chosen.cluster else {
        return format!("{number}; what it stores is not known");
    };
    let stores = cluster.partitions.iter().filter(|partition| partition.members.contains(&chosen.id)).count();
    let left = cluster.members.len().saturating_sub(1);
    let stored = match stores {
        0 => "it stores no partition".to_owned(),
        count => format!("partitions that it stores: {count}, under-replicated until another member has their records"),
    };
    format!("{number}; members left: {left}; {stored}")
}

#[cfg(test)]
#[path = "remove_test.rs"]
mod tests;
