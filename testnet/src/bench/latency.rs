//! Time from a submission to its receipt, at a fixed rate: each request has its moment, and its time runs from that moment
//! whether or not it could be sent then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use pyralog_crypto::{DocumentDigest, Encode, NotaryLeaf};

use super::context::Context;
use super::http::Connection;
use super::load::Cpu;
use super::report::{Aim, Figure, Group, Setting};
use super::timing::Times;

/// Submissions per second over all nodes.
const RATE: u32 = 40;
/// Threads that wait for receipts: more than submissions are ever under way at this rate.
const CLIENTS: usize = 160;
/// What one receipt may take before it counts as lost.
const WAIT_MS: u64 = 30_000;

/// Measures; `interval_ms` is the time between blocks that was measured before.
pub fn measure(cx: &Context<'_>, interval_ms: f64) -> Result<Group> {
    let seconds: u32 = cx.either(10, 60);
    super::note(&format!("time to receipt: {RATE} submissions per second for {seconds} s"));
    let total = u64::from(RATE) * u64::from(seconds);
    let next = AtomicU64::new(0);
    let cpu = Cpu::start(cx);
    let started = Instant::now() + Duration::from_millis(200);
    let client = || -> Result<Vec<(Duration, Duration)>> {
        let mut nodes = Vec::new();
        let mut times = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return Ok(times);
            }
            cx.check()?;
            let due = started + Duration::from_secs(1) / RATE * u32::try_from(number).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if nodes.is_empty() {
                nodes = cx.network.api()?;
            }
            let count = nodes.len().max(1);
            let node = nodes.get_mut(number as usize % count).context("the network has no nodes")?;
            times.push(one(node, number, due)?);
        }
    };
    let all: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load generator failed"))))
            .collect()
    });
    let all: Vec<(Duration, Duration)> = all.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let promised = Times::new(all.iter().map(|(promised, _)| *promised).collect());
    let received = Times::new(all.iter().map(|(_, received)| *received).collect());

    let mut group = super::co_located("time to receipt");
    let setting = |durability| Setting {
        record_bytes: Some(leaf(0).len() as u64),
        batch: Some(1),
        durability: Some(durability),
        clients: Some(format!("open loop, {RATE} /s over 4 nodes")),
        sample: Some(format!("{} receipts", received.len())),
    };
    const INTERVAL: &str = "the block interval";
    let mut add = |what: &str, durability, ms: f64, aim: Option<Aim>| {
        let figure = Figure::new(what, ms, "ms", setting(durability)).against(interval_ms, INTERVAL);
        group.add(Figure { aim, ..figure });
    };
    let (durable, final_) = ("promised: durable at one node", "final: in a block, receipt in hand");
    add("promise p50", durable, promised.percentile_ms(50.0), None);
    add("promise p99", durable, promised.percentile_ms(99.0), None);
    add("receipt p50", final_, received.percentile_ms(50.0), Some(Aim::AtMost(2.0 * interval_ms)));
    add("receipt p99", final_, received.percentile_ms(99.0), None);
    add("receipt max", final_, received.percentile_ms(100.0), None);
    group.notes.push(cpu.sentence(cx, "open loop"));
    Ok(group)
}

fn leaf(number: u64) -> Vec<u8> {
    let digest = DocumentDigest::of(&number.to_be_bytes());
    NotaryLeaf::Document { digest, metadata: None }.to_bytes()
}

/// Time to the promise, and to the receipt, both since `due`.
fn one(node: &mut Connection, number: u64, due: Instant) -> Result<(Duration, Duration)> {
    let body = format!("{{\"leaves\":[\"{}\"]}}", hex::encode(leaf(number)));
    let path = "/v1/notary/leaves";
    let answer = node.ask(path, Some(body.as_bytes()))?.ok(path)?.json()?;
    let promised = due.elapsed();
    let promise = &answer["promises"][0];
    let index = index_of(promise).with_context(|| format!("a promise has no index: {promise}"))?;
    let path = format!("/v1/notary/receipts/{index}?wait_ms={WAIT_MS}");
    let answer = node.ask(&path, None)?;
    if answer.status != 200 {
        bail!("no receipt for leaf {index} within {WAIT_MS} ms: {} {}", answer.status, answer.text());
    }
    Ok((promised, due.elapsed()))
}

/// The index in a signed promise, a number or a decimal text.
fn index_of(promise: &serde_json::Value) -> Option<u64> {
    let index = promise.get("promise").and_then(|inner| inner.get("index")).or_else(|| promise.get("index"))?;
    index.as_u64().or_else(|| index.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_found_in_either_spelling() {
        assert_eq!(index_of(&serde_json::json!({"promise": {"index": "7"}})), Some(7));
        assert_eq!(index_of(&serde_json::json!({"index": 8})), Some(8));
        assert_eq!(index_of(&serde_json::json!({"index": -1})), None);
    }
}
