//! The methods: names of parameters, and which function answers.

mod blocks;
mod info;
mod page;
mod search;
mod txs;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::envelope::RpcError;
use super::params::Params;
use crate::backend::Backend;

pub use info::{RPC_VERSION, node_id};
pub use txs::{tags, tx_event};

/// What every method may use.
#[derive(Clone)]
pub struct Context {
    /// The node.
    pub backend: Arc<dyn Backend>,
    /// How long `broadcast_tx_commit` waits.
    pub commit_timeout: Duration,
    /// The address that the RPC really listens on.
    pub rpc_address: String,
    /// The addresses that the peer-to-peer network really listens on.
    pub p2p_address: String,
    /// Turns true when the node stops: open WebSocket connections end.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

/// Result of a method.
pub type Answer = Result<Value, RpcError>;

/// Every method over HTTP, with the names of its parameters in order.
pub const METHODS: &[(&str, &[&str])] = &[
    ("abci_info", &[]),
    ("abci_query", &["path", "data", "height", "prove"]),
    ("block", &["height"]),
    ("block_by_hash", &["hash"]),
    ("block_results", &["height"]),
    ("block_search", &["query", "page", "per_page", "order_by"]),
    ("blockchain", &["minHeight", "maxHeight"]),
    ("broadcast_tx_async", &["tx"]),
    ("broadcast_tx_commit", &["tx"]),
    ("broadcast_tx_sync", &["tx"]),
    ("check_tx", &["tx"]),
    ("commit", &["height"]),
    ("consensus_params", &["height"]),
    ("consensus_state", &[]),
    ("dump_consensus_state", &[]),
    ("genesis", &[]),
    ("genesis_chunked", &["chunk"]),
    ("header", &["height"]),
    ("header_by_hash", &["hash"]),
    ("health", &[]),
    ("net_info", &[]),
    ("num_unconfirmed_txs", &[]),
    ("status", &[]),
    ("tx", &["hash", "prove"]),
    ("tx_search", &["query", "prove", "page", "per_page", "order_by"]),
    ("unconfirmed_txs", &["limit"]),
    ("validators", &["height", "page", "per_page"]),
];

/// The names of a method's parameters; `None` for an unknown method.
pub fn parameters(method: &str) -> Option<&'static [&'static str]> {
    METHODS.iter().find(|(name, _)| *name == method).map(|(_, names)| *names)
}

/// Answers one call.
pub async fn call(cx: &Context, method: &str, params: &Params) -> Answer {
    match method {
        "health" => Ok(serde_json::json!({})),
        "status" => Ok(info::status(cx)),
        "net_info" => Ok(info::net_info(cx).await),
        "genesis" => Ok(info::genesis(cx)),
        "genesis_chunked" => info::genesis_chunked(cx, params),
        "abci_info" => Ok(info::abci_info(cx)),
        "abci_query" => info::abci_query(cx, params),
        "consensus_params" => info::consensus_params(cx, params),
        "consensus_state" | "dump_consensus_state" => Ok(info::consensus_state(cx)),
        "block" => blocks::block(cx, params),
        "block_by_hash" => blocks::block_by_hash(cx, params),
        "commit" => blocks::commit(cx, params),
        "header" => blocks::header(cx, params),
        "header_by_hash" => blocks::header_by_hash(cx, params),
        "validators" => blocks::validators(cx, params),
        "tx" => txs::tx(cx, params),
        "unconfirmed_txs" => txs::unconfirmed(cx, params),
        "num_unconfirmed_txs" => Ok(txs::num_unconfirmed(cx)),
        "check_tx" => txs::check(cx, params).await,
        "broadcast_tx_async" => txs::broadcast_async(cx, params),
        "broadcast_tx_sync" => txs::broadcast_sync(cx, params).await,
        "broadcast_tx_commit" => txs::broadcast_commit(cx, params).await,
        _ => heavy(method).map_or(Err(RpcError::NotFound), |work| work(cx, params)),
    }
}

/// A method that reads many blocks or much of one: few run at once, and beside the threads that answer the others.
pub type Heavy = fn(&Context, &Params) -> Answer;

/// The heavy method of this name.
pub fn heavy(method: &str) -> Option<Heavy> {
    match method {
        "block_results" => Some(blocks::block_results),
        "block_search" => Some(search::block_search),
        "blockchain" => Some(blocks::blockchain),
        "tx_search" => Some(search::tx_search),
        _ => None,
    }
}

fn internal(error: impl std::fmt::Display) -> RpcError {
    RpcError::Internal(error.to_string())
}

#[cfg(test)]
#[path = "methods_test.rs"]
mod tests;
