//! Blocks of a network with and without tunnels.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::context::Progress;
use super::super::memory::cpu_seconds;
use super::super::network::Network;
use super::super::report::{Aim, Figure, Group, Setting};
use crate::localnet::interrupt::Interrupt;
use crate::localnet::state::TunnelMode;

const VALIDATORS: u16 = 4;
/// As fast as the launcher lets blocks come.
const INTERVAL_MS: u64 = 50;
/// Blocks per second within this share of those without tunnels are aimed at.
const AIM: f64 = 0.9;

/// What a network does.
struct Pace {
    blocks_per_s: f64,
    cpu_s_per_s: f64,
}

/// Measures.
pub fn measure(quick: bool, interrupt: &Interrupt) -> Result<Group> {
    let time = Duration::from_secs(if quick { 5 } else { 20 });
    let without = pace(TunnelMode::Off, time, interrupt)?;
    let with = pace(TunnelMode::Userspace, time, interrupt)?;
    let again = pace(TunnelMode::Off, time, interrupt)?;
    let without = if again.blocks_per_s > without.blocks_per_s { again } else { without };
    let setting = || Setting { sample: Some(format!("{} s", time.as_secs())), ..Setting::default() };
    let mut group =
        super::super::co_located(format!("blocks of an idle network, 4 validators, interval {INTERVAL_MS} ms"));
    group.add(Figure::new("without tunnels: blocks", without.blocks_per_s, "/s", setting()));
    group.add(
        Figure::new("in tunnels: blocks", with.blocks_per_s, "/s", setting())
            .against(without.blocks_per_s, "without tunnels")
            .aim(Aim::RatioAtLeast(AIM)),
    );
    let per_block = |pace: &Pace| pace.cpu_s_per_s / f64::from(VALIDATORS) / pace.blocks_per_s.max(1e-9) * 1e3;
    group.add(Figure::new("without tunnels: processor time of a node per block", per_block(&without), "ms", setting()));
    group.add(
        Figure::new("in tunnels: processor time of a node per block", per_block(&with), "ms", setting())
            .against(per_block(&without), "without tunnels"),
    );
    group.notes.push("without tunnels is the better of two runs, before and after".to_owned());
    Ok(group)
}

fn pace(tunnel: TunnelMode, time: Duration, interrupt: &Interrupt) -> Result<Pace> {
    let network = Network::start_with(
        VALIDATORS,
        1,
        &["--tunnel", tunnel.word(), "--block-interval-ms", &INTERVAL_MS.to_string()],
    )?;
    let measured = (|| {
        let mut api = network.api()?;
        let node = api.first_mut().context("the network has no nodes")?;
        let began = Instant::now();
        // The first ones find the peers.
        while Progress::of(node)?.height < 40 {
            if interrupt.count() > 0 || began.elapsed() > Duration::from_secs(60) {
                bail!("the chain does not grow");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let cpu = || network.nodes.iter().map(|node| cpu_seconds(node.pid)).sum::<f64>();
        let (first, began, spent) = (Progress::of(node)?.height, Instant::now(), cpu());
        std::thread::sleep(time);
        let (last, seconds) = (Progress::of(node)?.height, began.elapsed().as_secs_f64());
        Ok(Pace { blocks_per_s: (last - first) as f64 / seconds, cpu_s_per_s: (cpu() - spent) / seconds })
    })();
    if measured.is_err() {
        network.show_logs();
    }
    network.stop()?;
    measured
}
