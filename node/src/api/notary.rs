//! Leaves and their receipts. A member of a cluster that does not store the notary log has them taken and given by one that does.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::extract::{Body, Path, Query};
use super::forward::{Answer, Asked, Kind, Question, WAY, query};
use super::server::raw_json;
use super::values::short;
use super::{ApiState, Problem, answers, parse_leaves};
use crate::notary::{ReceiptState, Refused};

type Api = State<Arc<ApiState>>;

/// For so long it is waited for another member to take leaves. Clients wait a little longer.
const TAKING: Duration = Duration::from_secs(12);
/// For so long a member that was asked by another one waits for a block that the other one has: it has few places for questions.
const BLOCK: Duration = Duration::from_secs(2);
/// Receipts that are asked for at other members at once: anybody may ask for any, and leaves and reads need places there, too.
static ASKING: Semaphore = Semaphore::const_new(32);
/// The path of a receipt, without the index of its leaf.
const RECEIPTS: &str = "/v1/notary/receipts/";

/// `?promise=each|range`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HowPromised {
    promise: Option<String>,
}

impl HowPromised {
    fn one_for_all(&self) -> Result<bool, Problem> {
        match self.promise.as_deref() {
            None | Some("each") => Ok(false),
            Some("range") => Ok(true),
            Some(other) => Err(Problem::bad(format!("promise={} is neither \"each\" nor \"range\"", short(other)))
                .remedy("leave it out for a promise of each leaf, or write promise=range for one of all")),
        }
    }
}

/// `POST /v1/notary/leaves`
pub async fn leaves(
    State(api): Api,
    uri: Uri,
    Query(how): Query<HowPromised>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let one_for_all = how.one_for_all()?;
    let leaves = parse_leaves(&body, api.max_leaves)?;
    if api.leaves.are_elsewhere() {
        api.admission.check(&leaves)?;
        drop(leaves);
        return ask_to_take(&api, uri, body).await;
    }
    drop(body);
    Ok(take(&api, leaves, one_for_all).await?)
}

async fn take(api: &ApiState, leaves: Vec<Vec<u8>>, one_for_all: bool) -> Result<Response, Refused> {
    let submission = api.admission.submit(leaves).await?;
    let log = &api.backend.identity().log;
    let body = match one_for_all {
        true => answers::range_promise(log, &api.admission.promise_range(&submission)?),
        false => answers::promises(log, &api.admission.promise_each(&submission)?),
    };
    Ok(raw_json(StatusCode::OK, body.map_err(|e| Refused::Unavailable(e.to_string()))?))
}

/// Has a member take leaves that stores the log. Where one may have taken them, no other one is asked: they would stand in the log twice.
async fn ask_to_take(api: &ApiState, uri: Uri, body: Bytes) -> Result<Response, Problem> {
    let question = Question { kind: Kind::Leaves, uri, body };
    if !question.fits() {
        let message = "the leaves are too many bytes to be sent on to a member that stores the notary log";
        return Err(
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).remedy("split them; nothing was taken")
        );
    }
    match question.ask(api.member.cluster(), &api.leaves.kept_by(), TAKING).await {
        Asked::Answered(response) => Ok(response),
        Asked::Nobody => Err(nobody(api)),
        Asked::Unknown(why) => Err(Refused::Unavailable(why).into()),
    }
}

fn nobody(api: &ApiState) -> Problem {
    let kept_by = api.leaves.stored_by();
    let message =
        format!("this member of the cluster stores no notary log, and none of the members {kept_by} that do answers");
    Refused::NoQuorum(message).into()
}

/// Takes leaves for another member.
pub async fn answer_leaves(api: &ApiState, question: Question) -> Option<Answer> {
    let Query(how) = query::<HowPromised>(&question.uri)?;
    if api.leaves.are_elsewhere() {
        return None;
    }
    let taken = async {
        let (one_for_all, leaves) = (how.one_for_all()?, parse_leaves(&question.body, api.max_leaves)?);
        drop(question.body);
        Ok::<_, Problem>(take(api, leaves, one_for_all).await)
    };
    Some(match taken.await {
        Ok(Ok(response)) => Answer::last(response),
        // Others may be able to, and nothing was taken.
        Ok(Err(refused @ (Refused::NotYet | Refused::Closed(_) | Refused::Busy(_) | Refused::Disabled))) => {
            Answer::first(Problem::from(refused).into_response())
        }
        Ok(Err(refused)) => Answer::last(Problem::from(refused).into_response()),
        Err(problem) => Answer::last(problem.into_response()),
    })
}

/// `?log=&wait_ms=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    log: Option<String>,
    wait_ms: Option<u64>,
}

