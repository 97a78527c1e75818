//! `pyralog log delete`.

use std::io::IsTerminal;

use clap::Args;
use serde_json::json;

use super::client::{Client, LogNodeArgs};
use super::log_name;
use super::parse::show_size;
use super::wire::LogInfo;
use crate::admin::may_be_done;
use crate::error::{Context, Failure, Result};
use crate::node::NodeFault;
use crate::output::{GOOD, Output, note, safe};

/// Options of `log delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Runs the command.
pub fn run(args: &DeleteArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    delete(args, &client, terminal, typed)
}

/// `answer` asks for the name of the log, and is called where there is a terminal alone.
fn delete(
    args: &DeleteArgs,
    client: &Client,
    terminal: bool,
    answer: impl Fn(&str, &str) -> Result<String>,
) -> Result<Output> {
    let name = args.name.as_str();
    let info = match client.ask(name) {
        Ok(info) => Some(info),
        // A node that cannot say what is in a log can delete it nevertheless.
        Err(NodeFault::Busy { message, .. }) => {
            note(&format!("{} does not describe {name}: {}", client.url(), safe(&message)));
            None
        }
        Err(fault) => return Err(client.failure(Some(name), fault)),
    };
    let contents = info.as_ref().map_or_else(|| "what is in it is not known".to_owned(), contents);
    if !args.yes {
        if !terminal {
            return Err(Failure::usage(format!("the log {name} is not deleted: there is no terminal to ask on"))
                .next(client.command(&format!("delete {name} --yes"))));
        }
        if answer(name, &contents)? != name {
            return Err(Failure::error(format!("the log {name} is not deleted: that is not its name")));
        }
    }
    client.delete(name).map_err(|fault| {
        let undecided = may_be_done(&fault);
        let failure = client.failure(Some(name), fault);
        if !undecided {
            return failure;
        }
        Failure::error(format!("{failure}; the log may be deleted or not")).next(client.command("list"))
    })?;
    let document = json!({ "status": "deleted", "log": name, "id": info.map(|info| info.id) });
    Ok(Output::new(document, format!("{GOOD}deleted{GOOD:#} {name}: {contents}")))
}

fn typed(name: &str, contents: &str) -> Result<String> {
    note(&format!("this deletes {name} for good: {contents}"));
    dialoguer::Input::<String>::new()
        .with_prompt("type the name of the log to delete it")
        .allow_empty(true)
        .interact_text()
        .context(|| "cannot read the answer".to_owned())
}

/// What is lost with a log.
fn contents(info: &LogInfo) -> String {
    let (all, absent) = (info.partitions.len(), info.absent());
    if absent == all {
        return format!("partitions: {all}, not stored by this member: what is in them is not known here");
    }
    let damaged = match info.damaged().len() {
        0 => String::new(),
        count => format!(", of which {count} cannot be read and are not counted"),
    };
    let absent = match absent {
        0 => String::new(),
        1 => ", of which 1 is not stored by this member and not counted".to_owned(),
        count => format!(", of which {count} are not stored by this member and not counted"),
    };
    format!("{} records, {}, partitions: {all}{damaged}{absent}", info.records(), show_size(info.bytes()))
}

#[cfg(test)]
#[path = "delete_test.rs"]
mod tests;
