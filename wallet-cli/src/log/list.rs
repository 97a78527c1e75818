//! `pyralog log list`.

use clap::Args;
use comfy_table::Table;
use serde_json::json;

use super::client::LogNodeArgs;
use super::parse::show_size;
use super::wire::LogInfo;
use crate::error::{Context, Result};
use crate::output::{Output, WARN, note};

/// Options of `log list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    node: LogNodeArgs,
}

/// Runs the command.
pub fn run(args: &ListArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let mut logs = client.list()?;
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    let listed = serde_json::to_value(&logs).context(|| "cannot encode the logs".to_owned())?;
    if logs.is_empty() {
        note(&format!("{} has no record logs; make one: {}", client.url(), client.command("create NAME")));
    }
    for info in logs.iter().filter(|info| !info.damaged().is_empty()) {
        let (name, describe) = (&info.name, client.command(&format!("describe {}", info.name)));
        note(&format!("{WARN}{name}{WARN:#} has partitions that cannot be read, and are not counted: {describe}"));
    }
    for info in logs.iter().filter(|info| info.absent() > 0) {
        let (name, describe) = (&info.name, client.command(&format!("describe {}", info.name)));
        note(&format!("{name} has partitions that this member does not store, and that are not counted: {describe}"));
    }
    Ok(Output::new(json!({ "logs": listed }), if logs.is_empty() { String::new() } else { table(&logs) }))
}

fn table(logs: &[LogInfo]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "NAME",
        "PARTITIONS",
        "RECORDS",
        "BYTES",
        "STORAGE",
        "KEPT",
    ]);
    for info in logs {
        table.add_row([
            info.name.clone(),
            info.partitions.len().to_string(),
            known(info, info.records().to_string()),
            known(info, show_size(info.bytes())),
            info.storage.word().to_owned(),
            info.retention.words(),
        ]);
    }
    table.trim_fmt()
}

/// A sum over the partitions, unless other members store all of them.
fn known(info: &LogInfo, sum: String) -> String {
    if info.absent() == info.partitions.len() { "-".to_owned() } else { sum }
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;
