//! SIGKILL of the member that leads everything, while one client of each partition writes through the others.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::Signal;

use super::Bench;
use super::members::{Members, SIZE, ask_view, records_body, records_path};
use crate::bench::http::Connection;

/// Writes per second before the kill, of all partitions together.
const RATE: f64 = 200.0;
/// How long is written before the kill, at least.
const BEFORE: Duration = Duration::from_secs(2);
/// A client whose write was refused writes again after this.
const AGAIN: Duration = Duration::from_millis(2);
/// Between two looks at the cluster.
const LOOK: Duration = Duration::from_millis(5);
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a client writes.
const VALUE: [u8; 100] = [7; 100];

/// What was seen after a kill. All times are since it.
#[derive(Debug, Clone)]
pub struct Killed {
    /// The member that is asked shows the killed one as not up.
    pub detected: Duration,
    /// It shows another leader of every partition.
    pub led: Duration,
    /// The first acknowledgement of a write that was sent after the kill, of each partition.
    pub writes: Vec<Duration>,
    /// What the clients were answered until then, and how often.
    pub refusals: BTreeMap<String, u64>,
    /// The longest time between two looks.
    pub resolution: Duration,
}

/// When the member was killed, and who waits for that.
#[derive(Default)]
struct Moment {
    killed: Mutex<Option<Instant>>,
    said: Condvar,
}

impl Moment {
    fn get(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing in the locked sections panics.
        self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self) {
        *self.get() = Some(Instant::now());
        self.said.notify_all();
    }

    /// The moment of the kill, for which it waits no longer than `time`.
    fn wait(&self, time: Duration) -> Option<Instant> {
        let waited = self.said.wait_timeout_while(self.get(), time, |killed| killed.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Kills the node, which must lead all partitions.
pub fn kill(cx: &Bench<'_>, members: &Members, victim: usize, partitions: usize) -> Result<Killed> {
    let member = members.view(victim)?.member;
    let others: Vec<usize> = (0..SIZE).filter(|node| *node != victim).collect();
    let watched = members.connect(*others.first().context("there is no other member")?)?;
    let connect = |partition: usize| members.connect(*others.get(partition % others.len()).context("no other member")?);
    let connections = (0..partitions).map(connect).collect::<Result<Vec<_>>>()?;
    let moment = Moment::default();
    let pace = Duration::from_secs_f64(partitions as f64 / RATE);
    let moment = &moment;
    std::thread::scope(|scope| {
        let write = |(partition, connection): (usize, Connection)| {
            let first = pace.mul_f64(partition as f64 / partitions as f64);
            scope.spawn(move || write(connection, partition as u32, moment, (first, pace)))
        };
        let writers: Vec<_> = connections.into_iter().enumerate().map(write).collect();
        let watcher = scope.spawn(move || watch(watched, member, partitions, moment));
        std::thread::sleep(BEFORE.max(pace * 2));
        // After the signal, so that no write counts that was sent before it.
        let killed = members.signal(victim, Signal::KILL);
        moment.say();
        let mut all = Killed {
            detected: Duration::ZERO,
            led: Duration::ZERO,
            writes: Vec::new(),
            refusals: BTreeMap::new(),
            resolution: Duration::ZERO,
        };
        for writer in writers {
            let (took, refusals) = writer.join().map_err(|_| anyhow!("a client failed"))??;
            all.writes.push(took);
            for (code, count) in refusals {
                *all.refusals.entry(code).or_default() += count;
            }
        }
        (all.detected, all.led, all.resolution) = watcher.join().map_err(|_| anyhow!("the watcher failed"))??;
        killed?;
        cx.check()?;
        Ok(all)
    })
}

/// Writes to a partition, one record at a time, until one is acknowledged that was sent after the kill.
fn write(
    mut connection: Connection,
    partition: u32,
    moment: &Moment,
    (first, pace): (Duration, Duration),
) -> Result<(Duration, BTreeMap<String, u64>)> {
    let (path, body) = (records_path(partition), records_body(&[VALUE]));
    let mut refusals = BTreeMap::new();
    let mut killed = moment.wait(first);
    let started = Instant::now();
    loop {
        let answer = connection.ask(&path, Some(&body)).with_context(|| format!("partition {partition}"))?;
        let code = match answer.status {
            200 => String::new(),
            503 => answer.json()?["error"]["code"].as_str().unwrap_or("without a code").to_owned(),
            status => bail!("{path} was answered with {status}: {}", answer.text()),
        };
        match killed {
            Some(killed) if code.is_empty() => return Ok((killed.elapsed(), refusals)),
            Some(_) => std::thread::sleep(AGAIN),
            None if code.is_empty() => {}
            None if moment.get().is_none() => bail!("{path} was refused before the kill: {}", answer.text()),
            None => {}
        }
        if !code.is_empty() {
            *refusals.entry(code).or_default() += 1;
        }
        // A write that was on its way at the kill does not count, nor does the time until the next one.
        if killed.is_none() {
            killed = moment.wait(pace);
        }
        if started.elapsed() > PATIENCE + pace * 2 {
            bail!("no write to partition {partition} was acknowledged; answers: {refusals:?}");
        }
    }
}

/// Looks at the cluster until others lead what the killed member led.
fn watch(
    mut connection: Connection,
    member: u64,
    partitions: usize,
    moment: &Moment,
) -> Result<(Duration, Duration, Duration)> {
    let (mut detected, mut resolution, mut last) = (None, Duration::ZERO, Instant::now());
    loop {
        let Some(killed) = moment.wait(LOOK) else {
            ask_view(&mut connection)?;
            last = Instant::now();
            continue;
        };
        let view = ask_view(&mut connection)?;
        let since = killed.elapsed();
        resolution = resolution.max(last.elapsed());
        last = Instant::now();
        if detected.is_none() && !view.is_up(member) {
            detected = Some(since);
        }
        let led = view.partitions.iter().filter(|other| other.leader.is_some_and(|leader| leader != member)).count();
        if let Some(detected) = detected.filter(|_| led == partitions) {
            return Ok((detected, since, resolution));
        }
        if since > PATIENCE {
            bail!("no others lead: {}", view.summary());
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_the_moment_is_told_at_once() {
        let moment = Moment::default();
        assert_eq!(moment.wait(Duration::from_millis(1)), None);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| moment.wait(PATIENCE));
            moment.say();
            assert!(waits.join().unwrap().is_some());
        });
        assert!(moment.wait(PATIENCE).is_some());
    }
}
