//! Reads of partitions that this member has nothing of, or perhaps not all: a member that has answers them, over the member link.
//!
//! The question is `end:u64`, up to which callers were told here that there are records, and path and query of the read; the answer `status:u16` and the
//! body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use pyralog_cluster_core::LogName;
use pyralog_cluster_core::cluster::{Cluster, Keeps, MAX_TOLD_BYTES};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::cluster::{TRANSFER, transfer_for};
use super::super::extract::{Path, Query};
use super::super::server::raw_json;
use super::super::{ApiState, Problem};
use super::extents;

/// Time that a link may take, beside that for which a read may wait.
const WAY: Duration = Duration::from_secs(10);
/// A longer path and query is asked by nobody.
const MAX_QUESTION: usize = 4 << 10;

/// What of a query says where the answer is.
#[derive(Deserialize)]
struct Where {
    partition: Option<String>,
}

/// Has others answer what this member has not all of. What nobody answers it answers itself, as far as it has something.
pub(super) async fn forward(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let asked = (request.method() == Method::GET)
        .then(|| request.uri())
        .and_then(|uri| Some((name_of(uri)?, partition_of(uri)?)));
    if let Some((name, partition)) = asked
        && let Some(answer) = ask_others(&api, request.uri(), &name, partition).await
    {
        return answer;
    }
    next.run(request).await
}

async fn ask_others(api: &ApiState, uri: &Uri, name: &LogName, partition: u32) -> Option<Response> {
    let cluster = api.member.cluster();
    // A full disk takes nothing in.
    if cluster.log(name).is_none() || (cluster.keeps(name, partition) == Keeps::All && cluster.disk_low().is_none()) {
        return None;
    }
    let end = api.records.told_end(name, partition);
    let within = WAY + Duration::from_millis(api.config.max_wait_ms);
    for member in cluster.stored_by(name, partition) {
        let question = Bytes::from([&end.to_be_bytes(), uri.to_string().as_bytes()].concat());
        match cluster.ask_node(member, question, within).await {
            Ok(answer) => return read_answer(&answer),
            // The next one may be nearer.
            Err(reason) => tracing::debug!(member = member.0, %reason, "a read could not be sent on"),
        }
    }
    None
}

/// Has the reads of other members answered here.
pub fn answer_members(cluster: &Cluster, api: &Arc<ApiState>) {
    let api = Arc::downgrade(api);
    cluster.answer_with(Arc::new(move |question| {
        let api = api.upgrade();
        Box::pin(async move { answer(api?, &question).await })
    }));
}

async fn answer(api: Arc<ApiState>, question: &[u8]) -> Option<Bytes> {
    let (end, uri) = question.split_first_chunk()?;
    let uri = std::str::from_utf8(uri).ok().filter(|text| text.len() <= MAX_QUESTION)?;
    let uri: Uri = uri.parse().ok()?;
    if uri.path() == TRANSFER {
        return transfer_for(&api, &uri).await;
    }
    let name = name_of(&uri)?;
    if uri.path().ends_with("/extents") {
        return extents::tell(&api, &name).await;
    }
    let partition = partition_of(&uri)?;
    // Nothing but what the cluster has, and this member has all of.
    let cluster = api.member.cluster();
    (cluster.keeps(&name, partition) == Keeps::All && cluster.disk_low().is_none()).then_some(())?;
    api.records.reaches(&name, partition, u64::from_be_bytes(*end)).await.then_some(())?;
    let name = name.to_string();
    let api = State(api);
    let response = match uri.path().rsplit('/').next()? {
        "records" => super::read(api, Path(name), query(&uri)?).await.into_response(),
        "consistency" => super::consistency(api, Path(name), query(&uri)?).await.into_response(),
        _ => return None,
    };
    let status = response.status();
    let body = match to_bytes(response.into_body(), MAX_TOLD_BYTES - 2).await {
        Ok(body) => body,
        Err(_) => return Some(framed(StatusCode::PAYLOAD_TOO_LARGE, b"")),
    };
    Some(framed(status, &body))
}

/// An answer as it is told.
pub fn framed(status: StatusCode, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + body.len());
    out.put_u16(status.as_u16());
    out.put_slice(body);
    out.freeze()
}

/// The answer that was told.
pub fn read_answer(answer: &Bytes) -> Option<Response> {
    let status = StatusCode::from_u16(u16::from_be_bytes(*answer.first_chunk()?)).ok()?;
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let problem =
            Problem::new(status, "too_large", "the answer of the member that stores this is too large to be sent on");
        return Some(
            problem.remedy("ask for fewer records, or ask that member: GET /v1/cluster shows it").into_response(),
        );
    }
    let answers = status == StatusCode::OK || status.is_client_error() || status.is_server_error();
    answers.then(|| raw_json(status, answer.slice(2..)))
}

/// The log that a path of `/v1/cluster/logs/{name}/…` names.
fn name_of(uri: &Uri) -> Option<LogName> {
    let mut parts = uri.path().strip_prefix("/v1/cluster/logs/")?.split('/');
    let name = parts.next()?.parse().ok()?;
    parts.next().filter(|_| parts.next().is_none())?;
    Some(name)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Option<Query<T>> {
    axum::extract::Query::try_from_uri(uri).ok().map(|axum::extract::Query(asked)| Query(asked))
}

fn partition_of(uri: &Uri) -> Option<u32> {
    let Query(Where { partition }) = query(uri)?;
    partition.map_or(Some(0), |text| text.parse().ok())
}

#[cfg(test)]
#[path = "forward_test.rs"]
mod tests;
