//! What the tunnels cost beside what they replace: bytes on loopback, bytes on a path that is slow and loses packets, the time until the first byte,
//! and blocks of a network with and without them.
//!
//! Reading order: [`peer`] (two ends in this process), [`relay`] (a path with delay and loss), then the measurements: [`bytes`], [`path`],
//! [`beginning`], [`pace`].

mod beginning;
mod bytes;
mod pace;
mod path;
mod peer;
mod relay;

use anyhow::{Context as _, Result, bail};

use super::note;
use super::report::Group;
use crate::localnet::interrupt::Interrupt;

/// Measures. A part that fails says so in the report, and the others go on.
pub fn measure(quick: bool, interrupt: &Interrupt) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the tasks of both ends")?;
    let mut part = |name: &str, measured: Result<Group>| -> Result<()> {
        if interrupt.count() > 0 {
            bail!("interrupted");
        }
        groups.push(measured.unwrap_or_else(|error| {
            note(&format!("tunnels: {name}: {error:#}"));
            let mut group = super::co_located(format!("FAILED: {name}"));
            group.notes.push(format!("{error:#}"));
            group
        }));
        Ok(())
    };
    note("tunnels: bytes on loopback");
    part("bytes on loopback", runtime.block_on(bytes::measure(quick)))?;
    note("tunnels: a path of 40 ms that loses packets");
    part("a path that loses packets", runtime.block_on(path::measure(quick)))?;
    note("tunnels: from a start to the first byte");
    part("from a start to the first byte", runtime.block_on(beginning::measure(quick)))?;
    note("tunnels: blocks with and without");
    part("blocks with and without tunnels", pace::measure(quick, interrupt))?;
    Ok(groups)
}
