//! `pyralog query`: what a node says. Nothing here is proven; `light sync` and `verify` prove.

use clap::{Args, Subcommand};
use pyralog_crypto::{Address, Hash, LogId};
use serde_json::Value;

use crate::error::{Failure, Result};
use crate::home::HomeArgs;
use crate::keys::KeyStore;
use crate::node::NodeArgs;
use crate::output::{Output, safe};

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum QueryCommand {
    /// Balance and nonce of an account
    Account {
        /// Address, or the name of a key in the keystore
        account: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// A block
    Block {
        /// Height, or latest
        #[arg(default_value = "latest", allow_negative_numbers = true)]
        height: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// The latest anchor of a notary log
    Anchor {
        /// The log's id, 64 hexadecimal digits
        log: LogId,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// A registered notary log, or all of them
    Log {
        /// The log's id, 64 hexadecimal digits
        log: Option<LogId>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// A committed transaction
    Tx {
        /// Its hash, 64 hexadecimal digits
        hash: Hash,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// The node itself: chain, height, whether it follows
    Status(StatusArgs),
}

/// Options of `query status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs a `query` command.
pub fn run(command: QueryCommand, home: &HomeArgs) -> Result<Output> {
    let (node, path) = match command {
        QueryCommand::Account { account, node } => {
            let address = address(&account, home)?;
            (node, format!("/v1/accounts/{address}"))
        }
        QueryCommand::Block { height, node } => {
            if height != "latest" && height.parse::<u64>().is_err() {
                return Err(Failure::usage(format!("{height:?} is neither a height nor latest")));
            }
            (node, format!("/v1/blocks/{height}"))
        }
        QueryCommand::Anchor { log, node } => (node, format!("/v1/anchors/{log}")),
        QueryCommand::Log { log: Some(log), node } => (node, format!("/v1/logs/{log}")),
        QueryCommand::Log { log: None, node } => (node, "/v1/logs".to_owned()),
        QueryCommand::Tx { hash, node } => (node, format!("/v1/tx/{hash}")),
        QueryCommand::Status(StatusArgs { node }) => (node, "/v1/status".to_owned()),
    };
    let answer = node.connect()?.get(&path)?;
    let text = outline(&answer.body, 0);
    Ok(Output::new(answer.body, text))
}

fn address(text: &str, home: &HomeArgs) -> Result<Address> {
    if text.starts_with("pyra1") {
        return text.parse().map_err(|error| Failure::usage(format!("{text}: {error}")));
    }
    KeyStore::new(home.keystore()?).entry(text).map(|(_, info)| info.address)
}

/// An integer that JSON may hold as a number or, so that no reader rounds it, as a string of digits.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// JSON as indented `key: value` lines.
fn outline(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(key, value)| match value {
                Value::Object(_) | Value::Array(_) if !is_empty(value) => {
                    format!("{indent}{}:\n{}", safe(key), outline(value, depth + 1))
                }
                _ => format!("{indent}{}: {}", safe(key), scalar(value)),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| match item {
                Value::Object(_) | Value::Array(_) if !is_empty(item) => {
                    let inner = outline(item, depth + 1);
                    // The first line of an item carries the dash.
                    format!("{indent}- {}", inner.trim_start())
                }
                _ => format!("{indent}- {}", scalar(item)),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        other => format!("{indent}{}", scalar(other)),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => safe(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_as_numbers_or_digits() {
        assert_eq!(number(&json!(7)), Some(7));
        assert_eq!(number(&json!("18446744073709551615")), Some(u64::MAX));
        for bad in [json!(-1), json!("x"), json!(null), json!(1.5)] {
            assert_eq!(number(&bad), None, "{bad}");
        }
    }

    #[test]
    fn json_becomes_an_outline() {
        let value = json!({ "a": 1, "list": [{ "x": "1", "y": null }, 2], "none": [], "text": "a\u{1b}b" });
        let expected = "a: 1\nlist:\n  - x: 1\n    y: -\n  - 2\nnone: []\ntext: a\\u{1b}b";
        assert_eq!(outline(&value, 0), expected);
    }

    #[test]
    fn a_height_that_is_none_is_a_usage_error() {
        let command = QueryCommand::Block { height: "newest".to_owned(), node: NodeArgs::default() };
        assert_eq!(run(command, &HomeArgs::default()).unwrap_err().code(), 2);
    }
}
