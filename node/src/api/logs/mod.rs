//! Record logs: `/v1/cluster/…`, for who holds the node's admin token.

mod answers;
mod extents;
mod forward;
mod problem;
mod records;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{StreamExt, stream};
use pyralog_cluster_core::replication::AckMode;
use pyralog_cluster_core::segment::Retention;
use pyralog_cluster_core::{MAX_PARTITIONS, Storage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Path, Query};
use super::object::{Object, read_object};
use super::server::raw_json;
use super::values::{Decimal, Within, number};
use super::{ApiState, Problem};
use crate::logs::{Copies, Copysets, Growth, LogError, MAX_COPIES, NewLog, Question, Start, now_ms};
pub use extents::answer as answer_extents;
pub use forward::answer;
use forward::forward;
use records::{Append, parse_append};

type Answer = Result<Json<Value>, Problem>;
type Api = State<Arc<ApiState>>;

/// For so long a request waits for the node's start to be confirmed.
const START: Duration = Duration::from_secs(1);
/// Records of one answer, where nothing else is asked.
const DEFAULT_LIMIT: u64 = 100;
/// Records of one answer.
const MAX_LIMIT: u64 = 1_000;
/// Logs of a list of which other members are asked at once.
const LISTED_AT_ONCE: usize = 16;
/// A segment of a log whose creator does not say.
const SEGMENT_BYTES: u64 = 64 << 20;
/// What a creator may say. A segment is files and syncs of its own, and all appends wait where many of one log wait for theirs.
const SEGMENT_BOUNDS: RangeInclusive<u64> = 1 << 20..=1 << 30;

/// The routes. Who does not show the token is refused before the body is read.
pub fn routes(state: &Arc<ApiState>) -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/cluster/logs", get(list).post(create))
        .route("/v1/cluster/logs/{name}", get(describe).delete(delete))
        .route("/v1/cluster/logs/{name}/records", get(read).post(append))
        .route("/v1/cluster/logs/{name}/producers", post(open_producer))
        .route("/v1/cluster/logs/{name}/consistency", get(consistency))
        .route_layer(from_fn_with_state(Arc::clone(state), forward))
        .route_layer(from_fn_with_state(Arc::clone(state), await_start))
        .route_layer(from_fn_with_state(Arc::clone(state), authorize))
}

/// Until the cluster has confirmed the node's start, the node does not know which logs there are. As a rule that takes a moment.
async fn await_start(State(api): Api, request: Request, next: Next) -> Result<Response, Problem> {
    api.member.started_within(START).await.then_some(()).ok_or(LogError::NotStarted)?;
    Ok(next.run(request).await)
}

/// Lets through who shows the token.
pub(super) async fn authorize(State(api): Api, request: Request, next: Next) -> Result<Response, Problem> {
    let remedy =
        "send `Authorization: Bearer TOKEN` with the text of HOME/data/admin.token, which is new at each start";
    api.admin_token.require(request.headers(), remedy)?;
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    name: String,
    partitions: Option<Within<1, { MAX_PARTITIONS as u64 }>>,
    storage: Option<Kind>,
    segment_bytes: Option<Decimal>,
    retention: Option<Object<Limits>>,
    copysets: Option<Copysets>,
    nodeset: Option<Number>,
    replication: Option<Number>,
    copies: Option<Number>,
    may_lose_acknowledged: Option<bool>,
}

/// Of members or copies.
type Number = Within<1, { MAX_COPIES as u64 }>;

#[derive(Clone, Copy, Deserialize)]
#[serde(variant_identifier, rename_all = "lowercase")]
enum Kind {
    Disk,
    Memory,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max_age_ms: Option<Decimal>,
    max_bytes: Option<Decimal>,
}

