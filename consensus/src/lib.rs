//! Pyralog.

pub mod application;
pub mod block;
pub mod engine;
pub mod error;
pub mod ledger;
pub mod light;
pub mod receipt;
pub mod tx;
