//! Fuzzing of every decoder of network or file bytes.
//!
//! [`TARGETS`] is the list: one name, one function, one folder of real files in `testnet/corpus/NAME/`. A target calls the
//! real entry point and then does with the value what the program does with it: verifies the receipt, feeds the engine, offers the
//! transaction to the ledger. A panic is a bug; so is a value that does not encode to the bytes it came from.
//!
//! - `make test` replays the corpus with seeded mutations of each file and counts: a target without files, without executions or
//!   whose corpus it no longer accepts fails.
//! - `make fuzz` lets libFuzzer look for more, guided by coverage (`testnet/fuzz/`); what it finds is copied to the corpus.
//! - `pyralog-testnet fuzz run TARGET FILE…` repeats a find; `pyralog-testnet fuzz seeds DIR` makes the seed files anew.

mod chain;
pub mod cli;
mod mutate;
mod node;
mod partition;
mod seeds;
mod targets;

pub use mutate::Mutator;
pub use seeds::{Seed, seeds};
pub use targets::TARGETS;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: a folder below `testnet/corpus`.
    pub name: &'static str,
    /// Runs it once; whether the bytes were accepted. Panics where the code is wrong.
    pub run: fn(&[u8]) -> bool,
}

/// The target called `name`.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests;
