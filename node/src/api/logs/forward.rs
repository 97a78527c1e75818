//! Reads of partitions that this member has nothing of, or perhaps not all: a member that has answers them. Where none has, one that has something does.
//!
//! The body of the question is `end:u64`, up to which callers were told here that there are records.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pyralog_cluster_core::LogName;
use pyralog_cluster_core::cluster::Keeps;
use serde::Deserialize;

use super::super::ApiState;
use super::super::extract::{Path, Query};
use super::super::forward::{Answer, Asked, Kind, Question, WAY, query};

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
    if cluster.log(name).is_none() || has_all(api, name, partition) {
        return None;
    }
    let end = api.records.told_end(name, partition);
    let within = WAY + Duration::from_millis(api.config.max_wait_ms);
    let body = Bytes::copy_from_slice(&end.to_be_bytes());
    let question = Question { kind: Kind::Records, uri: uri.clone(), body };
    match question.ask(cluster, &cluster.stored_by(name, partition), within).await {
        Asked::Answered(response) => Some(response),
        Asked::Nobody | Asked::Unknown(_) => None,
    }
}

/// Answers another member's read.
pub async fn answer(api: Arc<ApiState>, question: &Question) -> Option<Answer> {
    let uri = &question.uri;
    let end = u64::from_be_bytes(question.body[..].try_into().ok()?);
    let (name, partition) = (name_of(uri)?, partition_of(uri)?);
    // Nothing but what the cluster has. Whoever has all of it has the last word.
    let keeps = api.member.cluster().keeps(&name, partition);
    (keeps != Keeps::Nothing).then_some(())?;
    let last = has_all(&api, &name, partition) && api.records.reaches(&name, partition, end).await;
    let name = name.to_string();
    let api = State(api);
    let response = match uri.path().rsplit('/').next()? {
        "records" => {
            let Query(mut asked) = query::<super::Asked>(uri)?;
            // What comes later comes elsewhere.
            asked.wait_ms = asked.wait_ms.filter(|_| last);
            super::read(api, Path(name), Query(asked)).await.into_response()
        }
        "consistency" => super::consistency(api, Path(name), query(uri)?).await.into_response(),
        _ => return None,
    };
    Some(if last { Answer::last(response) } else { Answer::first(response) })
}

/// Whether nobody else need be asked about a partition.
pub(super) fn has_all(api: &ApiState, name: &LogName, partition: u32) -> bool {
    let cluster = api.member.cluster();
    // A full disk takes nothing in.
    cluster.keeps(name, partition) == Keeps::All && cluster.disk_low().is_none()
}

/// The log that a path of `/v1/cluster/logs/{name}/…` names.
pub(super) fn name_of(uri: &Uri) -> Option<LogName> {
    let mut parts = uri.path().strip_prefix("/v1/cluster/logs/")?.split('/');
    let name = parts.next()?.parse().ok()?;
    parts.next().filter(|_| parts.next().is_none())?;
    Some(name)
}

fn partition_of(uri: &Uri) -> Option<u32> {
    let Query(Where { partition }) = query(uri)?;
    partition.map_or(Some(0), |text| text.parse().ok())
}

#[cfg(test)]
#[path = "forward_test.rs"]
mod tests;
