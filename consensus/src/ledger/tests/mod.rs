//! Tests of the ledger through [`Application`](crate::application::Application), as the engine and the mempool use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ahead;
mod blocks;
mod proofs;
mod properties;
mod refused;
mod refused_logs;
mod refused_stake;
mod slashing;
mod stake;
