//! `down`, `fault` and `reset`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::cli::Fault;
use super::interrupt::Interrupt;
use super::layout::Layout;
use super::manifest::Manifest;
use super::node::{self, Goal};
use super::probe::Probe;
use super::process::{ProcessId, RunState, stop_all, wait_unlocked};
use super::state::{self, State};
use super::{config, files, note, partition, wipe};

/// After so long `fault restart` says what it waits for.
const SAID: Duration = Duration::from_secs(3);
/// How long `fault restart` lets a node stop by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How long a process may take until a signal shows; one that is killed may wait for its disk first.
const REACTS: Duration = Duration::from_secs(10);
/// How long a restarted node may take until it answers.
const ANSWERS: Duration = Duration::from_secs(60);
/// How long a command waits for another one that is at work.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Stops every node. `grace` is asked again and again, so that a second Ctrl-C can cut it short.
pub fn stop_nodes(layout: &Layout, grace: impl Fn() -> Duration) -> Result<()> {
    let _lock = lock(layout)?;
    let mut state = State::require(layout)?;
    let live = live(layout, &state);
    let paused = live.iter().filter(|process| process.state() == RunState::Paused).count();
    if paused > 0 {
        note(&format!("{paused} paused nodes are woken to stop"));
    }
    for process in &live {
        process.signal(Signal::TERM)?;
        process.signal(Signal::CONT)?;
    }
    let began = Instant::now();
    while live.iter().any(ProcessId::is_alive) && began.elapsed() < grace() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = stop_all(&live, Duration::ZERO)?;
    if killed > 0 {
        note(&format!("{killed} nodes did not stop in time and were killed; their state is safe"));
    }
    for node in &mut state.nodes {
        node.process = None;
    }
    state.save(layout)?;
    Manifest::describe(layout, &state).save(layout)?;
    if !state.partitions.is_empty() {
        partition::heal(layout, &mut state)?;
    }
    note(&format!("stopped {} nodes", live.len()));
    Ok(())
}

/// Runs one fault.
pub fn fault(layout: &Layout, fault: &Fault) -> Result<()> {
    let _lock = lock(layout)?;
    let mut state = State::require(layout)?;
    match fault {
        Fault::Kill { node } => signal(layout, &state, node, Signal::KILL, "killed")?,
        Fault::Pause { node } => signal(layout, &state, node, Signal::STOP, "paused")?,
        Fault::Resume { node } => signal(layout, &state, node, Signal::CONT, "resumed")?,
        Fault::Restart { node } => restart(layout, &mut state, node)?,
        Fault::Wipe { node } => wipe::run(layout, &state, node)?,
        Fault::Partition { node, other } => partition::cut(layout, &mut state, node, other)?,
        Fault::Heal => partition::heal(layout, &mut state)?,
    }
    Manifest::describe(layout, &state).save(layout)
}

/// Stops every node and removes everything the launcher made. The directory itself goes too when nothing else is in it.
pub fn reset(layout: &Layout) -> Result<()> {
    if State::load(layout).is_ok_and(|state| state.is_none()) && !layout.unfinished().exists() {
        bail!("there is no network in {}; nothing was removed", layout.root().display());
    }
    let lock = lock(layout)?;
    // A damaged state file must not keep its nodes alive: they are also found by their homes.
    let state = State::load(layout).ok().flatten();
    let mut processes = state.as_ref().map(|state| live(layout, state)).unwrap_or_default();
    for entry in std::fs::read_dir(layout.nodes()).into_iter().flatten().flatten() {
        processes.extend(super::process::find_by_home(super::NODE_PROGRAM, &entry.path()));
    }
    stop_all(&processes, Duration::from_secs(2))?;
    if let Some(mut state) = state.filter(|state| !state.partitions.is_empty()) {
        partition::heal(layout, &mut state)?;
    }
    for path in layout.everything() {
        files::remove(&path)?;
    }
    drop(lock);
    // Not ours to remove when something else is in it.
    let _ = std::fs::remove_dir(layout.root());
    note(&format!("removed the network in {}", layout.root().display()));
    Ok(())
}

fn signal(layout: &Layout, state: &State, name: &str, signal: Signal, done: &str) -> Result<()> {
    let index = state.find(name)?;
    let Some(node) = state.nodes.get(index) else { bail!("there is no node {name}") };
    let Some(process) = node.live(layout) else {
        bail!(
            "{0} does not run; start it with `pyralog-testnet fault restart {0} --dir {1}`",
            node.name,
            layout.root().display()
        );
    };
    if !process.signal(signal)? {
        bail!("{} ended meanwhile", node.name);
    }
    let reached = |process: &ProcessId| match signal {
        Signal::KILL => !process.is_alive(),
        Signal::STOP => process.state() == RunState::Paused,
        _ => process.state() != RunState::Paused,
    };
    let deadline = Instant::now() + REACTS;
    while !reached(&process) {
        if Instant::now() >= deadline {
            bail!("process {} of {} does not react to the signal", process.pid, node.name);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if signal == Signal::KILL {
        wait_unlocked(&layout.home(&node.name))?;
    }
    note(&format!("{} (process {}) {done}", node.name, process.pid));
    Ok(())
}

fn restart(layout: &Layout, state: &mut State, name: &str) -> Result<()> {
    let program = node::program()?;
    let interrupt = Interrupt::install()?;
    let index = state.find(name)?;
    let Some(node) = state.nodes.get_mut(index) else { bail!("there is no node {name}") };
    if !node.has_joined() {
        bail!(
            "{} has not joined its cluster yet; `pyralog-testnet up --dir {}` makes its home",
            node.name,
            layout.root().display()
        );
    }
    if let Some(process) = node.live(layout) {
        stop_all(&[process], GRACE)?;
    }
    node.process = None;
    let name = node.name.clone();
    // Whoever was killed by others may have its ports still.
    wait_unlocked(&layout.home(&name))?;
    if node::mend_ports(state, index)? {
        config::write_all(layout, state)?;
        if !state.partitions.is_empty() {
            partition::apply(layout, state)?;
        }
    }
    node::mark_log(layout, &name)?;
    let mut started = [node::start(layout, state, index, &program)?];
    let late = node::watch(state, &mut started, &[index], Goal::Answer, SAID, &interrupt);
    if late.is_some_and(|late| late.is_late()) {
        note(&format!(
            "{name} runs and waits, such as to be let in by a majority of its cluster; see `pyralog-testnet logs {name} --dir {}`",
            layout.root().display()
        ));
    }
    node::wait(layout, state, &mut started, &[index], Goal::Answer, ANSWERS, &interrupt)?;
    let pid =
        state.nodes.get(index).and_then(|node| node.process.as_ref()).map(|process| process.pid).unwrap_or_default();
    let probe = Probe::default();
    let height = state.nodes.get(index).and_then(|node| probe.height(&node.ports));
    let at = height.map(|height| format!(" at block {height}")).unwrap_or_default();
    note(&format!("{name} (process {pid}) started{at}"));
    Ok(())
}

fn live(layout: &Layout, state: &State) -> Vec<ProcessId> {
    state.nodes.iter().filter_map(|node| node.live(layout)).collect()
}

/// The lock, waited for: a script may type one command right behind the other.
fn lock(layout: &Layout) -> Result<std::fs::File> {
    if !layout.unfinished().exists() && State::load(layout).is_ok_and(|state| state.is_none()) {
        // Only to fail with its sentence: locking would make a file, or even the directory, where there is no network.
        State::require(layout)?;
    }
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match state::lock(layout) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests;
