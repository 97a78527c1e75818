//! What an id costs, beside a `uuid` v7 and one `ftruncate` per id.
//!
//! Every id of ours lies below a ceiling that was synced before it left; the `ftruncate` is not synced, so it is the cheapest counter
//! that a file alone can be.

use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use pyralog_cluster_core::disk::RealDisk;
use pyralog_cluster_core::{NodeNumber, Obelisk, ObeliskOptions, ScarabOptions, Scarabs};

use super::report::{Aim, Figure, Group, Place, Setting};
use crate::localnet::interrupt::Interrupt;

/// What an id may take, nanoseconds.
const AIM_NS: f64 = 20.0;
/// Ids of one range.
const RANGE: u32 = 1_000;
/// Threads that draw at the same time.
const THREADS: [u32; 3] = [1, 2, 8];
const OBELISK: &str = "Obelisk";
const SCARAB: &str = "Scarab";
/// What has the aim: ids of ranges are cheaper.
const ONE_BY_ONE: [&str; 2] = [OBELISK, SCARAB];
const UUID: &str = "uuid v7";
const TRUNCATE: &str = "one ftruncate per id";
const DURABLE: &str = "below a ceiling that was synced before";
const FORGOTTEN: &str = "not durable";

/// How often is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    /// Calls of each thread, where several draw.
    calls: u32,
}

/// Measures.
pub fn measure(quick: bool, interrupt: &Interrupt) -> Result<Group> {
    let effort = if quick { Effort { rounds: 101, calls: 200_000 } } else { Effort { rounds: 301, calls: 2_000_000 } };
    let group = all(effort)?;
    if interrupt.count() > 0 {
        bail!("interrupted");
    }
    Ok(group)
}

fn all(effort: Effort) -> Result<Group> {
    let home = tempfile::tempdir().context("cannot make a directory below TMPDIR")?;
    let (counter, bound) = (home.path().join("obelisk"), home.path().join("scarab"));
    let options = ObeliskOptions::default();
    Obelisk::make(&counter, options.block_bits, &RealDisk)?;
    let obelisk = Obelisk::open(&counter, options)?;
    let node = NodeNumber::new(1).context("1 is a node number")?;
    Scarabs::make(&bound, node, &RealDisk)?;
    let scarabs = Scarabs::open(&bound, ScarabOptions::of(node))?;
    let mut group = Group::new("ids", Place::InProcess);
    alone(&mut group, effort, &obelisk, &scarabs, &File::create(home.path().join("truncated"))?)?;
    together(&mut group, effort, &obelisk, &scarabs)?;
    group.notes.push(format!(
        "Scarab ids are {} ms ahead of the clock after this: a loop draws more than the 8,192 of a millisecond",
        scarabs.drift_ms()
    ));
    Ok(group)
}

fn alone(group: &mut Group, effort: Effort, obelisk: &Obelisk, scarabs: &Scarabs, file: &File) -> Result<()> {
    let rounds = effort.rounds;
    let uuid = median_ns(rounds, 1_000, 1, || Ok(uuid::Uuid::now_v7()))?;
    let mut length = 0;
    let truncate = median_ns(rounds, 200, 1, || {
        length += 1;
        Ok(file.set_len(length)?)
    })?;
    let ours = [
        (OBELISK, median_ns(rounds, 20_000, 1, || Ok(obelisk.next()?))?),
        (
            "Obelisk, ranges of 1,000",
            median_ns(rounds, 50, RANGE, || {
                obelisk.range(RANGE)?.for_each(|id| _ = black_box(id));
                Ok(())
            })?,
        ),
        (SCARAB, median_ns(rounds, 20_000, 1, || Ok(scarabs.next()?))?),
        (
            "Scarab, ranges of 1,000",
            median_ns(rounds, 50, RANGE, || {
                scarabs.range(RANGE)?.for_each(|id| _ = black_box(id));
                Ok(())
            })?,
        ),
    ];
    let setting = |durability| Setting {
        durability: Some(durability),
        clients: Some("one thread".into()),
        sample: Some(format!("median of {rounds} rounds")),
        ..Setting::default()
    };
    for (name, ns) in [(UUID, uuid), (TRUNCATE, truncate)] {
        group.add(Figure::new(name, ns, "ns", setting(FORGOTTEN)));
    }
    for (name, ns) in ours {
        let figure = Figure::new(name, ns, "ns", setting(DURABLE)).against(uuid, UUID);
        group.add(if ONE_BY_ONE.contains(&name) { figure.aim(Aim::AtMost(AIM_NS)) } else { figure });
    }
    let per_s = |ns: f64| 1e9 / ns;
    for (name, ns) in ours {
        group.add(Figure::new(name, per_s(ns), "ids/s", setting(DURABLE)).against(per_s(truncate), TRUNCATE));
    }
    Ok(())
}

fn together(group: &mut Group, effort: Effort, obelisk: &Obelisk, scarabs: &Scarabs) -> Result<()> {
    for threads in THREADS {
        let uuid = per_s(threads, effort.calls, || {
            black_box(uuid::Uuid::now_v7());
            true
        })?;
        let setting = |durability| Setting {
            durability: Some(durability),
            clients: Some(if threads == 1 { "one thread".into() } else { format!("{threads} threads") }),
            sample: Some(format!("{} ids of each thread", effort.calls)),
            ..Setting::default()
        };
        let ours = [
            (OBELISK, per_s(threads, effort.calls, || obelisk.next().map(black_box).is_ok())?),
            (SCARAB, per_s(threads, effort.calls, || scarabs.next().map(black_box).is_ok())?),
        ];
        for (name, ids) in ours {
            let name = format!("{name}, {threads} at once");
            group.add(Figure::new(name, ids, "ids/s", setting(DURABLE)).against(uuid, UUID));
        }
    }
    Ok(())
}

/// Nanoseconds of one id, where a call draws `ids`. The median of short rounds: most are not interrupted by other programs, and the
/// waits for the disk are in all of them alike.
fn median_ns<T>(rounds: usize, calls: u32, ids: u32, mut call: impl FnMut() -> Result<T>) -> Result<f64> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        for _ in 0..calls {
            black_box(call()?);
        }
        times.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(calls) / f64::from(ids));
    }
    times.sort_by(f64::total_cmp);
    times.get(rounds / 2).copied().context("no round was measured")
}

/// Ids per second of so many threads; `call` says whether it got one.
fn per_s(threads: u32, calls: u32, call: impl Fn() -> bool + Sync) -> Result<f64> {
    let started = Instant::now();
    let sound = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| (0..calls).all(|_| call()))).collect();
        all.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    if !sound {
        bail!("a generator of ids failed");
    }
    Ok(f64::from(threads) * f64::from(calls) / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generator_is_measured_and_ours_have_the_aim() {
        let group = all(Effort { rounds: 3, calls: 10 }).unwrap();
        assert!(group.figures.iter().all(|figure| figure.value > 0.0 && figure.value.is_finite()));
        let aimed: Vec<&str> = group.figures.iter().filter(|f| f.aim.is_some()).map(|f| f.what.as_str()).collect();
        assert_eq!(aimed, ONE_BY_ONE);
        assert_eq!(group.figures.len(), 2 + 4 * aimed.len() + 2 * THREADS.len());
    }

    #[test]
    fn a_generator_that_fails_is_no_figure() {
        assert!(per_s(2, 3, || false).is_err());
        assert!(median_ns(3, 2, 1, || -> Result<()> { bail!("full") }).is_err());
    }
}
