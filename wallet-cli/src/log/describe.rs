//! `pyralog log describe`.

use clap::Args;
use comfy_table::Table;

use super::client::LogNodeArgs;
use super::log_name;
use super::parse::{show_size, show_time};
use super::wire::{LogInfo, PartitionInfo};
use crate::error::{Context, Failure, Result};
use crate::output::{BAD, Output, WARN, safe};

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
    let client = args.node.connect()?;
    let info = client.describe(&args.name)?;
    let mut output = described(&info)?;
    let damaged = info.damaged().len();
    if damaged > 0 {
        let (name, all) = (&info.name, info.partitions.len());
        let failure = Failure::error(format!("partitions of {name} that cannot be read: {damaged} of {all}"));
        output.failure = Some(failure.next("stop the node and see what is damaged: pyralogd fsck --home HOME"));
    }
    Ok(output)
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
    for partition in &info.partitions {
        table.add_row(row(partition));
    }
    let mut copies = info.spread.map_or_else(String::new, |spread| format!("copies   {}\n", spread.words()));
    if let Some(now) = info.for_now() {
        copies.push_str(&format!("now      {WARN}{now}{WARN:#}\n"));
    }
    let mut text = format!(
        "log      {}\nid       {}\nmade as  {}\nstorage  {}, segments of {}\n{copies}kept     {}\n\n{}",
        info.name,
        info.id,
        info.incarnation,
        info.storage.word(),
        show_size(info.segment_bytes),
        info.retention.words(),
        table.trim_fmt(),
    );
    for (number, why) in info.damaged() {
        text.push_str(&format!("\n{BAD}partition {number}{BAD:#} {}", safe(why)));
    }
    let absent = info.absent();
    if absent > 0 {
        let all = info.partitions.len();
        let (which, them) = match (absent, all) {
            (_, 1) => ("the partition is".to_owned(), "it"),
            (1, _) => (format!("1 of {all} partitions is"), "it"),
            _ => (format!("{absent} of {all} partitions are"), "them"),
        };
        text.push_str(&format!(
            "\n{which} not stored by this member, and what is in {them} is not known here: pyralog cluster status shows who stores {them}"
        ));
    }
    Ok(Output::new(document, text))
}

fn row(partition: &PartitionInfo) -> [String; 8] {
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), show_time);
    let Ok(extent) = partition.extent() else {
        let mut row = std::array::from_fn(|_| "-".to_owned());
        row[0] = partition.number().to_string();
        return row;
    };
    [
        extent.partition.to_string(),
        extent.first_offset.to_string(),
        extent.next_offset.to_string(),
        extent.records().to_string(),
        show_size(extent.bytes),
        extent.segments.to_string(),
        time(extent.min_time),
        time(extent.max_time),
    ]
}

#[cfg(test)]
#[path = "describe_test.rs"]
mod tests;
