//! What other members hold of the partitions of a log that this member has nothing of, or perhaps not all: each is asked once, over the member link.
//!
//! The question is that of a read, with the path `/v1/cluster/logs/{name}/extents`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use pyralog_cluster_core::LogName;
use pyralog_cluster_core::cluster::Keeps;
use pyralog_cluster_core::replication::MemberId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::ApiState;
use super::answers;
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
    let question = question(&name);
    let ask = |member: MemberId| cluster.ask_node(member, question.clone(), WITHIN);
    let answers = join_all(members.into_iter().map(ask)).await;
    let answers = answers.iter().flatten().filter_map(|answer| serde_json::from_slice::<Extents>(answer).ok());
    for Extents { incarnation, partitions } in answers {
        if incarnation == Decimal(report.incarnation) {
            fill(&mut report.partitions, &open, &partitions);
        }
    }
    report
}

/// What this member tells another one: of the partitions that it has all of.
pub async fn tell(api: &ApiState, name: &LogName) -> Option<Bytes> {
    let report = api.records.describe(name.to_string()).await.ok()?;
    let told = |of: &PartitionReport| {
        let held = of.held.as_ref().ok()?;
        has_all(api, name, of.partition).then(|| answers::holding(of.partition, held))
    };
    let partitions: Vec<Value> = report.partitions.iter().filter_map(told).collect();
    let answer = json!({"incarnation": report.incarnation.to_string(), "partitions": partitions});
    serde_json::to_vec(&answer).ok().map(Bytes::from)
}

/// Whether nobody else need be asked about a partition.
fn has_all(api: &ApiState, name: &LogName, partition: u32) -> bool {
    let cluster = api.member.cluster();
    // A full disk takes nothing in.
    cluster.keeps(name, partition) == Keeps::All && cluster.disk_low().is_none()
}

/// It begins as that of a read, which names an end.
fn question(name: &LogName) -> Bytes {
    let path = format!("/v1/cluster/logs/{name}/extents");
    Bytes::from([&0_u64.to_be_bytes(), path.as_bytes()].concat())
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
