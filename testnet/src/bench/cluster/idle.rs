//! What members take that have nothing to do.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use super::members::{Members, SIZE};
use crate::bench::memory::{self, Memory, cpu_seconds};
use crate::bench::report::{Aim, Figure, Group, Setting};

/// What an idle member may take of one core, percent.
const AIM: f64 = 5.0;
/// How long the members are left alone before.
const REST: Duration = Duration::from_secs(5);

/// One member over a time without load.
#[derive(Debug, Clone)]
pub struct Idle {
    name: String,
    /// Of one core, percent.
    cpu: f64,
    memory: Memory,
    seconds: f64,
}

/// Looks at every member.
pub fn look(cx: &Bench<'_>, members: &Members, what: &str) -> Result<Vec<Idle>> {
    let time = Duration::from_secs(cx.either(8, 20));
    crate::bench::note(&format!("cluster: idle for {} s, {what}", time.as_secs()));
    sleep(cx, REST)?;
    let nodes = &members.network.nodes;
    let before: Vec<f64> = nodes.iter().map(|node| cpu_seconds(node.pid)).collect();
    let started = Instant::now();
    sleep(cx, time)?;
    let seconds = started.elapsed().as_secs_f64();
    let one = |(node, before): (&crate::bench::network::Node, f64)| {
        let cpu = 100.0 * (cpu_seconds(node.pid) - before) / seconds;
        Ok(Idle { name: node.name.clone(), cpu, memory: memory::of(node.pid)?, seconds })
    };
    nodes.iter().zip(before).map(one).collect()
}

/// Both looks as figures.
pub fn group(without: &[Idle], with: &[Idle], partitions: usize) -> Group {
    let mut group = crate::bench::co_located(format!("idle members, {partitions} partitions"));
    const WITHOUT: &str = "without a log";
    for (without, with) in without.iter().zip(with) {
        let setting = Setting { sample: Some(format!("{:.0} s without load", with.seconds)), ..Setting::default() };
        let figure = Figure::new(format!("{}, of one core", with.name), with.cpu, "%", setting.clone());
        group.add(figure.against(without.cpu, WITHOUT).aim(Aim::AtMost(AIM)));
        let figure = Figure::new(format!("{}, VmRSS", with.name), with.memory.rss, "MiB", setting);
        group.add(figure.against(without.memory.rss, WITHOUT));
    }
    group.notes.push(format!(
        "{SIZE} members of which the first is a validator that makes a block every 500 ms and the others follow it; processor time counts in \
         ticks of 10 ms"
    ));
    group
}

fn sleep(cx: &Bench<'_>, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        cx.check()?;
        std::thread::sleep(Duration::from_millis(100).min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_judged_and_compared_with_itself() {
        let idle =
            |name: &str, cpu, rss| Idle { name: name.into(), cpu, memory: Memory { rss, anon: 1.0 }, seconds: 20.0 };
        let group =
            group(&[idle("a", 2.0, 30.0), idle("b", 1.0, 20.0)], &[idle("a", 6.0, 60.0), idle("b", 4.0, 20.0)], 500);
        let ratios: Vec<f64> = group.figures.iter().map(|figure| figure.ratio.as_ref().unwrap().value).collect();
        assert_eq!(ratios, [3.0, 2.0, 4.0, 1.0]);
        let met: Vec<bool> = group.figures.iter().filter_map(|figure| Some(figure.aim?.met(figure))).collect();
        assert_eq!(met, [false, true]);
    }
}
