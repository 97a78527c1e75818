//! `tx_search` and `block_search`: exact by hash, by scanning a bounded range of heights otherwise.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{Answer, Context, blocks, internal, page, txs};
use crate::chain::TxPosition;
use crate::rpc::envelope::RpcError;
use crate::rpc::json;
use crate::rpc::params::{Params, required};
use crate::rpc::query::{Order, Query, Tags, Test};

/// Heights that one search looks at.
const MAX_SCAN: u64 = 10_000;
/// Entries that one search collects.
const MAX_FOUND: usize = 10_000;

pub(super) fn tx_search(cx: &Context, params: &Params) -> Answer {
    let query = parse(params)?;
    let prove = params.flag("prove")?.unwrap_or(false);
    let mut found = match hash_condition(&query)? {
        Some(hash) => {
            let position = cx.backend.chain().tx(&pyralog_crypto::Hash(hash)).map_err(internal)?;
            match position {
                Some(position) if matches(cx, &query, position)? => vec![position],
                _ => Vec::new(),
            }
        }
        None => scan_txs(cx, &query)?,
    };
    if descending(params)? {
        found.reverse();
    }
    let total = found.len();
    let range = page::range(params, total)?;
    let mut entries = Vec::with_capacity(range.len());
    // The entries of one block stand together: it is read once for all of them, and its tree is built once.
    for same in found[range].chunk_by(|a, b| a.height == b.height) {
        let record = blocks::record(cx, same[0].height)?;
        let tree = prove.then(|| txs::tree(&record));
        for position in same {
            entries.push(txs::found(&record, *position, tree.as_ref())?);
        }
    }
    Ok(json!({"txs": entries, "total_count": total.to_string()}))
}

pub(super) fn block_search(cx: &Context, params: &Params) -> Answer {
    let query = parse(params)?;
    let mut found = Vec::new();
    for height in heights(cx, &query, "block.height")? {
        let tags = Tags::from([
            ("tm.event".into(), vec!["NewBlock".into()]),
            ("block.height".into(), vec![height.to_string()]),
        ]);
        if query.matches(&tags) {
            found.push(height);
        }
    }
    if descending(params)? {
        found.reverse();
    }
    let total = found.len();
    let range = page::range(params, total)?;
    let entries: Result<Vec<Value>, RpcError> = found[range]
        .iter()
        .map(|height| {
            let record = blocks::record(cx, *height)?;
            Ok(json!({"block_id": json::block_id(Some(&record.meta.block_id)), "block": json::block(&record.block)}))
        })
        .collect();
    Ok(json!({"blocks": entries?, "total_count": total.to_string()}))
}

fn parse(params: &Params) -> Result<Query, RpcError> {
    let text = required("query", params.text("query")?)?;
    Query::parse(&text).map_err(|why| RpcError::Internal(format!("failed to parse query: {why}")))
}

fn descending(params: &Params) -> Result<bool, RpcError> {
    match params.text("order_by")?.as_deref() {
        None | Some("" | "asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(RpcError::Internal("expected order_by to be either `asc` or `desc` or empty".into())),
    }
}

fn hash_condition(query: &Query) -> Result<Option<[u8; 32]>, RpcError> {
    let condition = query.conditions.iter().find_map(|condition| match &condition.test {
        Test::Is(text) if condition.key == "tx.hash" => Some(text),
        _ => None,
    });
    condition
        .map(|text| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash)
                .map_err(|_| RpcError::Internal(format!("tx.hash {text:?} is not 64 hex digits")))?;
            Ok(hash)
        })
        .transpose()
}

/// Hashes are compared as numbers, not as text: clients write them in either case.
fn matches(cx: &Context, query: &Query, position: TxPosition) -> Result<bool, RpcError> {
    let tags = txs::tags(&*blocks::record(cx, position.height)?, position.index as usize);
    let rest = Query { conditions: query.conditions.iter().filter(|c| c.key != "tx.hash").cloned().collect() };
    Ok(rest.matches(&tags))
}

fn scan_txs(cx: &Context, query: &Query) -> Result<Vec<TxPosition>, RpcError> {
    let mut found = Vec::new();
    for height in heights(cx, query, "tx.height")? {
        let record = blocks::record(cx, height)?;
        for index in 0..record.txs().len() {
            if query.matches(&txs::tags(&record, index)) {
                found.push(TxPosition { height, index: index as u32 });
            }
        }
        if found.len() > MAX_FOUND {
            return Err(RpcError::Internal(format!("more than {MAX_FOUND} transactions match; narrow tx.height")));
        }
    }
    Ok(found)
}

/// The heights that the conditions on `key` leave, refused when too many.
fn heights(cx: &Context, query: &Query, key: &str) -> Result<RangeInclusive<u64>, RpcError> {
    let (mut low, mut high) = (1i64, i64::try_from(cx.backend.chain().height()).unwrap_or(i64::MAX));
    for condition in query.conditions.iter().filter(|condition| condition.key == key) {
        let (order, bound) = match &condition.test {
            Test::Number(order, bound) => (*order, *bound),
            Test::Is(text) => match text.parse() {
                Ok(bound) => (Order::Equal, bound),
                Err(_) => return Err(RpcError::Internal(format!("{key} is a number, not {text:?}"))),
            },
            _ => continue,
        };
        match order {
            Order::Equal => (low, high) = (low.max(bound), high.min(bound)),
            Order::Less => high = high.min(bound.saturating_sub(1)),
            Order::AtMost => high = high.min(bound),
            Order::More => low = low.max(bound.saturating_add(1)),
            Order::AtLeast => low = low.max(bound),
        }
    }
    // `low` is at least 1, and a `high` below it leaves the range empty.
    let range = low as u64..=u64::try_from(high).unwrap_or(0);
    if range.end().saturating_sub(*range.start()) >= MAX_SCAN {
        return Err(RpcError::Internal(format!(
            "the search would look at more than {MAX_SCAN} heights; bound it, for instance with {key}>N AND {key}<=M"
        )));
    }
    Ok(range)
}
