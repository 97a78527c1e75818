//! Appends that wait together: what one sync makes durable when many clients ask at the same time.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use pyralog_cluster_core::{Completion, Event, Partition, completion};
use pyralog_crypto::Record;

use super::Bench;
use super::pyralog::{PYRALOG, Pyralog, records};
use super::raw::Raw;
use super::store::{Batch, Store};
use crate::bench::report::{Figure, Group, Place, Setting};
use crate::bench::timing::Times;

/// Bytes of a record.
const RECORD: usize = 1_024;

/// Who appends.
#[derive(Debug, Clone, Copy)]
pub struct Clients {
    /// Threads.
    pub threads: usize,
    /// Appends of each that wait at a time.
    pub flight: usize,
    /// Records of an append.
    pub batch: usize,
}

const CLIENTS: [Clients; 5] = [
    Clients { threads: 1, flight: 1, batch: 1 },
    Clients { threads: 16, flight: 1, batch: 1 },
    Clients { threads: 1, flight: 256, batch: 1 },
    Clients { threads: 4, flight: 256, batch: 1 },
    Clients { threads: 2, flight: 8, batch: 1_000 },
];

impl Clients {
    /// As a setting.
    pub fn text(self) -> String {
        let threads = if self.threads == 1 { "one thread".into() } else { format!("{} threads", self.threads) };
        format!("{threads}, {} in flight on each", self.flight)
    }
}

/// Measures.
pub fn measure(cx: &Bench<'_>) -> Result<Group> {
    crate::bench::note("storage: many appends in flight");
    let time = Duration::from_millis(cx.either(200, 3_000));
    let home = cx.home()?;
    let raw = one_by_one(&mut Raw::padded(home.path())?, time)?;
    let store = Pyralog::open(&home.path().join("pyralog"))?;
    let mut group = Group::new(format!("durable appends in flight, {RECORD} B"), Place::InProcess);
    for clients in CLIENTS {
        cx.check()?;
        let (seconds, times) = run(store.partition()?, clients, time)?;
        let rate = (times.len() * clients.batch) as f64 / seconds;
        let setting = Setting {
            record_bytes: Some(RECORD as u64),
            batch: Some(clients.batch as u64),
            durability: Some(store.durability()),
            clients: Some(clients.text()),
            sample: Some(format!("{} appends", times.len())),
        };
        let what = format!("{PYRALOG}, {} appends of {} waiting", clients.threads * clients.flight, clients.batch);
        group.add(Figure::new(what, rate, "records/s", setting).timed(&times).against(raw, ONE_BY_ONE));
    }
    Ok(group)
}

const ONE_BY_ONE: &str = "raw pre-written file, one by one";

/// Records per second of the raw file.
fn one_by_one(raw: &mut Raw, time: Duration) -> Result<f64> {
    let batch = Batch::new(RECORD, 1);
    let (started, mut records) = (Instant::now(), 0_u32);
    while started.elapsed() < time {
        raw.append(&batch)?;
        records += 1;
    }
    Ok(f64::from(records) / started.elapsed().as_secs_f64())
}

fn run(partition: &Partition, clients: Clients, time: Duration) -> Result<(f64, Times)> {
    let all: Vec<Record> = records(Batch::new(RECORD, clients.batch).records())?;
    drive(clients, time, |_, _, done| {
        partition.append_then(&all, done)?;
        Ok(())
    })
}

/// Lets every thread keep its appends waiting for `time`. Answers the seconds until the last was durable, and what each took. `append` gets the
/// number of the thread and of the append on it.
pub fn drive(
    clients: Clients,
    time: Duration,
    append: impl Fn(usize, u64, Completion) -> Result<()> + Sync,
) -> Result<(f64, Times)> {
    let started = Instant::now();
    let one = |thread: usize| -> Result<Vec<Duration>> {
        let mut waiting = VecDeque::<(Instant, Receiver<Event>)>::new();
        let mut waits = Vec::new();
        let mut number = 0;
        loop {
            if started.elapsed() < time && waiting.len() < clients.flight {
                let (done, event) = completion();
                let asked = Instant::now();
                append(thread, number, done)?;
                waiting.push_back((asked, event));
                number += 1;
                continue;
            }
            let Some((asked, event)) = waiting.pop_front() else { return Ok(waits) };
            event.recv().context("an append was not answered")?.durable()?;
            waits.push(asked.elapsed());
        }
    };
    let all: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..clients.threads).map(|thread| scope.spawn(move || one(thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the benchmark failed"))))
            .collect()
    });
    let waits = all.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    Ok((started.elapsed().as_secs_f64(), Times::new(waits)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use pyralog_cluster_core::{Error, Ticket};

    use super::*;

    #[test]
    fn appends_are_kept_waiting_and_all_are_answered() {
        let clients = Clients { threads: 1, flight: 3, batch: 1 };
        let (send, receive) = mpsc::channel::<Completion>();
        let durable = || Event::Durable { ticket: Ticket(1), first_index: 0, size: 1 };
        let answering = std::thread::spawn(move || {
            // Nothing is answered until as many wait as should.
            let first: Vec<_> = (0..3).map(|_| receive.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
            first.into_iter().chain(receive).map(|done| done(durable())).count()
        });
        let (seconds, times) = drive(clients, Duration::from_millis(300), |thread, _, done| {
            assert_eq!(thread, 0);
            send.send(done).map_err(|_| anyhow!("nobody answers"))
        })
        .unwrap();
        drop(send);
        assert_eq!(answering.join().unwrap(), times.len());
        assert!(seconds >= 0.3 && times.len() >= 3);
        assert_eq!(clients.text(), "one thread, 3 in flight on each");
    }

    #[test]
    fn an_append_that_fails_is_a_failure() {
        let clients = Clients { threads: 1, flight: 1, batch: 1 };
        let fatal = |done: Completion| done(Event::Fatal { ticket: None, reason: Error::Closed });
        let failed = drive(clients, Duration::from_secs(60), |_, _, done| {
            fatal(done);
            Ok(())
        });
        assert!(failed.is_err());
    }
}
