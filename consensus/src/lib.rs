//! Pyralog.

pub mod application;
pub mod block;
pub mod duration;
pub mod engine;
pub mod error;
pub mod genesis;
pub mod ledger;
pub mod light;
pub mod mempool;
pub mod proof_verifier;
pub mod receipt;
pub mod tx;
