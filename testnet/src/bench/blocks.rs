//! Blocks of a network that has nothing to do.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tendermint::Time;

use super::context::{Context, Progress};
use super::load::Cpu;
use super::report::{Figure, Group, Setting};
use super::timing::Times;

/// Target time between blocks of the networks that are measured, milliseconds.
const TARGET_MS: f64 = 500.0;

/// What was found.
pub struct Blocks {
    /// Figures.
    pub group: Group,
    /// Mean time between blocks, milliseconds.
    pub interval_ms: f64,
}

/// Measures.
pub fn measure(cx: &Context<'_>) -> Result<Blocks> {
    let wanted = cx.either(16, 60);
    super::note(&format!("{wanted} idle blocks"));
    let mut api = cx.network.api()?;
    let node = api.first_mut().context("the network has no nodes")?;
    let cpu = Cpu::start(cx);
    let first = Progress::of(node)?.height.max(1);
    let last = cx.wait("the chain does not grow", || {
        // Seldom: the network is to be idle.
        std::thread::sleep(Duration::from_millis(200));
        Ok(Some(Progress::of(node)?.height).filter(|height| *height >= first + wanted))
    })?;
    let (nodes, _) = cpu.spent(cx);
    let mut times = Vec::new();
    let mut rounds = 0;
    for height in first..=last {
        let block = node.get(&format!("/v1/blocks/{height}"))?;
        times.push(time(&block)?);
        rounds += usize::from(block["round"].as_u64().is_some_and(|round| round > 0));
    }
    let between = times.windows(2).filter_map(|pair| pair[1].duration_since(pair[0]).ok()).collect();
    let between = Times::new(between);
    let interval = between.mean_ms();
    let setting =
        || Setting { sample: Some(format!("{} intervals of header times", between.len())), ..Setting::default() };
    let mut group = super::co_located("blocks of an idle network, 4 validators");
    const TARGET: &str = "the target of 500 ms";
    group.add(
        Figure::new("blocks", 1e3 / interval.max(1e-9), "/s", setting()).against(1e3 / TARGET_MS, "the target of 2 /s"),
    );
    let at = |share| between.percentile_ms(share);
    group.add(Figure::new("interval p50", at(50.0), "ms", setting()).against(TARGET_MS, TARGET));
    group.add(Figure::new("interval p99", at(99.0), "ms", setting()).against(TARGET_MS, TARGET));
    let per_block = nodes / 4.0 / (last - first).max(1) as f64 * 1e3;
    group.add(
        Figure::new("processor time of a node per block", per_block, "ms", setting()).against(interval, "the interval"),
    );
    if rounds > 0 {
        group.notes.push(format!("{rounds} blocks needed more than one round"));
    }
    Ok(Blocks { group, interval_ms: interval })
}

/// The header time of a block of the native API.
pub fn time(block: &Value) -> Result<Time> {
    let text = block["time"].as_str().context("a block has no time")?;
    Time::parse_from_rfc3339(text).with_context(|| format!("{text} is no time"))
}
