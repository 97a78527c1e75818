//! The logs of a node in a test.

use clap::Parser;
use pyralog_crypto::LogId;
use serde_json::{Value, json};

use super::LogCommand;
use super::client::{Client, LogNodeArgs};
use super::wire::{Page, StoredRecord};
pub use crate::admin::testkit::{FakeNode, Reply, Request, TOKEN, problem};

/// The incarnation of its logs.
pub const INCARNATION: u64 = 7;

/// A command line behind `pyralog log`.
pub fn parse(words: &[&str]) -> Result<LogCommand, clap::Error> {
    let cli = crate::cli::Cli::try_parse_from(["pyralog", "log"].iter().chain(words))?;
    match cli.command {
        crate::cli::Command::Log(command) => Ok(command),
        other => panic!("another command: {other:?}"),
    }
}

/// A record with its offset as value.
pub fn stored(offset: u64) -> StoredRecord {
    let (timestamp, value) = (1_732_700_000_000u64.saturating_add(offset), offset.to_string().into_bytes());
    StoredRecord { offset, timestamp, key: None, value, headers: Vec::new(), proof: None }
}

/// A page of such records.
pub fn page(partition: u32, offsets: &[u64], next_offset: u64, end_offset: u64) -> Page {
    let records = offsets.iter().map(|offset| stored(*offset)).collect();
    let (checkpoint, chain_id, log_owner) = (None, None, None);
    let (incarnation, first_offset) = (INCARNATION, 0);
    Page { partition, incarnation, records, next_offset, end_offset, first_offset, checkpoint, chain_id, log_owner }
}

/// A page as an answer.
pub fn served(partition: u32, offsets: &[u64], next_offset: u64, end_offset: u64) -> Reply {
    Reply::Answer(200, serde_json::to_value(page(partition, offsets, next_offset, end_offset)).unwrap())
}

/// A log with these first and next offsets of its partitions.
pub fn log(name: &str, partitions: &[(u64, u64)]) -> Value {
    let partition = |(number, (first, next)): (usize, &(u64, u64))| {
        json!({
            "partition": number, "first_offset": first.to_string(), "next_offset": next.to_string(), "bytes": "1024",
            "segments": 1, "min_time": null, "max_time": null,
        })
    };
    json!({
        "name": name, "log": LogId([7; 32]), "incarnation": INCARNATION.to_string(), "storage": "disk", "segment_bytes": "67108864",
        "retention": { "max_age_ms": null, "max_bytes": null },
        "partitions": partitions.iter().enumerate().map(partition).collect::<Vec<_>>(),
    })
}

impl FakeNode {
    /// The flags that name it.
    pub fn args(&self) -> LogNodeArgs {
        LogNodeArgs { node: Some(self.url.clone()), token_file: Some(self.token_file()) }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.args().connect().unwrap()
    }
}
