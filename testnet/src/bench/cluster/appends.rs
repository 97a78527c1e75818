//! Durable appends to three members: ours beside etcd and NATS JetStream.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::contest::{self, Done, Plan};
use super::etcd::{ETCD, Etcd};
use super::members::Members;
use super::nats::{self, NATS, Nats};
use super::pyralog::{PYRALOG, Pyralog};
use super::system::System;
use crate::bench::report::{Aim, Figure, Group, Setting};
use crate::bench::storage::etcd as etcd_program;
use crate::bench::storage::store::Batch;

/// Bytes of a record.
const RECORDS: [usize; 2] = [100, 1_024];
/// Records of a batch.
const BATCHES: [usize; 3] = [1, 100, 1_000];
/// Clients at once.
const CLIENTS: [usize; 2] = [1, 16];
/// How many times the rate of the best peer that is as durable a batched append is to reach.
const AIM: f64 = 5.0;
const RAW: &str = "raw 100 B appends + fdatasync";

/// Measures, on a cluster without a log.
pub fn measure(cx: &Bench<'_>, members: &mut Members, groups: &mut Vec<Group>) -> Result<()> {
    members.create_log(cx, 1)?;
    let home = cx.home()?;
    let (mut systems, missing) = start(home.path(), members)?;
    let (turn, rounds) = cx.either((Duration::from_millis(300), 2), (Duration::from_secs(1), 5));
    let mut notes = notes(Plan { turn, rounds, clients: 0 }, missing);
    for bytes in RECORDS {
        for count in BATCHES {
            for clients in CLIENTS {
                crate::bench::note(&format!("cluster: appends of {count} x {bytes} bytes, {clients} clients"));
                let (batch, plan) = (Batch::new(bytes, count), Plan { turn, rounds, clients });
                let done = contest::run(cx, &mut systems, &batch, plan, home.path())?;
                let rows = systems.iter().zip(done).map(|(system, done)| Row::of(system.as_ref(), done));
                let mut group = group(&rows.collect::<Vec<_>>(), &batch, plan, cx.baseline.syncs_per_s);
                group.notes = std::mem::take(&mut notes);
                groups.push(group);
            }
        }
    }
    Ok(())
}

/// What one system did.
struct Row {
    name: &'static str,
    durability: &'static str,
    protocol: &'static str,
    done: Done,
}

impl Row {
    fn of(system: &dyn System, done: Done) -> Self {
        Self { name: system.name(), durability: system.durability(), protocol: system.protocol(), done }
    }
}

/// What takes part, and what is not installed.
type Started<'a> = (Vec<Box<dyn System + 'a>>, Vec<String>);

fn start<'a>(dir: &Path, members: &'a Members) -> Result<Started<'a>> {
    let mut systems: Vec<Box<dyn System>> = vec![Box::new(Pyralog(members))];
    let mut missing = Vec::new();
    match Etcd::start(dir)? {
        Some(etcd) => systems.push(Box::new(etcd)),
        None => missing.push(format!("left out: etcd is not installed ({})", etcd_program::INSTALL)),
    }
    match Nats::start(dir)? {
        Some(nats) => systems.push(Box::new(nats)),
        None => missing.push(format!("left out: NATS is not installed ({})", nats::INSTALL)),
    }
    Ok((systems, missing))
}

fn group(rows: &[Row], batch: &Batch, plan: Plan, raw: f64) -> Group {
    let (bytes, count) = (batch.record_bytes(), batch.records().len());
    let name = format!("appends to three members, {bytes} B, batch {count}, {} clients", plan.clients);
    let mut group = crate::bench::co_located(name);
    let setting = |row: &Row| Setting {
        record_bytes: Some(bytes as u64),
        batch: Some(count as u64),
        durability: Some(row.durability),
        clients: Some(format!("{}, one batch at a time each; {}", plan.clients, row.protocol)),
        sample: Some(match row.done.refused {
            0 => format!("{} batches", row.done.waits.len()),
            refused => format!("{} batches, and {refused} that were not acknowledged", row.done.waits.len()),
        }),
    };
    let rate = |row: &Row| row.done.records_per_s(count);
    let named = |name: &str| rows.iter().find(|row| row.name == name);
    for row in rows {
        let figure = Figure::new(row.name, rate(row), "records/s", setting(row)).against(raw, RAW);
        // One that acknowledged nothing has no times.
        group.add(if row.done.waits.is_empty() { figure } else { figure.timed(&row.done.times()) });
    }
    let Some(ours) = named(PYRALOG) else { return group };
    for peer in [ETCD, NATS].into_iter().filter_map(named) {
        let what = format!("{PYRALOG}, beside {}", peer.name);
        let figure = Figure::new(what, rate(ours), "records/s", setting(ours)).against(rate(peer), peer.name);
        // Only etcd acknowledges what is as durable.
        group.add(if peer.name == ETCD && count > 1 { figure.aim(Aim::RatioAtLeast(AIM)) } else { figure });
        let p99 = |row: &Row| row.done.times().percentile_ms(99.0);
        if ours.done.waits.is_empty() {
            continue;
        }
        let what = format!("{PYRALOG}, p99 beside {}", peer.name);
        group.add(Figure::new(what, p99(ours), "ms", setting(ours)).against(p99(peer), peer.name));
    }
    group
}

fn notes(plan: Plan, missing: Vec<String>) -> Vec<String> {
    let mut notes = missing;
    notes.push(format!(
        "the systems take {} turns of {} ms each, in an order that is drawn; meanwhile the others are idle, but run: they take the \
         little processor time that their heartbeats need, ours also makes a block every 500 ms",
        plan.rounds,
        plan.turn.as_millis(),
    ));
    notes.push(
        "NATS acknowledges when two of three servers have written a record to a file, before it is synced (2.9 has no sync_always): a loss \
         of power can take what it acknowledged. It is no peer at the same durability, and has no part in the aim"
            .into(),
    );
    notes.push("all nine servers and the clients share this machine's processors and its one disk".into());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, appends: usize) -> Row {
        let done = Done { waits: vec![Duration::from_millis(1); appends], refused: 0, seconds: 1.0 };
        Row { name, durability: "synced", protocol: "p", done }
    }

    #[test]
    fn batches_are_aimed_at_the_peer_that_is_as_durable() {
        let plan = Plan { turn: Duration::from_millis(5), rounds: 2, clients: 16 };
        let rows = [row(PYRALOG, 60), row(ETCD, 10), row(NATS, 20)];
        let batched = group(&rows, &Batch::new(100, 100), plan, 50.0);
        let aimed: Vec<_> = batched.figures.iter().filter(|figure| figure.aim.is_some()).collect();
        assert_eq!(aimed.len(), 1);
        assert!(aimed[0].aim.unwrap().met(aimed[0]) && aimed[0].ratio.as_ref().unwrap().value == 6.0);
        assert_eq!(batched.figures[0].value, 6_000.0);
        let none = group(&[row(PYRALOG, 0), row(ETCD, 10)], &Batch::new(100, 100), plan, 50.0);
        assert!(none.figures[0].took.is_none() && none.figures.iter().all(|figure| !figure.what.contains("p99")));
        let single = group(&rows[..2], &Batch::new(100, 1), plan, 50.0);
        assert!(single.figures.iter().all(|figure| figure.aim.is_none()) && single.figures.len() == 4);
    }
}
