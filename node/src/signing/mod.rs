//! Signing as a cluster: one member at a time runs the consensus engine with the validator key, and whatever it signs rests on a log that the cluster
//! replicates.
//!
//! ```text
//! member that leads pyralog.signer   Engine with key ─ WAL entries, marks, blocks ─▶ pyralog.signer (durable on a quorum, under its epoch)
//! every other member                 Engine without key ◀─ blocks ─ SignerLog ◀─ pyralog.signer
//! ```
//!
//! The lease is the epoch of the log's partition. A signature leaves a member when its record is acknowledged in that epoch ([`QuorumWal`]). Whoever takes the
//! next epoch has all that was acknowledged in the earlier ones before it signs anything ([`SignerLog`]), and a member whose epoch is over gets no record
//! acknowledged any more, whatever it believes. Clocks decide nothing.
//!
//! A node that is its cluster's only member signs over its own disk, until a second one is admitted ([`SigningDriver::share`]).

mod driver;
mod handing;
mod quorum_wal;
mod reading;
mod record;
mod signer_log;
mod source;
mod state;
mod strange;

pub use driver::{SHARED_KEYS, SigningDriver, SigningParts};
pub use handing::{Handing, lacks_blocks};
pub use quorum_wal::QuorumWal;
pub use record::{Said, SignerRecord};
pub use signer_log::SignerLog;
pub use source::{EngineSource, Role, Signing, Wal};
pub use state::state_text;
