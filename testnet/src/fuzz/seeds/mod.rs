//! Real, small, valid inputs of every target, made by the code that writes them. Deterministic: the same code makes the same files.

pub(super) mod bootstrap;
mod consensus;
mod crypto;
mod files;
mod members;
mod partitions;
mod receipts;
mod replication;
pub(super) mod rosenpass;
mod streams;
mod tunnels;
mod txs;
mod wire;

pub(super) use txs::{conflicting_vote, transactions};

/// A file of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target it is for.
    pub target: &'static str,
    /// Its file name.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// Collects seeds.
#[derive(Debug, Default)]
struct Out(Vec<Seed>);

impl Out {
    fn put(&mut self, target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let (name, bytes) = (name.into(), bytes.into());
        if !self.0.iter().any(|seed| seed.target == target && seed.bytes == bytes) {
            self.0.push(Seed { target, name, bytes });
        }
    }
}

/// The seeds of all targets.
#[must_use]
#[allow(clippy::missing_panics_doc, reason = "constant inputs: a panic here is a bug that every test run would show")]
pub fn seeds() -> Vec<Seed> {
    let mut out = Out::default();
    crypto::put(&mut out);
    files::put(&mut out);
    streams::put(&mut out);
    partitions::put(&mut out);
    members::put(&mut out);
    replication::put(&mut out);
    rosenpass::put(&mut out);
    bootstrap::put(&mut out);
    consensus::put(&mut out);
    receipts::put(&mut out);
    wire::put(&mut out);
    tunnels::put(&mut out);
    out.0
}
