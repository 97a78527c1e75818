//! Starting nodes, and waiting until they serve.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::interrupt::Interrupt;
use super::layout::Layout;
use super::probe::{Health, Probe};
use super::process::{ProcessId, spawn_session, stop_all};
use super::state::{Node, Ports, State};
use super::{NODE_PROGRAM, files, log_tail, note};

/// How often nodes are asked whether they serve.
const POLL: Duration = Duration::from_millis(50);
/// Lines of a log shown after a failure.
const TAIL_LINES: usize = 30;
/// How long a node that was started in vain may take to stop.
const GRACE: Duration = Duration::from_secs(3);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// `/readyz` says yes and there is a block.
    Serve,
    /// `/livez` says yes: a node that has to catch up, or lacks a quorum, can do no more.
    Answer,
}

/// A node that this invocation started.
#[derive(Debug)]
pub struct Started {
    /// Index in the state.
    pub index: usize,
    /// To reap it, and to see it end.
    pub child: Child,
}

/// The `pyralogd` beside this program.
pub fn program() -> Result<PathBuf> {
    let launcher = std::env::current_exe().context("cannot find the launcher's own executable")?;
    let path = launcher.with_file_name(NODE_PROGRAM);
    if !path.is_file() {
        bail!("{} is missing; build it beside pyralog-testnet: cargo build --workspace --bins", path.display());
    }
    Ok(path)
}

/// Starts node `index` and records its process durably, so that a later invocation finds it.
pub fn start(layout: &Layout, state: &mut State, index: usize, program: &Path) -> Result<Started> {
    let Some(node) = state.nodes.get_mut(index) else { bail!("there is no node number {index}") };
    let home = layout.home(&node.name);
    let log = layout.log(&node.name);
    let home_text = home.to_str().with_context(|| format!("{} is not UTF-8; use another --dir", home.display()))?;
    let child = spawn_session(program, &["start", "--home", home_text], &log, node.ports.p2p)?;
    node.process = ProcessId::of(child.id());
    state.save(layout)?;
    Ok(Started { index, child })
}

/// Why not every node that was watched has reached the goal.
#[derive(Debug)]
pub struct Unreached {
    /// The nodes that have not (indexes), and why not; those that ended at their start come first.
    pub missing: Vec<(usize, String)>,
    /// How many have.
    pub reached: usize,
    /// Whether Ctrl-C ended the wait.
    pub interrupted: bool,
    /// How long the wait could have taken.
    limit: Duration,
    /// Whether one of the missing has ended.
    ended: bool,
}

