//! What happens on SIGINT (Ctrl-C) and SIGTERM: no file is left half written, and what is pending is said, with the command
//! that finishes it. A second signal ends the process at once.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use pyralog_consensus::receipt::ReceiptFile;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::error::{Context, Failure, Result};
use crate::output;
use crate::receipt_file::{self, word};

/// Held for reading while a file is put in its place, and for writing by whoever stops the process.
static GATE: RwLock<()> = RwLock::new(());
/// What the running command would leave behind.
static UNFINISHED: Mutex<Option<Unfinished>> = Mutex::new(None);
/// How far a command is that carries records.
static SO_FAR: Mutex<Option<SoFar>> = Mutex::new(None);
/// Set once, by the command that ends by itself or by the signal that stops it: only one of them prints.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Receipts that a command writes first as pending and then as complete ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Where they go.
    pub receipts: Vec<PathBuf>,
    /// Whether the pending form of each is on disk already.
    pub claimed: bool,
    /// The command that completes them once all are on disk.
    pub fetch: String,
}

/// How far a command is that has no end of its own, or a far one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// What is done, as half a sentence.
    pub done: String,
    /// The command that goes on from there.
    pub next: Option<String>,
}

/// Begins to listen. `json`: a stop prints a document too, like every other end.
pub fn listen(json: bool) -> Result<()> {
    let failed = || "cannot listen for signals".to_owned();
    let mut signals = Signals::new([SIGINT, SIGTERM]).context(failed)?;
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it, the second finds it up and has its usual effect.
        flag::register_conditional_default(signal, Arc::clone(&stopping)).context(failed)?;
        flag::register(signal, Arc::clone(&stopping)).context(failed)?;
    }
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            stop(signal, json);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context(failed)?;
    Ok(())
}

/// To be held while a file is written and put in its place: a stop waits for it, and nothing begins after a stop.
pub fn writing() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Says what a stop from now on leaves behind.
pub fn hold(unfinished: Unfinished) {
    *state() = Some(unfinished);
}

/// Says how far the command is.
pub fn so_far(done: impl Into<String>, next: Option<String>) {
    *progress() = Some(SoFar { done: done.into(), next });
}

/// Every pending receipt is on disk.
pub fn claimed() {
    if let Some(unfinished) = state().as_mut() {
        unfinished.claimed = true;
    }
}

/// The command is about to print its result. Does not return where a signal came first.
pub fn finish() {
    if ENDING.swap(true, Ordering::SeqCst) {
        loop {
            std::thread::park();
        }
    }
}

/// The command line that is running, as it can be typed again.
pub fn again() -> String {
    let words = std::env::args_os().skip(1).map(|text| word(&text));
    std::iter::once("pyralog".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn state() -> MutexGuard<'static, Option<Unfinished>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn progress() -> MutexGuard<'static, Option<SoFar>> {
    SO_FAR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stop(signal: i32, json: bool) {
    if ENDING.swap(true, Ordering::SeqCst) {
        return;
    }
    // Files that are being put in their places arrive there; never given back, so that no other is begun.
    let _gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    let failure = match progress().as_ref() {
        Some(so_far) => carried(signal, so_far),
        None => described(signal, state().as_ref(), &again()),
    };
    if json && let Err(unprintable) = output::print_document(&failure.document()) {
        output::print_failure(&unprintable);
    }
    if std::io::stderr().is_terminal() {
        // The terminal stands behind ^C, or behind a progress bar.
        output::note("");
    }
    output::print_failure(&failure);
    std::process::exit(failure.code().into());
}

/// The signal's name, and what a shell reports of a process that it ended.
fn named(signal: i32) -> (&'static str, u8) {
    let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
    (name, u8::try_from(signal).map_or(1, |number| number.saturating_add(128)))
}

/// A stop of a command that carries records.
fn carried(signal: i32, so_far: &SoFar) -> Failure {
    let (name, code) = named(signal);
    Failure::stopped(code, format!("stopped by {name}: {}", so_far.done)).next_if(so_far.next.clone())
}

/// What a stop leaves behind, by what lies on the disk.
fn described(signal: i32, unfinished: Option<&Unfinished>, again: &str) -> Failure {
    let (name, code) = named(signal);
    let Some(Unfinished { receipts, claimed, fetch }) = unfinished else {
        return Failure::stopped(code, format!("stopped by {name}"));
    };
    let (mut pending, mut complete) = (0usize, 0usize);
    for receipt in receipts {
        match receipt_file::read(receipt) {
            Ok(ReceiptFile::Pending(_)) => pending += 1,
            Ok(ReceiptFile::Complete(_)) => complete += 1,
            Err(_) => {}
        }
    }
    let total = receipts.len();
    let next = if *claimed { fetch } else { again };
    match (pending, *claimed) {
        (0, true) => Failure::stopped(code, format!("stopped by {name}: {complete} of {total} receipts are complete")),
        (0, false) => {
            Failure::stopped(code, format!("stopped by {name}: none of {total} documents was submitted")).next(next)
        }
        (_, true) => Failure::pending(format!(
            "stopped by {name}: {complete} of {total} receipts are complete, {pending} are pending"
        ))
        .next(next),
        (_, false) => Failure::pending(format!(
            "stopped by {name}: {pending} of {total} documents have a pending receipt, {} have none yet",
            total - pending
        ))
        .next(next),
    }
}

#[cfg(test)]
#[path = "interrupt_test.rs"]
mod tests;
