//! The stores of records: ours beside the raw disk, RocksDB, fjall, Redis and etcd.
//!
//! Reading order: [`store`] (what is measured), the stores themselves ([`raw`], [`journal`], [`pyralog`], [`rocksdb`], [`fjall`],
//! [`redis`], [`etcd`]), then the measurements: [`appends`] and [`contest`], [`flight`], [`reads`], [`amplification`],
//! [`partitions`], [`notary`].
//!
//! Stores in this process are called by one thread. Redis and etcd are processes of their own, asked over loopback, and left out by
//! name where they are not installed.

mod amplification;
mod appends;
pub(super) mod cache;
mod contest;
mod device;
pub(super) mod etcd;
pub(super) mod etcd_client;
mod fjall;
mod flight;
mod http2;
mod journal;
mod notary;
mod opening;
mod partitions;
mod pyralog;
mod raw;
mod reads;
mod redis;
mod rocksdb;
pub(super) mod server;
pub(super) mod store;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

pub use opening::open_home;

use super::report::Group;
use crate::localnet::interrupt::Interrupt;

/// What every measurement of stores shares.
#[derive(Clone, Copy)]
struct Bench<'a> {
    quick: bool,
    interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// `full`, or `quick` where a quick run was asked for.
    fn either<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Fails after Ctrl-C.
    fn check(&self) -> Result<()> {
        if self.interrupt.count() > 0 {
            bail!("interrupted");
        }
        Ok(())
    }

    /// A directory below the system's for temporary files (`TMPDIR`), removed when dropped.
    fn home(&self) -> Result<TempDir> {
        self.check()?;
        tempfile::Builder::new().prefix("pyralog-bench-").tempdir().context("cannot make a directory below TMPDIR")
    }
}

/// Measures.
pub fn measure(quick: bool, interrupt: &Interrupt) -> Result<Vec<Group>> {
    let cx = Bench { quick, interrupt };
    let mut groups = appends::measure(&cx)?;
    groups.push(flight::measure(&cx)?);
    groups.push(reads::measure(&cx)?);
    groups.extend(amplification::measure(&cx)?);
    groups.extend(partitions::measure(&cx)?);
    groups.push(notary::measure(&cx)?);
    Ok(groups)
}
