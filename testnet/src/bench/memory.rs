//! Memory and processor time of the nodes, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

use super::network::Network;
use super::report::{Aim, Figure, Group, Setting};

/// What an idle node may take, MiB.
const AIM_MIB: f64 = 80.0;
/// Ticks of the processor times in `/proc`: `USER_HZ`, which Linux fixes at 100 for programs whatever the kernel's own.
const TICKS_PER_S: f64 = 100.0;

/// Memory of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Everything resident: also pages of the program file and of mapped files, MiB.
    pub rss: f64,
    /// Resident memory that belongs to no file, MiB.
    pub anon: f64,
}

/// Memory of every node now.
pub fn read(network: &Network) -> Result<Vec<Memory>> {
    network.nodes.iter().map(|node| of(node.pid)).collect()
}

/// Memory of one process now.
pub fn of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the process ended?"))?;
    parse(&text).with_context(|| format!("{path} has no VmRSS or RssAnon"))
}

/// Both readings as figures.
pub fn group(idle: &[Memory], loaded: &[Memory]) -> Group {
    let mut group = super::co_located("memory of a node");
    let largest = |all: &[Memory], of: fn(&Memory) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let setting = |when: &str| Setting { sample: Some(format!("largest of four nodes, {when}")), ..Setting::default() };
    let (rss, anon) = (largest(idle, |m| m.rss), largest(idle, |m| m.anon));
    let resting = "after the idle blocks, before any load";
    group.add(Figure::new("idle, VmRSS", rss, "MiB", setting(resting)).aim(Aim::AtMost(AIM_MIB)));
    group.add(Figure::new("idle, RssAnon", anon, "MiB", setting(resting)).against(rss, "its VmRSS"));
    let after = "right after the loads of this run";
    let loaded_rss = Figure::new("loaded, VmRSS", largest(loaded, |m| m.rss), "MiB", setting(after));
    group.add(loaded_rss.against(rss, "idle"));
    group.add(Figure::new("loaded, RssAnon", largest(loaded, |m| m.anon), "MiB", setting(after)).against(anon, "idle"));
    group
}

/// Processor time that a process has used, in and for itself, seconds; 0 when it has ended.
pub fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    ticks(&text).unwrap_or(0.0) / TICKS_PER_S
}

fn ticks(stat: &str) -> Option<f64> {
    // The name of the program is in parentheses and may hold anything; utime and stime are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn parse(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
    };
    Some(Memory { rss: field("VmRSS")?, anon: field("RssAnon")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_mib() {
        let text = "Name:\tpyralogd\nVmHWM:\t 9 kB\nVmRSS:\t   20480 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(parse(text), Some(Memory { rss: 20.0, anon: 1.0 }));
        assert_eq!(parse("Name:\tzombie\n"), None);
    }

    #[test]
    fn a_name_with_spaces_does_not_shift_the_times() {
        assert_eq!(ticks("7 (a) b c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0"), Some(300.0));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(cpu_seconds(0), 0.0);
    }

    #[test]
    fn the_largest_node_counts() {
        let memory = |rss, anon| Memory { rss, anon };
        let group = group(&[memory(50.0, 20.0), memory(60.0, 10.0)], &[memory(90.0, 80.0), memory(120.0, 40.0)]);
        let values: Vec<f64> = group.figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [60.0, 20.0, 120.0, 80.0]);
        assert_eq!(group.figures[2].ratio.as_ref().map(|ratio| ratio.value), Some(2.0));
    }
}