/// `GET /v1/notary/receipts/{index}`
pub async fn receipt(
    State(api): Api,
    Path(index): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Response, Problem> {
    let index: u64 = index.parse().map_err(|_| Problem::bad(format!("{:?} is not a leaf's index", short(&index))))?;
    let log = match wait.log {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|e| Problem::bad(format!("log={} is not a log id: {e}", short(&text))))?)
        }
    };
    let patience = Duration::from_millis(wait.wait_ms.unwrap_or(0).min(api.config.max_wait_ms));
    match api.receipts.receipt(log, index, patience).await.map_err(Problem::internal)? {
        ReceiptState::Elsewhere => ask_for_receipt(&api, index, patience).await,
        // As on a member whose disk is full.
        ReceiptState::Lagging => match ask_for_receipt(&api, index, Duration::ZERO).await {
            Ok(response) => Ok(response),
            Err(_) => given(&api, index, ReceiptState::Lagging),
        },
        state => given(&api, index, state),
    }
}

/// Has a member give the receipt that stores the log. This one has the blocks too, and waits here for the one that anchors the leaf.
async fn ask_for_receipt(api: &ApiState, index: u64, patience: Duration) -> Result<Response, Problem> {
    let anchored = api.receipts.anchored(index, patience).await.map_err(Problem::internal)?;
    let Ok(_place) = ASKING.try_acquire() else {
        let message = "too many receipts are asked for at the members that store the notary log";
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        return Err(busy.remedy("ask again after the given time").retry_after(1));
    };
    let wait = if anchored { BLOCK.as_millis() } else { 0 };
    let uri = format!("{RECEIPTS}{index}?wait_ms={wait}");
    let uri = uri.parse().map_err(|e| Problem::internal(format!("{uri}: {e}")))?;
    let question = Question { kind: Kind::Receipt, uri, body: Bytes::new() };
    match question.ask(api.member.cluster(), &api.leaves.kept_by(), WAY).await {
        Asked::Answered(response) => Ok(response),
        Asked::Nobody | Asked::Unknown(_) => Err(nobody(api)),
    }
}

/// Gives another member a receipt.
pub async fn answer_receipt(api: &ApiState, question: &Question) -> Option<Answer> {
    let index = question.uri.path().strip_prefix(RECEIPTS)?.parse().ok()?;
    let Query(wait) = query::<Wait>(&question.uri)?;
    let patience = Duration::from_millis(wait.wait_ms.unwrap_or(0)).min(BLOCK);
    Some(match api.receipts.receipt(None, index, patience).await {
        Ok(ReceiptState::Elsewhere) => return None,
        Ok(state) => {
            // Another one may have more leaves or blocks.
            let last = matches!(state, ReceiptState::Ready(_) | ReceiptState::Unknown(_));
            Answer { last, response: given(api, index, state).into_response() }
        }
        Err(why) => Answer::first(Problem::internal(why).into_response()),
    })
}

fn given(api: &ApiState, index: u64, state: ReceiptState) -> Result<Response, Problem> {
    match state {
        ReceiptState::Ready(proof) => {
            let body = serde_json::to_vec(&proof).map_err(|e| Problem::internal(e.to_string()))?;
            Ok(raw_json(StatusCode::OK, body))
        }
        ReceiptState::Pending | ReceiptState::Lagging => {
            let height = api.backend.chain().height();
            let body = json!({
                "status": "pending", "log": api.backend.identity().log, "index": index.to_string(), "height": height,
                "reason": format!("no block up to height {height} anchors leaf {index} yet"),
            });
            Ok((StatusCode::ACCEPTED, Json(body)).into_response())
        }
        ReceiptState::Conflict(why) => {
            let why = format!("there is no receipt of leaf {index} here: {why}");
            Err(Problem::new(StatusCode::CONFLICT, "log_conflict", why).remedy("submit the leaf to another node's log"))
        }
        ReceiptState::Unknown(why) => {
            Err(Problem::not_found(why)
                .remedy("ask the node that promised the leaf; GET /v1/status names a node's log"))
        }
        ReceiptState::Elsewhere => Err(nobody(api)),
    }
}

/// `GET /v1/notary/refresh/{height}`
pub async fn refresh(State(api): Api, Path(height): Path<u64>) -> Result<Response, Problem> {
    let last = api.backend.chain().height();
    if height == 0 || height.saturating_add(2) > last {
        return Err(Problem::not_found(format!(
            "height {height} cannot be refreshed yet: block {} is needed, the last one is {last}",
            height.saturating_add(2)
        )));
    }
    let refresh = api.receipts.refresh(height).map_err(Problem::internal)?;
    let body = serde_json::to_vec(&refresh).map_err(|e| Problem::internal(e.to_string()))?;
    Ok(raw_json(StatusCode::OK, body))
}