/// Waits until every node in `watched` (indexes) has reached `goal`.
///
/// When one ends early, when time runs out, or on Ctrl-C, everything in `started` is ended and the failure carries the
/// log's tail.
pub fn wait(
    layout: &Layout,
    state: &mut State,
    started: &mut [Started],
    watched: &[usize],
    goal: Goal,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<()> {
    let Some(unreached) = watch(state, started, watched, goal, limit, interrupt) else { return Ok(()) };
    end(layout, state, started)?;
    bail!(unreached.text(layout, state))
}

/// Waits like [`wait`], and ends nothing: `None` when every node has reached the goal.
///
/// A node that ends does not end the wait for the others, unless so many have that the rest is no quorum.
pub fn watch(
    state: &State,
    started: &mut [Started],
    watched: &[usize],
    goal: Goal,
    limit: Duration,
    interrupt: &Interrupt,
) -> Option<Unreached> {
    let probe = Probe::default();
    let deadline = Instant::now() + limit;
    let mut waiting: Vec<(usize, String)> = watched.iter().map(|index| (*index, "not asked yet".to_owned())).collect();
    let mut ended: Vec<(usize, String)> = Vec::new();
    loop {
        for node in started.iter_mut() {
            let known = ended.iter().any(|(index, _)| *index == node.index);
            if let (false, Ok(Some(status))) = (known, node.child.try_wait()) {
                ended.push((node.index, format!("ended at its start ({status})")));
            }
        }
        waiting.retain_mut(|(index, reason)| {
            if ended.iter().any(|(gone, _)| gone == index) {
                return false;
            }
            match state.nodes.get(*index).map(|node| missing(&probe, &node.ports, goal)) {
                Some(Some(why)) => {
                    *reason = why;
                    true
                }
                _ => false,
            }
        });
        if waiting.is_empty() && ended.is_empty() {
            return None;
        }
        let interrupted = interrupt.count() > 0;
        // Stakes are equal here: without a third of the clusters nobody decides a block.
        let gone: Vec<usize> = ended.iter().map(|(index, _)| *index).collect();
        let hopeless = 3 * state.clusters_lost(&gone) >= state.clusters();
        if waiting.is_empty() || hopeless || interrupted || Instant::now() >= deadline {
            let reached = watched.len().saturating_sub(waiting.len() + ended.len());
            let any_ended = !ended.is_empty();
            ended.append(&mut waiting);
            return Some(Unreached { missing: ended, reached, interrupted, limit, ended: any_ended });
        }
        std::thread::sleep(POLL);
    }
}

impl Unreached {
    /// What a watch of the others found, with the members that have not joined (indexes, and why not) among the missing.
    pub fn with_unjoined(found: Option<Self>, joined: usize, unjoined: Vec<(usize, String)>) -> Option<Self> {
        if unjoined.is_empty() {
            return found;
        }
        let none =
            Self { missing: Vec::new(), reached: joined, interrupted: false, limit: Duration::ZERO, ended: false };
        let mut all = found.unwrap_or(none);
        all.missing.splice(0..0, unjoined);
        all.ended = true;
        Some(all)
    }

    /// Whether nothing is wrong but that it takes long.
    pub fn is_late(&self) -> bool {
        !self.ended && !self.interrupted
    }

    /// The failure of a start that is taken back, with the end of a log.
    pub fn text(&self, layout: &Layout, state: &State) -> String {
        if self.interrupted {
            return "interrupted; the nodes that were started are stopped".to_owned();
        }
        let first = self.missing.first().map(|(index, _)| name_of(state, *index)).unwrap_or_default();
        let all: Vec<_> =
            self.missing.iter().map(|(index, reason)| format!("{}: {reason}", name_of(state, *index))).collect();
        match (self.ended, self.missing.first()) {
            (true, Some((_, reason))) => format!("{first} {reason}\n{}", tail(layout, first)),
            _ => format!(
                "not every node serves after {:?} (--timeout): {}\n{}",
                self.limit,
                all.join("; "),
                tail(layout, first)
            ),
        }
    }

    /// The failure of a resumed network that is left running without the missing ones, with the commands to look at them.
    pub fn left_running(&self, layout: &Layout, state: &State) -> String {
        let mut lines = Vec::new();
        for (index, reason) in &self.missing {
            let name = name_of(state, *index);
            // A node that has ended cannot be asked any more: its last line says why.
            let gone = state.nodes.get(*index).is_none_or(|node| node.process.is_none());
            let last = if gone { log_tail::tail(&layout.log(name), 1) } else { String::new() };
            let said = if last.is_empty() { String::new() } else { format!(": {last}") };
            lines.push(format!("{name} does not serve: {reason}{said}"));
        }
        lines.push(match self.reached {
            1 => "1 other node serves and runs on; look at what is wrong with".to_owned(),
            reached => format!("{reached} other nodes serve and run on; look at what is wrong with"),
        });
        for (index, _) in &self.missing {
            lines.push(format!(
                "  pyralog-testnet logs {} --lines {TAIL_LINES} --dir {}",
                name_of(state, *index),
                layout.root().display()
            ));
        }
        lines.join("\n")
    }
}

fn name_of(state: &State, index: usize) -> &str {
    state.nodes.get(index).map(|node| node.name.as_str()).unwrap_or_default()
}

/// `None` when the node has reached the goal, else why not.
fn missing(probe: &Probe, ports: &Ports, goal: Goal) -> Option<String> {
    if goal == Goal::Answer {
        return (!probe.alive(ports)).then(|| "no answer yet".to_owned());
    }
    match probe.ready(ports) {
        Health::Silent => Some("no answer yet".to_owned()),
        Health::Waiting(reason) => Some(reason),
        Health::Ready => match probe.height(ports) {
            Some(height) if height > 0 => None,
            Some(_) => Some("no block yet".to_owned()),
            None => Some("its RPC does not answer".to_owned()),
        },
    }
}

fn tail(layout: &Layout, name: &str) -> String {
    let log = layout.log(name);
    let text = log_tail::tail(&log, TAIL_LINES);
    if text.is_empty() {
        format!("{} is empty", log.display())
    } else {
        format!("the end of {}:\n{text}", log.display())
    }
}

/// Ends what this invocation started, and forgets the processes.
pub fn end(layout: &Layout, state: &mut State, started: &mut [Started]) -> Result<()> {
    let processes: Vec<ProcessId> =
        started.iter().filter_map(|node| state.nodes.get(node.index)?.process.clone()).collect();
    stop_all(&processes, GRACE)?;
    for node in started {
        // Ended above; this reaps it.
        let _ = node.child.wait();
        if let Some(node) = state.nodes.get_mut(node.index) {
            node.process = None;
        }
    }
    state.save(layout)
}

/// Forgets the processes that have ended, and lets go of the others: they run on.
pub fn leave(layout: &Layout, state: &mut State, started: &mut [Started]) -> Result<()> {
    for node in started {
        if let Ok(Some(_)) = node.child.try_wait()
            && let Some(node) = state.nodes.get_mut(node.index)
        {
            node.process = None;
        }
    }
    state.save(layout)
}

/// Gives a node that does not run new ports where somebody else took its own. Returns whether any changed.
pub fn mend_ports(state: &mut State, index: usize) -> Result<bool> {
    let taken = state.nodes.iter().flat_map(|node| node.ports.all()).collect();
    let Some(Node { name, ports, .. }) = state.nodes.get_mut(index) else { return Ok(false) };
    let mut changed = false;
    for port in [&mut ports.rpc, &mut ports.api, &mut ports.metrics, &mut ports.p2p] {
        if !super::ports::is_free(*port) {
            let fresh = super::ports::pick(1, &taken, u64::from(*port))?;
            if let Some(fresh) = fresh.first() {
                note(&format!("{name}: port {port} is taken by another program, using {fresh}"));
                *port = *fresh;
                changed = true;
            }
        }
    }
    Ok(changed)
}

/// Whether the last run of a node ended because its member was removed from the cluster: it is never let in again.
pub fn was_removed(layout: &Layout, name: &str) -> bool {
    let last = log_tail::tail(&layout.log(name), TAIL_LINES);
    let run = last.rsplit("started by pyralog-testnet").next();
    run.is_some_and(|run| run.contains("the member was removed from its cluster"))
}

/// Marks a start in the node's log, so that the runs in it can be told apart.
pub fn mark_log(layout: &Layout, name: &str) -> Result<()> {
    use std::io::Write;
    files::make_dir(&layout.nodes())?;
    let path = layout.log(name);
    let context = || format!("cannot write {}", path.display());
    let mut file = std::fs::File::options().create(true).append(true).open(&path).with_context(context)?;
    writeln!(file, "--- {name} started by pyralog-testnet").with_context(context)
}

#[cfg(test)]
mod tests;
