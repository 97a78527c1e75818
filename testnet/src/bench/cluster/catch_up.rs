//! How fast a member that was away gets what was appended meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::Bench;
use super::members::{Members, SIZE, records_body, records_path};
use crate::bench::report::{Figure, Group, Setting};
use crate::bench::storage::store::Batch;

/// Partitions of the log.
const PARTITIONS: u32 = 4;
/// Bytes of a record.
const RECORD: usize = 1_024;
/// Records of an append.
const COUNT: usize = 1_000;
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(300);

/// Times of a catch-up since the start of the process was asked for.
struct Times {
    /// It says how it stands.
    answered: Duration,
    /// It shows all records, and that none is missing.
    complete: Duration,
}

/// Measures, on a cluster without a log.
pub fn measure(cx: &Bench<'_>, members: &mut Members) -> Result<Group> {
    members.create_log(cx, PARTITIONS as usize)?;
    let away = SIZE - 1;
    // Not the one that leads, so that nothing but the copies is waited for.
    members.make_leader(cx, 0)?;
    crate::bench::note("cluster: stopping a member");
    members.signal(away, Signal::TERM)?;
    let batch = Batch::new(RECORD, COUNT);
    let appends = cx.either(48_u64, 400);
    crate::bench::note(&format!("cluster: appending {} MB without it", appends * batch.bytes() / 1_000_000));
    let seconds = append(cx, members, &batch, appends)?;
    let wanted = members.view(0)?.records();
    crate::bench::note("cluster: starting it again");
    let times = catch_up(cx, members, away, wanted)?;
    members.network.look_again()?;
    members.wait_whole(cx)?;
    let megabytes = (appends * batch.bytes()) as f64 / 1e6;
    Ok(group(&times, megabytes, seconds, appends))
}

/// Appends through the leader, one batch at a time, and answers the seconds that took.
fn append(cx: &Bench<'_>, members: &Members, batch: &Batch, appends: u64) -> Result<f64> {
    let body = records_body(batch.records());
    let mut connection = members.connect(0)?;
    let started = Instant::now();
    for number in 0..appends {
        cx.check()?;
        let path = records_path((number % u64::from(PARTITIONS)) as u32);
        connection.ask(&path, Some(&body))?.ok(&path)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn catch_up(cx: &Bench<'_>, members: &Members, node: usize, wanted: u64) -> Result<Times> {
    let started = Instant::now();
    let mut launcher = members.network.restart(node)?;
    let mut answered = None;
    let complete = loop {
        // It has no address and no token before it runs.
        if let Ok(view) = members.view(node) {
            answered.get_or_insert_with(|| started.elapsed());
            let lacks = view.partitions.iter().any(|partition| partition.behind);
            if view.records() >= wanted && !lacks {
                break started.elapsed();
            }
            if started.elapsed() > PATIENCE {
                bail!("it does not get all {wanted} records: {}", view.summary());
            }
        }
        cx.check()?;
        if started.elapsed() > PATIENCE {
            bail!("it does not answer");
        }
        std::thread::sleep(POLL);
    };
    let status = launcher.wait()?;
    if !status.success() {
        bail!("the launcher did not start it ({status})");
    }
    Ok(Times { answered: answered.context("it never answered")?, complete })
}

fn group(times: &Times, megabytes: f64, append_seconds: f64, appends: u64) -> Group {
    let mut group = crate::bench::co_located("catch-up of a member that was away");
    let setting = || Setting {
        record_bytes: Some(RECORD as u64),
        batch: Some(COUNT as u64),
        durability: Some("on the disk of the member"),
        clients: Some(format!("{PARTITIONS} partitions, no load meanwhile")),
        sample: Some(format!("{megabytes:.0} MB in {appends} appends")),
    };
    let rate = |seconds: f64| if seconds > 0.0 { megabytes / seconds } else { 0.0 };
    const APPENDED: &str = "the appends, one client";
    let (complete, answered) = (times.complete.as_secs_f64(), times.answered.as_secs_f64());
    let mut add = |what: &str, value, unit, of: Option<(f64, &'static str)>| {
        let figure = Figure::new(what, value, unit, setting());
        group.add(of.map_or(figure.clone(), |(other, name)| figure.against(other, name)));
    };
    add("appended while it was away", rate(append_seconds), "MB/s", None);
    add(
        "from its first answer until it has everything",
        rate(complete - answered),
        "MB/s",
        Some((rate(append_seconds), APPENDED)),
    );
    add("from its start until it has everything", rate(complete), "MB/s", Some((rate(append_seconds), APPENDED)));
    add("from its start until it has everything", complete * 1e3, "ms", None);
    add("of that until its first answer", answered * 1e3, "ms", Some((complete * 1e3, "the whole")));
    group.notes.push("it was stopped with SIGTERM; it has everything when GET /v1/cluster of itself shows all records and none missing".into());
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_bytes_over_the_time() {
        let times = Times { answered: Duration::from_secs(1), complete: Duration::from_secs(5) };
        let group = group(&times, 400.0, 8.0, 400);
        let values: Vec<f64> = group.figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [50.0, 100.0, 80.0, 5_000.0, 1_000.0]);
        assert_eq!(group.figures[1].ratio.as_ref().unwrap().value, 2.0);
    }
}