/// `POST /v1/cluster/logs`
async fn create(State(api): Api, Body(body): Body) -> Result<Response, Problem> {
    let help = "send {\"name\": \"orders\", \"partitions\": 1, \"storage\": \"disk\" or \"memory\", \"segment_bytes\": \"67108864\", \
                \"retention\": {\"max_age_ms\": null, \"max_bytes\": null}, \"copysets\": \"partition\", \"record\" or \"coordinator-only\", \
                \"nodeset\": 3, \"replication\": 2, \"copies\": 2}, of which only name is needed";
    let asked: Creation = read_object(&body, help)?;
    let Object(limits) = asked.retention.unwrap_or_default();
    let limit = |limit: Option<Decimal>| limit.map(|Decimal(limit)| limit);
    let segment_bytes = limit(asked.segment_bytes).unwrap_or(SEGMENT_BYTES);
    if !SEGMENT_BOUNDS.contains(&segment_bytes) {
        let message =
            format!("segment_bytes is {segment_bytes}, from 1048576 (1 MiB) to 1073741824 (1 GiB) are allowed");
        return Err(Problem::bad(message).remedy("give a number within these bounds, or none for 67108864 (64 MiB)"));
    }
    let number = |number: Option<Number>| number.map(|Within(number)| number as u8);
    let new = NewLog {
        name: asked.name,
        // Within their bounds they fit.
        partitions: asked.partitions.map_or(1, |Within(partitions)| partitions as u32),
        storage: match asked.storage {
            None | Some(Kind::Disk) => Storage::Disk,
            Some(Kind::Memory) => Storage::Memory,
        },
        segment_bytes,
        retention: Retention { max_age_ms: limit(limits.max_age_ms), max_bytes: limit(limits.max_bytes) },
        copies: Copies {
            copysets: asked.copysets,
            nodeset: number(asked.nodeset),
            replication: number(asked.replication),
            copies: number(asked.copies),
            may_lose_acknowledged: asked.may_lose_acknowledged.unwrap_or(false),
        },
    };
    let report = extents::complete(&api, api.records.create(new).await?).await;
    Ok((StatusCode::CREATED, Json(answers::log(&report))).into_response())
}

/// `GET /v1/cluster/logs`
async fn list(State(api): Api) -> Answer {
    let reports = stream::iter(api.records.list().await?);
    let reports: Vec<_> =
        reports.map(|report| extents::complete(&api, report)).buffered(LISTED_AT_ONCE).collect().await;
    Ok(Json(json!({"logs": reports.iter().map(answers::log).collect::<Vec<_>>()})))
}

/// `GET /v1/cluster/logs/{name}`
async fn describe(State(api): Api, Path(name): Path<String>) -> Answer {
    let report = extents::complete(&api, api.records.describe(name).await?).await;
    Ok(Json(answers::log(&report)))
}

/// `DELETE /v1/cluster/logs/{name}`
async fn delete(State(api): Api, Path(name): Path<String>) -> Answer {
    api.records.delete(name.clone()).await?;
    Ok(Json(json!({"deleted": name})))
}

/// `?partition=&ack=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    partition: Option<String>,
    ack: Option<Ack>,
}

/// When an append is answered: see [`AckMode`].
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ack {
    Durable,
    Replicated,
    Cached,
}

