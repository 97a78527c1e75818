//! `up`: create or resume a network, wait until it serves, stay or return.

use std::collections::BTreeMap;
use std::process::Child;

use anyhow::{Result, anyhow, bail};
use rustix::process::Signal;

use super::cli::UpArgs;
use super::interrupt::Interrupt;
use super::layout::Layout;
use super::manifest::Manifest;
use super::node::{self, Goal, Started, Unreached};
use super::process::RunState;
use super::state::{self, State};
use super::{banner, config, create, foreground, note, or_document, print_stdout};

/// Validators of a network that was not told how many.
const VALIDATORS: usize = 4;
/// Target time between blocks of a network that was not told.
const BLOCK_INTERVAL_MS: u64 = 500;

/// Runs `up`. Returns when the network serves (`--detach`) or when it was stopped.
pub fn run(layout: &Layout, args: &UpArgs) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let Up { manifest, children } = or_document(args.json, up(layout, args, &interrupt))?;
    if args.json {
        print_stdout(&manifest.to_json()?)?;
    } else {
        print_stdout(&banner::text(layout, &manifest, args.detach))?;
    }
    if args.detach {
        return Ok(());
    }
    foreground::stay(layout, children, &interrupt)
}

/// A network that serves.
struct Up {
    manifest: Manifest,
    /// The processes that this one started, by node.
    children: BTreeMap<String, Child>,
}

fn up(layout: &Layout, args: &UpArgs, interrupt: &Interrupt) -> Result<Up> {
    let program = node::program()?;
    let lock = claim(layout)?;
    let Opened { mut state, resumed } = open(layout, args)?;
    let mut started = Vec::new();
    let unreached = match bring_up(layout, &mut state, &mut started, args, &program, interrupt) {
        Ok(unreached) => unreached,
        Err(error) => {
            node::end(layout, &mut state, &mut started)?;
            return Err(error);
        }
    };
    if let Some(unreached) = unreached {
        return Err(not_up(layout, &mut state, &mut started, &unreached, resumed)?);
    }
    let manifest = Manifest::describe(layout, &state);
    manifest.save(layout)?;
    drop(lock);
    let children = started
        .into_iter()
        .filter_map(|Started { index, child }| Some((state.nodes.get(index)?.name.clone(), child)))
        .collect();
    Ok(Up { manifest, children })
}

/// Takes the lock, and leaves nothing in a directory that is refused.
fn claim(layout: &Layout) -> Result<std::fs::File> {
    if layout.root().is_dir() && !layout.state().exists() && !layout.unfinished().exists() {
        refuse_foreign(layout)?;
    }
    state::lock(layout)
}

/// What is said and done where not every node serves. A network that served before is more than its weakest node: what serves goes on. A new one
/// is taken back.
fn not_up(
    layout: &Layout,
    state: &mut State,
    started: &mut [Started],
    unreached: &Unreached,
    resumed: bool,
) -> Result<anyhow::Error> {
    if !resumed || unreached.interrupted || unreached.reached == 0 {
        node::end(layout, state, started)?;
        return Ok(anyhow!(unreached.text(layout, state)));
    }
    node::leave(layout, state, started)?;
    Manifest::describe(layout, state).save(layout)?;
    Ok(anyhow!(unreached.left_running(layout, state)))
}

/// The network of the directory.
struct Opened {
    state: State,
    /// It was there before.
    resumed: bool,
}

/// Loads the network of the directory, or makes a new one.
fn open(layout: &Layout, args: &UpArgs) -> Result<Opened> {
    let asked = args.validators.map(usize::from);
    match State::load(layout)? {
        Some(mut state) if !layout.unfinished().exists() => {
            if let Some(asked) = asked.filter(|asked| *asked != state.nodes.len()) {
                bail!(
                    "{} holds a network of {} validators, not {asked}; leave --validators away to resume it, or use another --dir",
                    layout.root().display(),
                    state.nodes.len()
                );
            }
            state.block_interval_ms = args.block_interval_ms.unwrap_or(state.block_interval_ms);
            Ok(Opened { state, resumed: true })
        }
        found => {
            if found.is_none() && !layout.unfinished().exists() {
                refuse_foreign(layout)?;
            }
            note("making a new network");
            let interval = args.block_interval_ms.unwrap_or(BLOCK_INTERVAL_MS);
            let default_ports = args.default_ports || layout.is_default();
            let state = create::create(layout, asked.unwrap_or(VALIDATORS), interval, default_ports)?;
            Ok(Opened { state, resumed: false })
        }
    }
}

/// A directory with other things in it is somebody's work, not a place for a network.
fn refuse_foreign(layout: &Layout) -> Result<()> {
    let ours = [layout.lock()];
    let entries = std::fs::read_dir(layout.root())?.collect::<std::io::Result<Vec<_>>>()?;
    if let Some(other) = entries.iter().find(|entry| !ours.contains(&entry.path())) {
        bail!(
            "{} is not empty and holds no network ({} is in it); name another --dir",
            layout.root().display(),
            other.file_name().to_string_lossy()
        );
    }
    Ok(())
}

fn bring_up(
    layout: &Layout,
    state: &mut State,
    started: &mut Vec<Started>,
    args: &UpArgs,
    program: &std::path::Path,
    interrupt: &Interrupt,
) -> Result<Option<Unreached>> {
    let mut down = Vec::new();
    for index in 0..state.nodes.len() {
        let Some(node) = state.nodes.get_mut(index) else { continue };
        node.process = node.live(layout);
        match &node.process {
            Some(process) => {
                if process.state() == RunState::Paused {
                    note(&format!("{} was paused and is resumed", node.name));
                    process.signal(Signal::CONT)?;
                }
            }
            None => {
                node::mend_ports(state, index)?;
                down.push(index);
            }
        }
    }
    config::write_all(layout, state)?;
    state.save(layout)?;
    for index in down {
        if let Some(node) = state.nodes.get(index) {
            node::mark_log(layout, &node.name)?;
        }
        started.push(node::start(layout, state, index, program)?);
    }
    let all: Vec<usize> = (0..state.nodes.len()).collect();
    Ok(node::watch(state, started, &all, Goal::Serve, args.timeout, interrupt))
}

#[cfg(test)]
mod tests;
