//! The WebSocket side: every method, and subscriptions to blocks and transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::{interval, timeout};

use super::budget::Budget;
use super::envelope::{Call, RpcError, answer};
use super::json;
use super::methods::{tags, tx_event};
use super::params::{Params, required};
use super::query::{Query, Tags};
use super::server::RpcService;
use crate::chain::BlockRecord;

/// A client that does not take a message for so long is gone.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// A quiet connection is pinged so often.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Calls of one connection that are answered at the same time.
const MAX_RUNNING: usize = 16;

struct Subscription {
    id: Value,
    query: Query,
}

/// Subscriptions of one connection by their text.
type Subscriptions = BTreeMap<String, Subscription>;

/// Serves one connection until it ends.
pub(super) async fn serve(service: Arc<RpcService>, mut stream: WebSocket) {
    let mut blocks = service.context.backend.blocks();
    let mut subscriptions = Subscriptions::new();
    let mut running = FuturesUnordered::new();
    let mut ping = interval(PING_EVERY);
    let mut stopping = service.context.stopping.clone();
    loop {
        let outgoing: Vec<Message> = tokio::select! {
            block = blocks.recv() => match block {
                Ok(record) => events(&subscriptions, &record),
                Err(broadcast::error::RecvError::Lagged(missed)) if !subscriptions.is_empty() => {
                    close(&mut stream, format!("{missed} events were not taken in time; subscribe again")).await;
                    return;
                }
                Err(broadcast::error::RecvError::Lagged(_)) => Vec::new(),
                Err(broadcast::error::RecvError::Closed) => {
                    close(&mut stream, "the node is stopping".into()).await;
                    return;
                }
            },
            Some(value) = running.next() => Option::<Value>::into_iter(value).map(|v| text(&v)).collect(),
            () = stopped(&mut stopping) => {
                close(&mut stream, "the node is stopping".into()).await;
                return;
            }
            _ = ping.tick() => vec![Message::Ping(Vec::new().into())],
            message = stream.recv(), if running.len() < MAX_RUNNING => match message {
                None | Some(Err(_)) => return,
                Some(Ok(Message::Close(_))) => {
                    // Our side of the closing handshake is sent with the next read.
                    let _ = timeout(SEND_PATIENCE, stream.recv()).await;
                    return;
                }
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    match handle(&service, &mut subscriptions, &message.into_data()) {
                        Handled::Now(value) => value.iter().map(text).collect(),
                        Handled::Later(value) => {
                            let service = Arc::clone(&service);
                            running.push(async move { service.answer_call(value, &Budget::default()).await });
                            Vec::new()
                        }
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
            },
        };
        for message in outgoing {
            if !matches!(timeout(SEND_PATIENCE, stream.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the node is gone already.
    let _ = stopping.wait_for(|stop| *stop).await;
}

enum Handled {
    Now(Option<Value>),
    Later(Value),
}

fn handle(service: &RpcService, subscriptions: &mut Subscriptions, body: &[u8]) -> Handled {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(e) => {
            let error = RpcError::Parse(format!("error unmarshaling request: {e}"));
            return Handled::Now(Some(answer(&Value::Null, Err(error))));
        }
    };
    let method = value.get("method").and_then(Value::as_str).unwrap_or("");
    if !matches!(method, "subscribe" | "unsubscribe" | "unsubscribe_all") {
        return Handled::Later(value);
    }
    Handled::Now(match Call::parse(value) {
        Err((id, error)) => Some(answer(&id, Err(error))),
        Ok(call) => {
            let id = call.id.clone().unwrap_or(Value::Null);
            let result = change(service, subscriptions, call).map(|()| json!({}));
            Some(answer(&id, result))
        }
    })
}

fn change(service: &RpcService, subscriptions: &mut Subscriptions, call: Call) -> Result<(), RpcError> {
    if call.method == "unsubscribe_all" {
        if subscriptions.is_empty() {
            return Err(RpcError::Internal("subscription not found".into()));
        }
        subscriptions.clear();
        return Ok(());
    }
    let query = required("query", Params::from_json(call.params, &["query"])?.text("query")?)?;
    if call.method == "unsubscribe" {
        return match subscriptions.remove(&query) {
            Some(_) => Ok(()),
            None => Err(RpcError::Internal("subscription not found".into())),
        };
    }
    let max = service.config.max_subscriptions;
    if subscriptions.len() >= max {
        return Err(RpcError::Internal(format!("max_subscriptions_per_client {max} reached")));
    }
    let parsed = Query::parse(&query).map_err(|why| RpcError::Internal(format!("failed to parse query: {why}")))?;
    let subscription = Subscription { id: call.id.unwrap_or(Value::Null), query: parsed };
    match subscriptions.contains_key(&query) {
        true => Err(RpcError::Internal("already subscribed".into())),
        false => {
            subscriptions.insert(query, subscription);
            Ok(())
        }
    }
}

/// The messages that a block causes, in the order block, then transactions.
fn events(subscriptions: &Subscriptions, record: &BlockRecord) -> Vec<Message> {
    if subscriptions.is_empty() {
        return Vec::new();
    }
    let block_tags = Tags::from([
        ("tm.event".into(), vec!["NewBlock".into()]),
        ("block.height".into(), vec![record.height().to_string()]),
    ]);
    let header_tags = Tags::from([("tm.event".into(), vec!["NewBlockHeader".into()])]);
    let mut messages = matching(subscriptions, &block_tags, || new_block(record));
    messages.extend(matching(
        subscriptions,
        &header_tags,
        || json!({"type": "tendermint/event/NewBlockHeader", "value": {"header": json::header(&record.block.header)}}),
    ));
    for index in 0..record.txs().len() {
        let tags = tags(record, index);
        messages.extend(matching(subscriptions, &tags, || tx_event(record, index)));
    }
    messages
}

fn matching(subscriptions: &Subscriptions, tags: &Tags, data: impl Fn() -> Value) -> Vec<Message> {
    let mut rendered = None;
    let asked = subscriptions.iter().filter(|(_, subscription)| subscription.query.matches(tags));
    asked
        .map(|(query, subscription)| {
            let data = rendered.get_or_insert_with(&data).clone();
            text(&answer(&subscription.id, Ok(json!({"query": query, "data": data, "events": tags}))))
        })
        .collect()
}

fn new_block(record: &BlockRecord) -> Value {
    json!({
        "type": "tendermint/event/NewBlock",
        "value": {
            "block": json::block(&record.block),
            "block_id": json::block_id(Some(&record.meta.block_id)),
            "result_finalize_block": {
                "events": [],
                "tx_results": record.meta.tx_results.iter().map(json::tx_result).collect::<Vec<_>>(),
                "validator_updates": record.meta.validator_updates.iter().map(json::validator_update).collect::<Vec<_>>(),
                "consensus_param_updates": null,
                "app_hash": json::base64(record.meta.app_hash.0),
            },
        },
    })
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

async fn close(stream: &mut WebSocket, reason: String) {
    let frame = CloseFrame { code: 1008, reason: reason.into() };
    let _ = timeout(SEND_PATIENCE, stream.send(Message::Close(Some(frame)))).await;
}
