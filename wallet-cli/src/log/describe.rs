//! `pyralog log describe`.

use clap::Args;
use comfy_table::Table;

use super::client::LogNodeArgs;
use super::log_name;
use super::parse::{show_size, show_time};
use super::wire::LogInfo;
use crate::error::{Context, Result};
use crate::output::Output;

/// Options of `log describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Runs the command.
pub fn run(args: &DescribeArgs) -> Result<Output> {
    described(&args.node.connect()?.describe(&args.name)?)
}

/// A log for people and as the document that the node gave.
pub fn described(info: &LogInfo) -> Result<Output> {
    let document = serde_json::to_value(info).context(|| "cannot encode the log".to_owned())?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "PARTITION",
        "FIRST",
        "NEXT",
        "RECORDS",
        "BYTES",
        "SEGMENTS",
        "FROM",
        "TO",
    ]);
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), show_time);
    for partition in &info.partitions {
        table.add_row([
            partition.partition.to_string(),
            partition.first_offset.to_string(),
            partition.next_offset.to_string(),
            partition.records().to_string(),
            show_size(partition.bytes),
            partition.segments.to_string(),
            time(partition.min_time),
            time(partition.max_time),
        ]);
    }
    let text = format!(
        "log      {}\nid       {}\nmade as  {}\nstorage  {}, segments of {}\nkept     {}\n\n{}",
        info.name,
        info.id,
        info.incarnation,
        info.storage.word(),
        show_size(info.segment_bytes),
        info.retention.words(),
        table.trim_fmt(),
    );
    Ok(Output::new(document, text))
}

#[cfg(test)]
#[path = "describe_test.rs"]
mod tests;
