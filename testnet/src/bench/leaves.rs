//! Leaves per second, durable and finalized: one by one, in submissions of 1,000, and as sub-tree batches of 1,000 documents.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use pyralog_crypto::{Blake3, DocumentDigest, Encode, Hash, MemoryTree, NotaryLeaf, Roots, Sha256};

use super::baseline::RAW_RECORD;
use super::context::{Context, Progress};
use super::load::{Cpu, Done, Request, drive};
use super::report::{Aim, Figure, Group, Setting};

/// Leaves of a group submission, and documents of a sub-tree batch.
const GROUP: u64 = 1_000;
/// Where leaves go; each is promised.
const EACH: &str = "/v1/notary/leaves";
/// The same with one promise for the whole submission.
const RANGE: &str = "/v1/notary/leaves?promise=range";
const DURABLE: &str = "durable: fdatasync at one node before the promise";
const FINAL: &str = "final: under an anchor in a block of four validators";

/// One way to submit.
struct Way {
    name: &'static str,
    path: &'static str,
    /// Connections per node.
    connections: usize,
    /// Leaves per request.
    leaves: u64,
    /// Documents per leaf.
    documents: u64,
    aim: Option<f64>,
}

const WAYS: [Way; 4] = [
    Way { name: "single", path: EACH, connections: 64, leaves: 1, documents: 1, aim: Some(10_000.0) },
    Way {
        name: "1,000 per submission, one promise",
        path: RANGE,
        connections: 2,
        leaves: GROUP,
        documents: 1,
        aim: Some(100_000.0),
    },
    Way {
        name: "1,000 per submission, a promise each",
        path: EACH,
        connections: 2,
        leaves: GROUP,
        documents: 1,
        aim: None,
    },
    Way {
        name: "documents, 1,000 per sub-tree batch",
        path: EACH,
        connections: 16,
        leaves: 1,
        documents: GROUP,
        aim: None,
    },
];

/// Measures.
pub fn measure(cx: &Context<'_>) -> Result<Group> {
    let mut group = super::co_located("leaves per second");
    for way in &WAYS {
        one(cx, &mut group, way)?;
    }
    group.notes.push(format!(
        "ratios are to raw appends of {RAW_RECORD} bytes with fdatasync each, one thread, in the same directory; \
         a batch leaf stands for 1,000 documents, whose digests are given and whose two trees the load generator makes"
    ));
    Ok(group)
}

