//! Reading the chain and the ledger.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pyralog_consensus::block::tx_hash;
use pyralog_consensus::mempool::TxStatus;
use pyralog_crypto::{Address, Hash, LogId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Path, Query};
use super::object::read_object;
use super::{ApiState, Problem, answers};
use crate::rpc::json as cometbft;

type Answer = Result<Json<Value>, Problem>;
type Api = State<Arc<ApiState>>;

/// Entries of one list.
const MAX_LIST: usize = 100;

/// `?from=&limit=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    from: Option<u64>,
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_LIST).clamp(1, MAX_LIST)
    }
}

/// `GET /v1/status`
pub async fn status(State(api): Api) -> Answer {
    let peers = api.backend.peers().await.len();
    let identity = api.backend.identity();
    let record = read(&api, |ledger| ledger.log(&identity.log).map_err(|e| e.to_string()))?;
    let anchored = record.as_ref().map_or(0, |record| record.size);
    // Members that do not store the log know of what is anchored.
    let size = anchored.max(*api.shared.log_size.borrow());
    let log = json!({
        "id": identity.log,
        "owner": identity.log_owner,
        "registered": record.is_some(),
        "size": size.to_string(),
        "anchored_size": anchored.to_string(),
    });
    Ok(Json(answers::status(api.backend.as_ref(), peers, log)))
}

/// `GET /v1/genesis`
pub async fn genesis(State(api): Api) -> Json<Value> {
    Json(api.backend.identity().genesis.clone())
}

/// `GET /v1/accounts/{address}`
pub async fn account(State(api): Api, Path(address): Path<String>) -> Answer {
    let parsed: Address = address.parse().map_err(|e| Problem::bad(format!("{address} is not an address: {e}")))?;
    let (account, height) = read(&api, |ledger| {
        ledger.account(&parsed).map(|account| (account, ledger.height())).map_err(|e| e.to_string())
    })?;
    Ok(Json(json!({
        "address": parsed,
        "nonce": account.nonce.to_string(),
        "balance": account.balance.to_string(),
        "denom": "upyra",
        "height": height,
    })))
}

/// `GET /v1/blocks/{height|latest}`
pub async fn block(State(api): Api, Path(height): Path<String>) -> Answer {
    let height = at(&api, &height)?;
    match api.backend.chain().block(height).map_err(|e| Problem::internal(e.to_string()))? {
        Some(record) => Ok(Json(answers::block(&record))),
        None => Err(no_block(&api, height)),
    }
}

/// `GET /v1/light/{height|latest}`
pub async fn light(State(api): Api, Path(height): Path<String>) -> Result<Response, Problem> {
    let height = at(&api, &height)?;
    if height == 0 || height > api.backend.chain().height() {
        return Err(no_block(&api, height));
    }
    let block = api.receipts.light_block(height).map_err(Problem::internal)?;
    let text = block.to_json().map_err(|e| Problem::internal(e.to_string()))?;
    Ok(super::server::raw_json(StatusCode::OK, text.into_bytes()))
}

/// `GET /v1/logs`
pub async fn logs(State(api): Api, Query(page): Query<Page>) -> Answer {
    let from = page.from.unwrap_or(0);
    let (logs, total) = read(&api, |ledger| ledger.logs(from, page.limit()).map_err(|e| e.to_string()))?;
    let listed: Vec<Value> = logs.iter().map(|(id, record)| answers::log(id, record)).collect();
    Ok(Json(json!({"total": total, "from": from, "logs": listed})))
}

/// `GET /v1/logs/{id}`
pub async fn log(State(api): Api, Path(id): Path<String>) -> Answer {
    let id = log_id(&id)?;
    match read(&api, |ledger| ledger.log(&id).map_err(|e| e.to_string()))? {
        Some(record) => Ok(Json(answers::log(&id, &record))),
        None => Err(Problem::not_found(format!("log {id} is not registered")).remedy("GET /v1/logs lists all")),
    }
}