/// `POST /v1/cluster/logs/{name}/records`
async fn append(State(api): Api, Path(name): Path<String>, Query(to): Query<To>, Body(body): Body) -> Answer {
    let partition = to.partition.as_deref().map(partition_number).transpose()?;
    let mode = match to.ack {
        None | Some(Ack::Durable) => AckMode::Durable,
        Some(Ack::Replicated) => AckMode::Replicated,
        Some(Ack::Cached) => AckMode::Cached,
    };
    let Append { records, stamp } = parse_append(&body, now_ms())?;
    drop(body);
    let places = match stamp {
        None => api.records.append(name, partition, records, mode).await?,
        Some(_) if mode != AckMode::Durable => {
            let message = format!("a producer's append is not acknowledged as {}, but when it is durable", mode.word());
            return Err(Problem::bad(message).remedy("leave ack out, or append without a producer"));
        }
        Some(stamp) => api.records.append_as(name, partition, stamp, records).await.map_err(problem::of_producer)?,
    };
    Ok(Json(json!({"records": places.into_iter().map(answers::appended).collect::<Vec<_>>()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    #[serde(default)]
    partition: u32,
}

/// `POST /v1/cluster/logs/{name}/producers`
async fn open_producer(State(api): Api, Path(name): Path<String>, Body(body): Body) -> Result<Response, Problem> {
    let asked: Opening = read_object(&body, "send {\"partition\": 0}, or {} for partition 0")?;
    let id = api.records.open_producer(name, asked.partition).await?;
    Ok((StatusCode::CREATED, Json(answers::producer(id, asked.partition))).into_response())
}

/// `?partition=&incarnation=&from=|time=&limit=&wait_ms=&proof=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    partition: Option<String>,
    incarnation: Option<String>,
    from: Option<String>,
    time: Option<String>,
    limit: Option<String>,
    wait_ms: Option<String>,
    proof: Option<String>,
}

impl Asked {
    fn question(&self, max_wait_ms: u64) -> Result<Question, Problem> {
        let given = |name, text: &Option<String>, max| text.as_deref().map(|text| number(name, text, max)).transpose();
        let start = match (given("from", &self.from, u64::MAX)?, given("time", &self.time, u64::MAX)?) {
            (None, None) => Start::First,
            (Some(offset), None) => Start::Offset(offset),
            (None, Some(time)) => Start::Time(time),
            (Some(_), Some(_)) => {
                return Err(Problem::bad("from and time are both given").remedy("begin at an offset, or at a time"));
            }
        };
        let limit = given("limit", &self.limit, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 {
            return Err(Problem::bad("limit is 0").remedy(format!("ask for 1 to {MAX_LIMIT} records")));
        }
        let wait_ms = given("wait_ms", &self.wait_ms, u64::MAX)?.unwrap_or(0).min(max_wait_ms);
        Ok(Question {
            partition: self.partition.as_deref().map(partition_number).transpose()?.unwrap_or(0),
            incarnation: given("incarnation", &self.incarnation, u64::MAX)?,
            from: start,
            limit: limit as usize,
            wait: Duration::from_millis(wait_ms),
            proof: given("proof", &self.proof, 1)?.unwrap_or(0) == 1,
        })
    }
}

/// `GET /v1/cluster/logs/{name}/records`
async fn read(State(api): Api, Path(name): Path<String>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let question = asked.question(api.config.max_wait_ms)?;
    let page = api.records.read(name, question).await?;
    let identity = api.backend.identity();
    let body = answers::page(question.partition, &page, &identity.chain_id, &identity.log_owner);
    Ok(raw_json(StatusCode::OK, body.map_err(|e| Problem::internal(e.to_string()))?))
}

/// `?partition=&incarnation=&old=&new=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    partition: Option<String>,
    incarnation: Option<String>,
    old: Option<String>,
    new: Option<String>,
}

impl Sizes {
    fn growth(&self) -> Result<Growth, Problem> {
        let size =
            |name, text: &Option<String>| match text {
                Some(text) => number(name, text, u64::MAX),
                None => Err(Problem::bad(format!("{name} is missing"))
                    .remedy("give the sizes of two checkpoints as old and new")),
            };
        let incarnation = self.incarnation.as_deref().map(|text| number("incarnation", text, u64::MAX));
        Ok(Growth {
            partition: self.partition.as_deref().map(partition_number).transpose()?.unwrap_or(0),
            incarnation: incarnation.transpose()?,
            old: size("old", &self.old)?,
            new: size("new", &self.new)?,
        })
    }
}

/// `GET /v1/cluster/logs/{name}/consistency`
async fn consistency(State(api): Api, Path(name): Path<String>, Query(sizes): Query<Sizes>) -> Answer {
    let growth = sizes.growth()?;
    let proof = api.records.consistency(name, growth).await?;
    let Growth { partition, old, new, .. } = growth;
    Ok(Json(json!({"partition": partition, "old": old.to_string(), "new": new.to_string(), "consistency": proof})))
}

fn partition_number(text: &str) -> Result<u32, Problem> {
    // Within the bound it is a u32.
    number("partition", text, u64::from(u32::MAX)).map(|number| number as u32)
}

#[cfg(test)]
#[path = "logs_test.rs"]
mod tests;
