//! Records as they are printed: lines for people, JSON, or the bytes of their values.

use serde_json::{Value, json};

use super::parse::show_time;
use super::wire::StoredRecord;
use crate::error::Result;
use crate::output::{DIM, document_line, safe, steers, stream_raw, stream_text};

/// What is printed of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Offset, time, key, headers and value on a line; the partition before the offset where there are several.
    Line {
        /// Whether there are.
        partitions: bool,
    },
    /// The value's bytes and a line feed.
    Value,
    /// A JSON document on a line.
    Json,
}

impl Form {
    /// Prints the records, and says whether anybody still reads.
    pub fn print(self, partition: u32, records: &[StoredRecord]) -> Result<bool> {
        if records.is_empty() {
            return Ok(true);
        }
        match self {
            Self::Line { partitions } => {
                let place = partitions.then_some(partition);
                stream_text(&records.iter().map(|record| line(place, record) + "\n").collect::<String>())
            }
            Self::Value => stream_raw(&values(records)),
            Self::Json => {
                let lines = records.iter().map(|record| document_line(&document(partition, record)));
                stream_raw(lines.collect::<Result<String>>()?.as_bytes())
            }
        }
    }
}

/// A record on a line.
fn line(partition: Option<u32>, record: &StoredRecord) -> String {
    let place = partition.map_or_else(String::new, |number| format!("{number}/"));
    let key = record.key.as_deref().map_or_else(|| format!("{DIM}-{DIM:#}"), text);
    let headers = record.headers.iter().map(|header| format!("{}={}", safe(&header.name), text(&header.value)));
    let headers = match headers.collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => none,
        some => format!("  {DIM}[{some}]{DIM:#}"),
    };
    let (offset, time, value) = (record.offset, show_time(record.timestamp), text(&record.value));
    format!("{place}{offset}  {DIM}{time}{DIM:#}  {key}{headers}  {value}")
}

/// A record as JSON: the API's members, its partition, its time for people, and as text what is UTF-8.
pub fn document(partition: u32, record: &StoredRecord) -> Value {
    let utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let headers =
        record.headers.iter().map(|header| json!({ "name": header.name, "value": hex::encode(&header.value) }));
    let mut document = json!({
        "partition": partition,
        "offset": record.offset.to_string(),
        "timestamp": record.timestamp.to_string(),
        "time": show_time(record.timestamp),
        "key": record.key.as_ref().map(hex::encode),
        "value": hex::encode(&record.value),
        "headers": headers.collect::<Vec<_>>(),
    });
    for (name, bytes) in [("key_text", record.key.as_deref()), ("value_text", Some(record.value.as_slice()))] {
        if let Some(text) = bytes.and_then(utf8) {
            document[name] = text.into();
        }
    }
    document
}

fn values(records: &[StoredRecord]) -> Vec<u8> {
    let size = records.iter().map(|record| record.value.len() + 1).sum();
    let mut bytes = Vec::with_capacity(size);
    for record in records {
        bytes.extend_from_slice(&record.value);
        bytes.push(b'\n');
    }
    bytes
}

/// Bytes for people: text where they are UTF-8 without characters that steer a terminal (line ends and tabs are shown as `\n`, `\r`
/// and `\t`), else hexadecimal digits behind `0x`.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| steers(c) && !matches!(c, '\n' | '\r' | '\t')) => safe(text),
        _ => format!("0x{}", hex::encode(bytes)),
    }
}

#[cfg(test)]
#[path = "show_test.rs"]
mod tests;
