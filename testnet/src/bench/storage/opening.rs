//! What opening a store takes, in a process that does nothing else: memory that earlier measurements gave back would be used again, and
//! not be seen.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::pyralog::open_log;
use crate::bench::memory;
use crate::bench::timing::millis;

/// What it took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Opening {
    /// Until the store was open, milliseconds.
    pub open_ms: f64,
    /// Until one record of each partition was read after that, milliseconds.
    pub read_ms: f64,
    /// Resident memory before, MiB.
    pub rss_before: f64,
    /// Resident memory when the store was open, MiB.
    pub rss_open: f64,
    /// Resident memory when one record of each partition was read, MiB.
    pub rss_read: f64,
}

/// Opens the store in `home`, reads the first record of each partition, and prints what that took as JSON.
///
/// # Errors
/// A store that does not open, a partition without records.
pub fn open_home(home: &Path) -> Result<()> {
    crate::localnet::print_stdout(&format!("{}\n", serde_json::to_string(&open(home)?)?))
}

fn open(home: &Path) -> Result<Opening> {
    let own = || Ok::<_, anyhow::Error>(memory::of(std::process::id())?.rss);
    let rss_before = own()?;
    let started = Instant::now();
    let (core, log) = open_log(home, 1)?;
    let open_ms = millis(started.elapsed());
    let rss_open = own()?;
    let started = Instant::now();
    for partition in log.partitions() {
        let mut read = 0;
        partition.read(0, &mut |_| {
            read += 1;
            false
        })?;
        if read == 0 {
            bail!("partition {} of the store in {} holds no record", partition.number(), home.display());
        }
    }
    let read_ms = millis(started.elapsed());
    let opening = Opening { open_ms, read_ms, rss_before, rss_open, rss_read: own()? };
    drop(log);
    core.close()?;
    Ok(opening)
}

/// [`open_home`] in a process of its own.
pub fn in_a_process(home: &Path) -> Result<Opening> {
    let program = std::env::current_exe().context("cannot find the benchmark's own executable")?;
    let run = Command::new(program).args(["bench", "--open-home"]).arg(home).stderr(Stdio::inherit()).output();
    let run = run.context("cannot run `pyralog-testnet bench --open-home`")?;
    if !run.status.success() {
        bail!("the store in {} was not opened", home.display());
    }
    serde_json::from_slice(&run.stdout).context("`bench --open-home` is not understood")
}

#[cfg(test)]
mod tests {
    use super::super::partitions::fill;
    use super::*;

    #[test]
    fn every_partition_is_read_and_one_without_records_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (core, log) = open_log(dir.path(), 3).unwrap();
        fill(log.partitions(), 100, 2).unwrap();
        drop(log);
        core.close().unwrap();
        let opening = open(dir.path()).unwrap();
        assert!(opening.open_ms > 0.0 && opening.read_ms > 0.0 && opening.rss_read > 0.0);

        let other = tempfile::tempdir().unwrap();
        let (core, log) = open_log(other.path(), 3).unwrap();
        fill(&log.partitions()[..2], 100, 2).unwrap();
        drop(log);
        core.close().unwrap();
        assert!(format!("{:#}", open(other.path()).unwrap_err()).contains("partition 2"));
    }
}
