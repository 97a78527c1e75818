//! A cluster of three members: what replication costs beside other systems that replicate, and what happens when a member goes.
//!
//! Reading order: [`members`] and [`view`] (a cluster of ours), [`system`] and its three kinds ([`pyralog`], [`etcd`], [`nats`]), then the
//! measurements: [`appends`] and [`contest`], [`failover`], [`idle`], [`catch_up`].

mod appends;
mod catch_up;
mod contest;
mod etcd;
mod failover;
mod idle;
mod kill;
mod members;
mod nats;
mod nats_client;
mod pyralog;
mod system;
mod view;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use self::members::Members;
use super::baseline::Baseline;
use super::note;
use super::report::Group;
use crate::localnet::interrupt::Interrupt;

/// Partitions of the clusters whose leader is killed.
const PARTITIONS: [usize; 2] = [10, 100];
/// Partitions of the one whose idle members are looked at before, and that the aims are for.
const MANY: usize = 500;

/// What every measurement of clusters shares.
#[derive(Clone, Copy)]
struct Bench<'a> {
    baseline: &'a Baseline,
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
        tempfile::Builder::new().prefix("pyralog-bench-").tempdir().context("cannot make a directory below TMPDIR")
    }

    /// Runs `work` on a new cluster. Where it fails, what it measured before stays, and the report says why there is no more.
    fn part(
        &self,
        groups: &mut Vec<Group>,
        name: &str,
        work: impl FnOnce(&mut Members, &mut Vec<Group>) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        note("cluster: starting three members");
        let done = Members::start(self).and_then(|mut members| {
            let done = work(&mut members, groups);
            if done.is_err() {
                members.network.show_logs();
            }
            members.network.stop()?;
            done
        });
        self.check()?;
        if let Err(error) = done {
            note(&format!("cluster: {name}: {error:#}"));
            let mut group = super::co_located(format!("FAILED: {name}"));
            group.notes.push(format!("{error:#}"));
            groups.push(group);
        }
        Ok(())
    }
}

/// Measures. A part that fails says so in the report, and the others go on.
pub fn measure(baseline: &Baseline, quick: bool, interrupt: &Interrupt) -> Result<Vec<Group>> {
    let cx = Bench { baseline, quick, interrupt };
    let mut groups = Vec::new();
    cx.part(&mut groups, "appends to three members", |members, groups| appends::measure(&cx, members, groups))?;
    for partitions in PARTITIONS {
        cx.part(&mut groups, &format!("failover, {partitions} partitions"), |members, groups| {
            members.create_log(&cx, partitions)?;
            failover::measure(&cx, members, partitions, groups)
        })?;
    }
    cx.part(&mut groups, &format!("idle and failover, {MANY} partitions"), |members, groups| {
        let without = idle::look(&cx, members, "without a log")?;
        members.create_log(&cx, MANY)?;
        let with = idle::look(&cx, members, &format!("with {MANY} partitions"))?;
        groups.push(idle::group(&without, &with, MANY));
        failover::measure(&cx, members, MANY, groups)
    })?;
    cx.part(&mut groups, "catch-up of a member that was away", |members, groups| {
        groups.push(catch_up::measure(&cx, members)?);
        Ok(())
    })?;
    Ok(groups)
}
