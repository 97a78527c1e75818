//! `up`: create or resume a network, wait until it serves, stay or return.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use rustix::process::Signal;

use super::cli::UpArgs;
use super::interrupt::Interrupt;
use super::layout::Layout;
use super::manifest::Manifest;
use super::node::{self, Goal, Started, Unreached};
use super::probe::Probe;
use super::process::RunState;
use super::state::{self, Node, State};
use super::{banner, config, create, foreground, join, note, or_document, partition, print_stdout};

/// Validators of a network that was not told how many.
const VALIDATORS: usize = 4;
/// Members of each cluster of a network that was not told how many.
const MEMBERS: usize = 1;
/// Target time between blocks of a network that was not told.
const BLOCK_INTERVAL_MS: u64 = 500;

/// New clusters get so long to store what they should on all their members.
const SETTLED: Duration = Duration::from_secs(5);
/// They say so for so long: members tell each other what they lack several times in it.
const STEADY: Duration = Duration::from_millis(600);
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(50);

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
    let (asked, asked_members) = (args.validators.map(usize::from), args.members.map(usize::from));
    match State::load(layout)? {
        Some(mut state) if !layout.unfinished().exists() => {
            if let Some(asked) = asked.filter(|asked| *asked != state.clusters()) {
                bail!(
                    "{} holds a network of {} validators, not {asked}; leave --validators away to resume it, or use another --dir",
                    layout.root().display(),
                    state.clusters()
                );
            }
            if let Some(asked) = asked_members.filter(|asked| *asked != state.members()) {
                bail!(
                    "{} holds clusters of {} members, not {asked}; leave --members away to resume it, or use another --dir",
                    layout.root().display(),
                    state.members()
                );
            }
            state.block_interval_ms = args.block_interval_ms.unwrap_or(state.block_interval_ms);
            state.tunnel = args.tunnel.unwrap_or(state.tunnel);
            Ok(Opened { state, resumed: true })
        }
        found => {
            if found.is_none() && !layout.unfinished().exists() {
                refuse_foreign(layout)?;
            }
            note("making a new network");
            let interval = args.block_interval_ms.unwrap_or(BLOCK_INTERVAL_MS);
            let default_ports = args.default_ports || layout.is_default();
            let (validators, members) = (asked.unwrap_or(VALIDATORS), asked_members.unwrap_or(MEMBERS));
            let state =
                create::create(layout, validators, members, interval, args.tunnel.unwrap_or_default(), default_ports)?;
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
    program: &Path,
    interrupt: &Interrupt,
) -> Result<Option<Unreached>> {
    let (mut down, mut removed) = (Vec::new(), Vec::new());
    for index in 0..state.nodes.len() {
        let Some(node) = state.nodes.get_mut(index) else { continue };
        if !node.has_joined() {
            node::mend_ports(state, index)?;
            continue;
        }
        node.process = node.live(layout);
        match &node.process {
            Some(process) => {
                if process.state() == RunState::Paused {
                    note(&format!("{} was paused and is resumed", node.name));
                    process.signal(Signal::CONT)?;
                }
            }
            None if node::was_removed(layout, &node.name) => {
                note(&format!("{} was removed from its cluster, and is not started", node.name));
                removed.push(index);
            }
            None => {
                node::mend_ports(state, index)?;
                down.push(index);
            }
        }
    }
    config::write_all(layout, state)?;
    if !state.partitions.is_empty() {
        partition::apply(layout, state)?;
    }
    state.save(layout)?;
    for index in down {
        start(layout, state, started, index, program)?;
    }
    let serve = |state: &State, started: &mut [Started]| {
        let watched: Vec<usize> = joined(state).into_iter().filter(|index| !removed.contains(index)).collect();
        node::watch(state, started, &watched, Goal::Serve, args.timeout, interrupt)
    };
    if joined(state).len() < state.nodes.len() {
        // Whoever takes members in must serve.
        if let Some(unreached) = serve(state, started) {
            return Ok(Some(unreached));
        }
    }
    let all_were_there = joined(state).len() == state.nodes.len();
    let unjoined = join_members(layout, state, started, args, program, interrupt)?;
    let unreached = serve(state, started);
    if unreached.is_none() && !all_were_there {
        settle(layout, state, interrupt);
    }
    Ok(Unreached::with_unjoined(unreached, joined(state).len(), unjoined))
}

/// Gives new clusters a moment until all their members store what they should, and say so for a while: whoever looks at once need not see them take it,
/// or hand over what they lead.
fn settle(layout: &Layout, state: &State, interrupt: &Interrupt) {
    let probe = Probe::default();
    let deadline = Instant::now() + SETTLED;
    let is_settled = |node: &Node| {
        let token = layout.home(&node.name).join("data").join("admin.token");
        let token = std::fs::read_to_string(token).unwrap_or_default();
        probe.is_settled(&node.ports, token.trim()).unwrap_or(false)
    };
    let mut since = None;
    while Instant::now() < deadline && interrupt.count() == 0 {
        since = state.nodes.iter().all(is_settled).then(|| since.unwrap_or_else(Instant::now));
        if since.is_some_and(|since| since.elapsed() >= STEADY) {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Makes and starts the members that have no home yet, one after the other: a cluster takes one in at a time. Returns those that have none
/// still, and why not.
fn join_members(
    layout: &Layout,
    state: &mut State,
    started: &mut Vec<Started>,
    args: &UpArgs,
    program: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<(usize, String)>> {
    let mut unjoined = Vec::new();
    for index in 0..state.nodes.len() {
        if state.nodes.get(index).is_none_or(Node::has_joined) {
            continue;
        }
        if !unjoined.is_empty() {
            unjoined.push((index, "was not asked to join its cluster after that".to_owned()));
            continue;
        }
        if let Some(why) = join::join(layout, state, index, program, args.timeout, interrupt)? {
            unjoined.push((index, why));
            continue;
        }
        config::write_all(layout, state)?;
        start(layout, state, started, index, program)?;
        // Where it does not answer, the watch of all says why.
        node::watch(state, started, &[index], Goal::Answer, args.timeout, interrupt);
    }
    Ok(unjoined)
}

fn start(layout: &Layout, state: &mut State, started: &mut Vec<Started>, index: usize, program: &Path) -> Result<()> {
    if let Some(node) = state.nodes.get(index) {
        node::mark_log(layout, &node.name)?;
    }
    started.push(node::start(layout, state, index, program)?);
    Ok(())
}

/// The nodes that have a home (indexes).
fn joined(state: &State) -> Vec<usize> {
    state.nodes.iter().enumerate().filter(|(_, node)| node.has_joined()).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests;
