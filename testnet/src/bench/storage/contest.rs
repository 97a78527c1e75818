//! Stores that take turns, so that whatever else the machine does meets all of them alike.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::cache;
use super::store::{Batch, Store};
use crate::bench::timing::Times;
use crate::localnet::interrupt::Interrupt;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// One turn of one store.
    pub turn: Duration,
    /// Turns of each.
    pub rounds: usize,
}

/// Lets every store append the batch again and again in its turns, and answers what each append took. The order within a
/// round is drawn anew, so that none always follows the same other. Before a turn the file system is synced and the store at rest; the
/// first append of a turn is not counted, since it finds the caches of the others.
pub fn run(
    stores: &mut [Box<dyn Store>],
    batch: &Batch,
    turns: Turns,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Times>> {
    let mut order: Vec<usize> = (0..stores.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(batch.bytes());
    let mut waits: Vec<Vec<Duration>> = vec![Vec::new(); stores.len()];
    for _ in 0..turns.rounds {
        order.shuffle(&mut random);
        for &number in &order {
            if interrupt.count() > 0 {
                bail!("interrupted");
            }
            let (Some(store), Some(waits)) = (stores.get_mut(number), waits.get_mut(number)) else { continue };
            turn(store.as_mut(), batch, turns.turn, waits).with_context(|| store.name())?;
            cache::sync(dir)?;
        }
    }
    Ok(waits.into_iter().map(Times::new).collect())
}

fn turn(store: &mut dyn Store, batch: &Batch, time: Duration, waits: &mut Vec<Duration>) -> Result<()> {
    store.append(batch)?;
    let started = Instant::now();
    while started.elapsed() < time {
        let asked = Instant::now();
        store.append(batch)?;
        waits.push(asked.elapsed());
    }
    store.rest()
}

/// Records per second of appends that took those times.
pub fn records_per_s(times: &Times, batch: usize) -> f64 {
    let mean = times.mean_ms();
    if mean > 0.0 { batch as f64 * 1e3 / mean } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow {
        appends: usize,
        rests: usize,
        time: Duration,
    }

    impl Store for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        fn durability(&self) -> &'static str {
            "none"
        }

        fn append(&mut self, batch: &Batch) -> Result<()> {
            self.appends += batch.records().len();
            std::thread::sleep(self.time);
            if self.appends > 1_000 { bail!("full") } else { Ok(()) }
        }

        fn rest(&mut self) -> Result<()> {
            self.rests += 1;
            assert!(self.rests <= 3);
            Ok(())
        }
    }

    fn stores(times: &[u64]) -> Vec<Box<dyn Store>> {
        let slow =
            |ms: &u64| -> Box<dyn Store> { Box::new(Slow { appends: 0, rests: 0, time: Duration::from_millis(*ms) }) };
        times.iter().map(slow).collect()
    }

    #[test]
    fn every_store_has_its_turns_and_its_times() {
        let (dir, interrupt) = (tempfile::tempdir().unwrap(), Interrupt::default());
        let turns = Turns { turn: Duration::from_millis(20), rounds: 3 };
        let times = run(&mut stores(&[1, 6]), &Batch::new(10, 2), turns, dir.path(), &interrupt).unwrap();
        assert!(times[0].len() > times[1].len() && times[1].len() >= 3, "{times:?}");
        assert!(times[1].percentile_ms(1.0) >= 6.0);
        let rate = records_per_s(&times[1], 2);
        assert!(rate > 1.0 && rate <= 2.0 / 0.006, "{rate}");
        assert_eq!(records_per_s(&Times::default(), 2), 0.0);
    }

    #[test]
    fn a_store_that_fails_is_named() {
        let (dir, interrupt) = (tempfile::tempdir().unwrap(), Interrupt::default());
        let turns = Turns { turn: Duration::from_millis(20), rounds: 1 };
        let error = run(&mut stores(&[0]), &Batch::new(1, 1_001), turns, dir.path(), &interrupt).unwrap_err();
        assert_eq!(format!("{error:#}"), "slow: full");
    }
}
