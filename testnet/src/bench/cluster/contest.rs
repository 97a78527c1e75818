//! Systems that take turns, each with so many clients at once.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Bench;
use super::system::{Client, System};
use crate::bench::storage::cache;
use crate::bench::storage::store::Batch;
use crate::bench::timing::Times;

/// A client whose append was not acknowledged appends again after this.
const AGAIN: Duration = Duration::from_millis(5);

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// One turn of one system.
    pub turn: Duration,
    /// Turns of each.
    pub rounds: usize,
    /// Clients at once, each with one batch on its way.
    pub clients: usize,
}

/// What a system did in its turns.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// What each append took.
    pub waits: Vec<Duration>,
    /// Appends that were not acknowledged.
    pub refused: usize,
    /// All turns together, seconds.
    pub seconds: f64,
}

impl Done {
    /// Records per second, of batches of `count`.
    pub fn records_per_s(&self, count: usize) -> f64 {
        if self.seconds > 0.0 { (self.waits.len() * count) as f64 / self.seconds } else { 0.0 }
    }

    /// What an append took.
    pub fn times(&self) -> Times {
        Times::new(self.waits.clone())
    }
}

/// Lets every system have its turns, in an order that is drawn anew for each round. Before a turn the file system is synced, the
/// clients connect, and each appends once without being timed.
pub fn run(
    cx: &Bench<'_>,
    systems: &mut [Box<dyn System + '_>],
    batch: &Batch,
    plan: Plan,
    dir: &Path,
) -> Result<Vec<Done>> {
    let mut order: Vec<usize> = (0..systems.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(batch.bytes());
    let mut done = vec![Done::default(); systems.len()];
    for _ in 0..plan.rounds {
        order.shuffle(&mut random);
        for &number in &order {
            cx.check()?;
            let (Some(system), Some(done)) = (systems.get_mut(number), done.get_mut(number)) else { continue };
            cache::sync(dir)?;
            let clients = (0..plan.clients).map(|_| system.client()).collect::<Result<Vec<_>>>();
            turn(clients.context(system.name())?, batch, plan.turn, done).context(system.name())?;
        }
    }
    Ok(done)
}

fn turn(clients: Vec<Box<dyn Client>>, batch: &Batch, time: Duration, done: &mut Done) -> Result<()> {
    let ready = Barrier::new(clients.len() + 1);
    let one = |mut client: Box<dyn Client>| -> Result<(Vec<Duration>, usize)> {
        let first = client.append(batch);
        ready.wait();
        first?;
        let (mut waits, mut refused) = (Vec::new(), 0);
        let started = Instant::now();
        while started.elapsed() < time {
            let asked = Instant::now();
            if client.append(batch)? {
                waits.push(asked.elapsed());
            } else {
                refused += 1;
                std::thread::sleep(AGAIN);
            }
        }
        Ok((waits, refused))
    };
    std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || one(client))).collect();
        ready.wait();
        let started = Instant::now();
        let all: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.seconds += started.elapsed().as_secs_f64();
        for of_one in all {
            let (waits, refused) = of_one.map_err(|_| anyhow!("a thread of the load generator failed"))??;
            done.waits.extend(waits);
            done.refused += refused;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static APPENDS: AtomicUsize = AtomicUsize::new(0);

    struct Slow(Option<bool>);

    impl Client for Slow {
        fn append(&mut self, _: &Batch) -> Result<bool> {
            APPENDS.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
            self.0.ok_or_else(|| anyhow!("full"))
        }
    }

    #[test]
    fn every_client_appends_once_untimed() {
        let (mut done, time) = (Done::default(), Duration::from_millis(20));
        let clients = (0..3).map(|_| Box::new(Slow(Some(true))) as Box<dyn Client>).collect();
        turn(clients, &Batch::new(10, 2), time, &mut done).unwrap();
        assert_eq!(done.waits.len() + 3, APPENDS.load(Ordering::Relaxed));
        assert!(done.seconds >= 0.02 && done.times().percentile_ms(1.0) >= 2.0);
        assert!(done.records_per_s(2) <= 3.0 * 2.0 / 0.002 && done.records_per_s(2) > 0.0);
        let (clients, taken) = (vec![Box::new(Slow(Some(false))) as Box<dyn Client>], done.waits.len());
        turn(clients, &Batch::new(10, 2), time, &mut done).unwrap();
        assert!(done.refused > 0 && done.waits.len() == taken);
        let failed = turn(vec![Box::new(Slow(None))], &Batch::new(10, 2), time, &mut done).unwrap_err();
        assert_eq!(failed.to_string(), "full");
    }
}
