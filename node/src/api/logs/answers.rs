//! JSON of what record logs answer.

use pyralog_cluster_core::Storage;
use pyralog_cluster_core::raft::Spread;
use pyralog_cluster_core::replication::ProducerId;
use pyralog_crypto::{Header, PublicKey, RecordProof, SignedPartitionCheckpoint};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::values::{Decimal, HexOf};
use crate::logs::{Appended, Copysets, Found, Held, LogReport, Page, PartitionReport, Place, Placed};

/// A log and its partitions.
pub fn log(report: &LogReport) -> Value {
    let spec = &report.spec;
    let text = |limit: Option<u64>| limit.map(|limit| limit.to_string());
    let mut log = json!({
        "name": spec.name.as_str(),
        "log": spec.id,
        "incarnation": report.incarnation.to_string(),
        "storage": match spec.storage { Storage::Disk => "disk", Storage::Memory => "memory" },
        "segment_bytes": spec.segment_bytes.to_string(),
        "retention": {"max_age_ms": text(spec.retention.max_age_ms), "max_bytes": text(spec.retention.max_bytes)},
        "partitions": report.partitions.iter().map(partition).collect::<Vec<_>>(),
    });
    if let Some(spread) = &report.spread {
        let Spread { nodeset, replication, copies, .. } = spread;
        log["copysets"] = json!(Copysets::of(spread).word());
        (log["nodeset"], log["replication"], log["copies"]) = (json!(nodeset), json!(replication), json!(copies));
    }
    log
}

fn partition(report: &PartitionReport) -> Value {
    let mut partition = match &report.held {
        Ok(held) => holding(report.partition, held),
        Err(error) => json!({"partition": report.partition, "error": error}),
    };
    if let Some(Placed { nodeset, here }) = &report.placed {
        let members: Vec<u64> = nodeset.members().iter().map(|member| member.0).collect();
        partition["members"] = json!(members);
        (partition["replication"], partition["copies"]) = (json!(nodeset.replication()), json!(nodeset.copies()));
        if !here {
            partition["absent"] = json!(true);
        }
    }
    partition
}

/// What a partition holds.
pub fn holding(partition: u32, Held { first, next, bytes, segments, times }: &Held) -> Value {
    let (lowest, highest) = times.map(|(lowest, highest)| (lowest.to_string(), highest.to_string())).unzip();
    json!({
        "partition": partition,
        "first_offset": first.to_string(),
        "next_offset": next.to_string(),
        "bytes": bytes.to_string(),
        "segments": segments,
        "min_time": lowest,
        "max_time": highest,
    })
}

/// Where a record stands, or how safe it is where it has no offset yet.
pub fn appended(Appended { partition, place }: Appended) -> Value {
    match place {
        Place::Offset(offset) => json!({"partition": partition, "offset": offset.to_string()}),
        Place::Early { mode, lsn } => {
            let (epoch, number) = lsn.map(|lsn| (lsn.epoch.0.to_string(), lsn.number.to_string())).unzip();
            json!({"partition": partition, "offset": null, "ack": mode.word(), "epoch": epoch, "number": number})
        }
    }
}

/// A producer of a partition.
pub fn producer(id: ProducerId, partition: u32) -> Value {
    json!({"producer": hex::encode(id.0.to_bytes()), "partition": partition})
}

/// Records and what goes with them.
#[derive(Serialize)]
struct Records<'a> {
    partition: u32,
    incarnation: Decimal,
    records: Vec<Stored<'a>>,
    next_offset: Decimal,
    end_offset: Decimal,
    first_offset: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a SignedPartitionCheckpoint>,
    chain_id: &'a str,
    log_owner: &'a PublicKey,
}

#[derive(Serialize)]
struct Stored<'a> {
    offset: Decimal,
    timestamp: Decimal,
    key: Option<HexOf<'a>>,
    value: HexOf<'a>,
    headers: Vec<StoredHeader<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a RecordProof>,
}

#[derive(Serialize)]
struct StoredHeader<'a> {
    name: &'a str,
    value: HexOf<'a>,
}

/// A page, written without a tree of values: it is the hot path.
pub fn page(partition: u32, page: &Page, chain_id: &str, log_owner: &PublicKey) -> Result<Vec<u8>, serde_json::Error> {
    let answer = Records {
        partition,
        incarnation: Decimal(page.incarnation),
        records: page.records.iter().map(stored).collect(),
        next_offset: Decimal(page.next),
        end_offset: Decimal(page.end),
        first_offset: Decimal(page.first),
        checkpoint: page.checkpoint.as_ref(),
        chain_id,
        log_owner,
    };
    serde_json::to_vec(&answer)
}

fn stored(found: &Found) -> Stored<'_> {
    let record = &found.record;
    Stored {
        offset: Decimal(found.offset),
        timestamp: Decimal(record.timestamp()),
        key: record.key().map(|key| HexOf(key)),
        value: HexOf(record.value()),
        headers: record.headers().iter().map(stored_header).collect(),
        proof: found.proof.as_ref(),
    }
}

fn stored_header(header: &Header) -> StoredHeader<'_> {
    StoredHeader { name: &header.name, value: HexOf(&header.value) }
}
