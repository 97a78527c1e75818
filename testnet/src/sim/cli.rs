//! `pyralog-testnet sim`.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::{Counts, Outcome, simulate};

/// Options of `sim`.
#[derive(Debug, Clone, Args)]
pub struct SimArgs {
    /// Run this seed: the same seed gives the same run, effect for effect
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Run this many seeds, from 1 on
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// Runs what was asked for; gives what belongs on stdout, and whether every rule held.
///
/// # Errors
/// A network cannot be set up.
pub fn run(args: &SimArgs) -> Result<(String, bool)> {
    if let Some(seed) = args.seed {
        let outcome = simulate(seed)?;
        let text = if args.json { serde_json::to_string(&outcome)? + "\n" } else { outcome.to_string() };
        return Ok((text, outcome.violation.is_none()));
    }
    let started = Instant::now();
    let progress =
        Progress { of: args.seeds, live: std::io::stderr().is_terminal(), last: Mutex::new(started), started };
    let (done, failures) = many(1, args.seeds, |count, failed| progress.show(count, failed))?;
    let seconds = started.elapsed().as_secs_f64();
    let text = if args.json {
        let summary = serde_json::json!({ "seeds": args.seeds, "counts": done, "failures": failures });
        format!("{summary}\n")
    } else {
        let failed: String = failures.iter().map(ToString::to_string).collect();
        format!("{failed}{} seeds in {seconds:.1} s, {} failed\n{done:?}\n", args.seeds, failures.len())
    };
    Ok((text, failures.is_empty()))
}

/// Runs `count` seeds from `first` on, as many at a time as there are cores. Gives the sum of what happened, and the runs that failed.
///
/// # Errors
/// A network cannot be set up.
pub(super) fn many(first: u64, count: u64, progress: impl Fn(u64, usize) + Sync) -> Result<(Counts, Vec<Outcome>)> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let shared = Mutex::new((Counts::default(), Vec::new(), 0u64, Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || stop.load(Ordering::Relaxed) {
                return;
            }
            let result = simulate(first + number);
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (counts, failures, done, errors) = &mut *shared;
            match result {
                Ok(outcome) => {
                    counts.add(&outcome.counts);
                    if outcome.violation.is_some() {
                        failures.push(outcome);
                    }
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    errors.push(error);
                }
            }
            *done += 1;
            progress(*done, failures.len());
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (counts, mut failures, _, mut errors) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = errors.pop() {
        bail!(error);
    }
    failures.sort_by_key(|outcome| outcome.seed);
    Ok((counts, failures))
}

/// A line on stderr, rewritten in place on a terminal.
struct Progress {
    of: u64,
    live: bool,
    last: Mutex<Instant>,
    started: Instant,
}

impl Progress {
    fn show(&self, done: u64, failed: usize) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if self.live { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if last.elapsed() < pause && done < self.of {
            return;
        }
        *last = Instant::now();
        let (start, end) = if self.live && done < self.of { ("\r", "") } else { ("\r", "\n") };
        let start = if self.live { start } else { "" };
        let seconds = self.started.elapsed().as_secs();
        // stderr may be closed; there is nowhere left to say so.
        let _ = write!(std::io::stderr(), "{start}{done} of {} seeds, {failed} failed, {seconds} s{end}", self.of);
    }
}