/// `GET /v1/anchors/{log}`
pub async fn anchors(State(api): Api, Path(id): Path<String>, Query(page): Query<Page>) -> Answer {
    let id = log_id(&id)?;
    let Some(record) = read(&api, |ledger| ledger.log(&id).map_err(|e| e.to_string()))? else {
        return Err(Problem::not_found(format!("log {id} is not registered")).remedy("GET /v1/logs lists all"));
    };
    let found = api.receipts.indexes().anchors(&id, page.limit() as u64);
    let (places, total) = found.map_err(|e| Problem::internal(e.to_string()))?;
    let listed: Vec<Value> = places.iter().map(answers::anchor).collect();
    Ok(Json(json!({"log": id, "owner": record.owner, "total": total, "anchors": listed})))
}

/// `GET /v1/tx/{hash}`
pub async fn tx(State(api): Api, Path(hash): Path<String>) -> Result<Response, Problem> {
    let hash: Hash =
        hash.to_ascii_lowercase().parse().map_err(|e| Problem::bad(format!("{hash} is not a hash: {e}")))?;
    let chain = api.backend.chain();
    let internal = |e: crate::chain::ReadError| Problem::internal(e.to_string());
    if let Some(position) = chain.tx(&hash).map_err(internal)?
        && let Some(record) = chain.block(position.height).map_err(internal)?
        && let Some(tx) = record.txs().get(position.index as usize)
    {
        let result = record.meta.tx_results.get(position.index as usize).map(cometbft::tx_result);
        let body = json!({
            "hash": hash, "status": "committed", "height": position.height, "index": position.index,
            "kind": answers::kind(tx), "tx": STANDARD.encode(tx), "result": result,
        });
        return Ok(Json(body).into_response());
    }
    match api.shared.pool.read(|pool| pool.status(&hash)) {
        TxStatus::Pending => {
            Ok((StatusCode::ACCEPTED, Json(json!({"hash": hash, "status": "pending"}))).into_response())
        }
        _ => Err(Problem::not_found(format!("transaction {hash} is in no block and does not wait here"))
            .remedy("it may wait at another node, or have been dropped; send it again")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    txs: Vec<String>,
}

/// `POST /v1/tx`
pub async fn submit(State(api): Api, Body(body): Body) -> Answer {
    let help = "send {\"txs\": [\"base64\"]}";
    let bundle: Bundle = read_object(&body, help)?;
    if bundle.txs.is_empty() || bundle.txs.len() > 2 {
        return Err(
            Problem::bad(format!("a bundle has 1 or 2 transactions, this one has {}", bundle.txs.len())).remedy(help)
        );
    }
    let decode = |text: &String| STANDARD.decode(text).map(Bytes::from);
    let txs: Result<Vec<Bytes>, _> = bundle.txs.iter().map(decode).collect();
    let txs = txs.map_err(|e| Problem::bad(format!("a transaction is not base64: {e}")).remedy(help))?;
    let hashes: Vec<Hash> = txs.iter().map(|tx| tx_hash(tx)).collect();
    api.backend.submit(txs).await?;
    Ok(Json(json!({"hashes": hashes, "hash": hashes.first(), "status": "accepted"})))
}

fn read<T>(
    api: &ApiState,
    ask: impl Fn(&pyralog_consensus::ledger::Ledger) -> Result<T, String>,
) -> Result<T, Problem> {
    api.ledger.consistent(ask).map_err(Problem::internal)
}

fn at(api: &ApiState, text: &str) -> Result<u64, Problem> {
    if text == "latest" {
        return Ok(api.backend.chain().height());
    }
    text.parse().map_err(|_| Problem::bad(format!("{text:?} is neither a height nor \"latest\"")))
}

fn no_block(api: &ApiState, height: u64) -> Problem {
    let latest = api.backend.chain().height();
    Problem::not_found(format!("there is no block {height}; the last one is {latest}"))
}

fn log_id(text: &str) -> Result<LogId, Problem> {
    text.parse().map_err(|e| Problem::bad(format!("{text} is not a log id: {e}")))
}
