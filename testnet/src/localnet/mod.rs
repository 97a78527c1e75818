//! The local network launcher: real `pyralogd` processes on loopback ports, in one directory, without a supervisor.
//!
//! Reading order: [`cli`] (the commands), [`up`], [`create`] (keys, genesis, homes), [`join`] (homes of further members), [`node`] (start and wait),
//! [`process`] (how a process is recognised again), [`control`] (`down`, `fault`, `reset`).

mod banner;
pub mod cli;
mod config;
mod control;
mod create;
mod files;
mod foreground;
pub(crate) mod interrupt;
mod join;
pub mod layout;
mod log_tail;
pub mod manifest;
mod node;
mod partition;
mod peer_id;
pub mod ports;
mod probe;
pub mod process;
pub mod state;
mod status;
#[cfg(test)]
mod testkit;
mod up;
mod wipe;

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;

use cli::{Cli, Command};
use layout::Layout;

/// The node's program, expected beside the launcher.
pub const NODE_PROGRAM: &str = "pyralogd";
/// The launcher's own program name.
pub const LAUNCHER_PROGRAM: &str = "pyralog-testnet";

/// Runs one command of the launcher.
///
/// # Errors
/// A sentence that names the file, flag or node at fault, and where it helps the next command to type.
pub fn run(cli: Cli) -> Result<()> {
    let layout = Layout::new(&cli.dir)?;
    match cli.command {
        Command::Up(args) => up::run(&layout, &args),
        Command::Down { grace } => control::stop_nodes(&layout, || grace),
        Command::Status { json } => status(&layout, json),
        Command::Logs { node, follow, lines } => logs(&layout, &node, follow, lines),
        Command::Fault { fault } => control::fault(&layout, &fault),
        Command::Reset => control::reset(&layout),
        Command::Fuzz { command } => crate::fuzz::cli::run(&command),
        Command::Bench(args) => crate::bench::run(&args),
        Command::Sim(args) => {
            let (text, held) = crate::sim::cli::run(&args)?;
            print_stdout(&text)?;
            if held { Ok(()) } else { Err(anyhow::anyhow!("a rule did not hold")) }
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), LAUNCHER_PROGRAM, &mut script);
            print_stdout(&String::from_utf8_lossy(&script))
        }
        Command::ExecInSession { group, program, args } => process::exec_in_session(group, &program, &args),
    }
}

fn status(layout: &Layout, json: bool) -> Result<()> {
    let shown = or_document(json, status::run(layout, json))?;
    print_stdout(&shown.text)?;
    if shown.processes == 0 {
        let dir = layout.root().display();
        bail!("no node of the network in {dir} runs; `pyralog-testnet up --dir {dir}` resumes it");
    }
    Ok(())
}

/// With `--json` an error is a document on stdout too, in the form of `pyralog`'s. For what fails before anything was printed there.
fn or_document<T>(json: bool, result: Result<T>) -> Result<T> {
    if let (true, Err(error)) = (json, &result) {
        let error = serde_json::json!({ "exit_code": 1, "message": format!("{error:#}") });
        print_stdout(&format!("{:#}\n", serde_json::json!({ "status": "error", "error": error })))?;
    }
    result
}

fn logs(layout: &Layout, node: &str, follow: bool, lines: Option<usize>) -> Result<()> {
    let state = state::State::require(layout)?;
    let index = state.find(node)?;
    let name = state.nodes.get(index).map(|node| node.name.as_str()).unwrap_or_default();
    let result = log_tail::copy(&layout.log(name), lines, follow, &mut std::io::stdout().lock(), || true);
    match result {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        other => other,
    }
}

/// Prints a result on stdout, without styles where that is no terminal. A reader that went away is no error.
pub(crate) fn print_stdout(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Prints a line on stderr.
fn note(line: &str) {
    // stderr may be closed; there is nowhere left to say so.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_counts_as_one() {
        let closed = anyhow::Error::from(std::io::Error::from(ErrorKind::BrokenPipe)).context("cannot write");
        assert!(is_closed_pipe(&closed));
        assert!(!is_closed_pipe(&anyhow::Error::from(std::io::Error::from(ErrorKind::StorageFull))));
        assert!(!is_closed_pipe(&anyhow::anyhow!("broken pipe, says a sentence")));
    }
}
