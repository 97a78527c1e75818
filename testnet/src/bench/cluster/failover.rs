//! How long nothing can be written when the member that leads everything is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Bench;
use super::kill::{Killed, kill};
use super::members::{Members, SIZE};
use crate::bench::report::{Aim, Figure, Group, Setting};
use crate::bench::timing::{Times, millis};

/// What the last of the many partitions may take behind the detection, milliseconds.
const AIM_MS: f64 = 100.0;
const DETECTED: &str = "detection, p50";

/// Kills each member in turn, of a cluster whose log has so many partitions. Where that fails, the kills before are in the report.
pub fn measure(cx: &Bench<'_>, members: &mut Members, partitions: usize, groups: &mut Vec<Group>) -> Result<()> {
    let kills = cx.either(SIZE, 4 * SIZE);
    let mut all = Vec::new();
    let mut done = Ok(());
    for number in 0..kills {
        crate::bench::note(&format!("cluster: kill {} of {kills}, {partitions} partitions", number + 1));
        done = one(cx, members, number % SIZE, partitions, &mut all);
        if done.is_err() {
            break;
        }
    }
    if !all.is_empty() {
        groups.push(group(&all, partitions));
    }
    done
}

fn one(cx: &Bench<'_>, members: &mut Members, victim: usize, partitions: usize, all: &mut Vec<Killed>) -> Result<()> {
    members.make_leader(cx, victim).context("before a kill")?;
    all.push(kill(cx, members, victim, partitions)?);
    members.restart(cx, victim).context("after a kill")
}

fn group(all: &[Killed], partitions: usize) -> Group {
    let mut group = crate::bench::co_located(format!("failover, {partitions} partitions"));
    let per_kill = |of: fn(&Killed) -> Duration| Times::new(all.iter().map(of).collect());
    let last = |killed: &Killed| killed.writes.iter().max().copied().unwrap_or_default();
    let (detected, led) = (per_kill(|killed| killed.detected), per_kill(|killed| killed.led));
    let behind = Times::new(all.iter().map(|killed| last(killed).saturating_sub(killed.detected)).collect());
    let leading = per_kill(|killed| killed.led.saturating_sub(killed.detected));
    let writes = Times::new(all.iter().flat_map(|killed| &killed.writes).copied().collect());
    let setting = |sample: String| Setting {
        record_bytes: Some(100),
        batch: Some(1),
        durability: Some("on 2 of 3 disks"),
        clients: Some(format!("{partitions}, one for each partition, half of them at each survivor")),
        sample: Some(sample),
    };
    let kills = || setting(format!("{} kills", all.len()));
    let base = detected.percentile_ms(50.0);
    let each = || setting(format!("{} kills, {} first writes", all.len(), writes.len()));
    for (name, times, setting) in [
        ("detection", &detected, kills()),
        ("all partitions led by others", &led, kills()),
        ("first acknowledged write of a partition", &writes, each()),
    ] {
        for (percent, share) in [("p50", 50.0), ("p99", 99.0), ("max", 100.0)] {
            let figure = Figure::new(format!("{name}, {percent}"), times.percentile_ms(share), "ms", setting.clone());
            group.add(if name == "detection" && percent == "p50" { figure } else { figure.against(base, DETECTED) });
        }
    }
    for (name, times) in [("others lead everything", &leading), ("last partition's first write", &behind)] {
        for (percent, share) in [("p50", 50.0), ("max", 100.0)] {
            let figure =
                Figure::new(format!("{name}, behind detection, {percent}"), times.percentile_ms(share), "ms", kills());
            let aimed = partitions == super::MANY && name.starts_with("last");
            group.add(if aimed { figure.aim(Aim::AtMost(AIM_MS)) } else { figure });
        }
    }
    group.notes = notes(all);
    group
}

fn notes(all: &[Killed]) -> Vec<String> {
    let mut refusals = BTreeMap::<&str, u64>::new();
    for (code, count) in all.iter().flat_map(|killed| &killed.refusals) {
        *refusals.entry(code).or_default() += count;
    }
    let refusals: Vec<String> = refusals.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let refusals = if refusals.is_empty() { "none".to_owned() } else { refusals.join(", ") };
    let resolution = all.iter().map(|killed| killed.resolution).max().unwrap_or_default();
    vec![
        "the member that leads the groups and every partition gets SIGKILL, each of the three in turn, and is started again before the next: the \
         system closes its connections, which is how it is noticed. A member whose machine is gone is noticed after 2 s of silence"
            .into(),
        format!(
            "detection and leaders as GET /v1/cluster of one survivor shows them, asked again and again (longest time between two answers {:.0} ms). \
             At the kill every client sends a write, all at once; those that were on their way then do not count. Refusals until the first \
             acknowledged write: {refusals}",
            millis(resolution),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_is_judged_by_the_detection_of_its_own_kill() {
        let killed = |detected, led, last| Killed {
            detected: Duration::from_millis(detected),
            led: Duration::from_millis(led),
            writes: vec![Duration::from_millis(last - 5), Duration::from_millis(last)],
            refusals: BTreeMap::from([("unknown".to_owned(), 2)]),
            resolution: Duration::from_millis(9),
        };
        let group = group(&[killed(10, 20, 60), killed(100, 150, 190)], super::super::MANY);
        let value = |what: &str| group.figures.iter().find(|figure| figure.what == what).unwrap();
        assert_eq!(value("first acknowledged write of a partition, max").value, 190.0);
        let judged = value("last partition's first write, behind detection, max");
        assert!(judged.value == 90.0 && judged.aim.unwrap().met(judged));
        assert_eq!(value("others lead everything, behind detection, max").value, 50.0);
        assert!(group.notes[1].contains("unknown 4") && group.notes[1].contains("9 ms"), "{}", group.notes[1]);
    }
}