fn one(cx: &Context<'_>, group: &mut Group, way: &Way) -> Result<()> {
    super::note(&format!("leaves: {}", way.name));
    cx.settle()?;
    let time = Duration::from_secs(cx.either(5, 20));
    let mut api = cx.network.api()?;
    let before = sizes(&mut api)?;
    let cpu = Cpu::start(cx);
    let started = Instant::now();
    let make = |node: usize, connection: usize, round: u64| {
        // Every leaf is another one: node, connection and request are in its digest.
        let first = ((((node as u64) << 8) | connection as u64) << 40) | (round * way.leaves.max(way.documents));
        Some(Request { path: way.path, body: body(way, first), records: way.leaves })
    };
    let done = drive(cx, (way.connections, |node| node.api), time, make, |_, leaves| Ok(leaves))?;
    let after = sizes(&mut api)?;
    let grown: u64 = after.iter().zip(&before).map(|(after, before)| after - before).sum();
    if grown < done.taken {
        bail!("{} leaves were promised, but the logs grew by {grown}", done.taken);
    }
    cx.wait("leaves are not anchored", || {
        for (node, size) in api.iter_mut().zip(&after) {
            if Progress::of(node)?.anchored < *size {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    let final_s = started.elapsed().as_secs_f64();
    let (nodes, _) = cpu.spent(cx);
    figures(cx, group, way, (done, final_s), nodes);
    group.notes.push(cpu.sentence(cx, way.name));
    if done.refused > 0 {
        group.notes.push(format!("{}: {} requests were answered with \"try again\"", way.name, done.refused));
    }
    Ok(())
}

fn figures(cx: &Context<'_>, group: &mut Group, way: &Way, (done, final_s): (Done, f64), node_cpu: f64) {
    let leaf_bytes = leaf(way, 0).len() as u64;
    let setting = |durability| Setting {
        record_bytes: Some(leaf_bytes),
        batch: Some(way.leaves.max(way.documents)),
        durability: Some(durability),
        clients: Some(format!("{} kept connections, one request in flight on each", 4 * way.connections)),
        sample: Some(format!("{} leaves", done.taken)),
    };
    let (unit, records) =
        if way.documents > 1 { ("documents/s", done.taken * way.documents) } else { ("leaves/s", done.taken) };
    let (records, raw) = (records as f64, cx.baseline.syncs_per_s);
    const RAW: &str = "raw append + fdatasync";
    let durable = Figure::new(format!("{}: durable", way.name), records / done.seconds, unit, setting(DURABLE));
    group.add(durable.against(raw, RAW));
    let finalized = Figure::new(format!("{}: finalized", way.name), records / final_s, unit, setting(FINAL));
    let finalized = finalized.against(raw, RAW);
    group.add(match way.aim {
        Some(aim) => finalized.aim(Aim::AtLeast(aim)),
        None => finalized,
    });
    let per_core = Figure::new(
        format!("{}: finalized per second of the nodes' processor time", way.name),
        records / node_cpu.max(1e-9),
        unit,
        setting(FINAL),
    );
    group.add(per_core.against(cx.baseline.verify_per_s, "signatures verified on one core"));
}

fn sizes(api: &mut [super::http::Connection]) -> Result<Vec<u64>> {
    api.iter_mut().map(|node| Ok(Progress::of(node)?.size)).collect::<Result<_>>().context("a node's log size")
}

fn body(way: &Way, first: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(32 + way.leaves as usize * 160);
    body.extend_from_slice(b"{\"leaves\":[");
    for number in first..first + way.leaves {
        body.extend_from_slice(if number == first { b"\"" } else { b",\"" });
        body.extend_from_slice(hex::encode(leaf(way, number)).as_bytes());
        body.push(b'"');
    }
    body.extend_from_slice(b"]}");
    body
}

fn leaf(way: &Way, number: u64) -> Vec<u8> {
    if way.documents == 1 {
        return document(number);
    }
    let (mut blake3, mut sha256) = (MemoryTree::<Blake3>::new(), MemoryTree::<Sha256>::new());
    for member in number..number + way.documents {
        let bytes = document(member);
        blake3.push(&bytes);
        sha256.push(&bytes);
    }
    NotaryLeaf::Batch { count: way.documents, roots: Roots { blake3: blake3.root(), sha256: sha256.root() } }.to_bytes()
}

/// The leaf of a document whose digests are given: hashing documents is not what is measured.
fn document(number: u64) -> Vec<u8> {
    let mut bytes = [0xd0_u8; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let digest = DocumentDigest { blake3: Hash(bytes), sha256: Hash(bytes), size: number };
    NotaryLeaf::Document { digest, metadata: None }.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyralog_crypto::Decode;

    #[test]
    fn a_submission_holds_as_many_different_leaves_as_it_says() {
        for way in &WAYS {
            let text = body(way, 5_000);
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let leaves: std::collections::BTreeSet<&str> =
                value["leaves"].as_array().unwrap().iter().filter_map(|leaf| leaf.as_str()).collect();
            assert_eq!(leaves.len() as u64, way.leaves, "{}", way.name);
            let first = NotaryLeaf::from_bytes(&hex::decode(leaves.first().unwrap()).unwrap()).unwrap();
            assert_eq!(matches!(first, NotaryLeaf::Batch { count: GROUP, .. }), way.documents > 1);
            assert_ne!(text, body(way, 6_000));
        }
    }
}
