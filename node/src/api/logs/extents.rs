//! What other members hold of the partitions of a log that this member has nothing of, or perhaps not all: each is asked once.
//!
//! The path of the question is `/v1/cluster/logs/{name}/extents`.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::future::join_all;
use pyralog_cluster_core::LogName;
use pyralog_cluster_core::cluster::{Cluster, MAX_TOLD_BYTES};
use pyralog_cluster_core::replication::MemberId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::ApiState;
use super::super::forward::{Answer, Asked, Kind, Question};
use super::answers;
use super::forward::{has_all, name_of};
use crate::api::values::Decimal;
use crate::logs::{Held, LogReport, PartitionReport};

/// Who does not answer by then is left out.
const WITHIN: Duration = Duration::from_secs(3);

/// What a member answers.
#[derive(Deserialize)]
struct Extents {
    incarnation: Decimal,
    partitions: Vec<Extent>,
}

#[derive(Deserialize)]
struct Extent {
    partition: u32,
    first_offset: Decimal,
    next_offset: Decimal,
    bytes: Decimal,
    segments: usize,
    min_time: Option<Decimal>,
    max_time: Option<Decimal>,
}

impl Extent {
    fn held(&self) -> Held {
        let times = self.min_time.zip(self.max_time).map(|(Decimal(lowest), Decimal(highest))| (lowest, highest));
        let (Decimal(first), Decimal(next), Decimal(bytes)) = (self.first_offset, self.next_offset, self.bytes);
        Held { first, next, bytes, segments: self.segments, times }
    }
}

/// Fills in what this member cannot say of its own: those that store it are asked.
pub async fn complete(api: &ApiState, mut report: LogReport) -> LogReport {
    let (cluster, name) = (api.member.cluster(), report.spec.name.clone());
    if cluster.log(&name).is_none() {
        return report;
    }
    let open: Vec<u32> =
        report.partitions.iter().map(|of| of.partition).filter(|of| !has_all(api, &name, *of)).collect();
    let members: BTreeSet<MemberId> = open.iter().flat_map(|partition| cluster.stored_by(&name, *partition)).collect();
    let Some(question) = question(&name) else { return report };
    let answers = join_all(members.into_iter().map(|member| ask(cluster, &question, member))).await;
    for Extents { incarnation, partitions } in answers.into_iter().flatten() {
        if incarnation == Decimal(report.incarnation) {
            fill(&mut report.partitions, &open, &partitions);
        }
    }
    report
}

async fn ask(cluster: &Cluster, question: &Question, member: MemberId) -> Option<Extents> {
    let Asked::Answered(response) = question.ask(cluster, &[member], WITHIN).await else { return None };
    let told = to_bytes(response.into_body(), MAX_TOLD_BYTES).await.ok()?;
    serde_json::from_slice(&told).ok()
}

/// What this member tells another one: of the partitions that it has all of.
pub async fn answer(api: &ApiState, question: &Question) -> Option<Answer> {
    let name = &name_of(&question.uri)?;
    let report = api.records.describe(name.to_string()).await.ok()?;
    let told = |of: &PartitionReport| {
        let held = of.held.as_ref().ok()?;
        has_all(api, name, of.partition).then(|| answers::holding(of.partition, held))
    };
    let partitions: Vec<Value> = report.partitions.iter().filter_map(told).collect();
    let answer = json!({"incarnation": report.incarnation.to_string(), "partitions": partitions});
    Some(Answer::last(Json(answer).into_response()))
}

fn question(name: &LogName) -> Option<Question> {
    let uri = format!("/v1/cluster/logs/{name}/extents").parse().ok()?;
    Some(Question { kind: Kind::Extents, uri, body: Bytes::new() })
}

/// Takes over what a member says of the open ones. Who leads a partition knows of the most records in it.
fn fill(partitions: &mut [PartitionReport], open: &[u32], told: &[Extent]) {
    for extent in told.iter().filter(|extent| open.contains(&extent.partition)) {
        let held = extent.held();
        let place = partitions.iter_mut().find(|of| of.partition == extent.partition);
        if let Some(place) = place
            && place.held.as_ref().map_or(true, |known| known.next < held.next)
        {
            place.held = Ok(held);
        }
    }
}

#[cfg(test)]
#[path = "extents_test.rs"]
mod tests;
