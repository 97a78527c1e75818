//! The Pyralog node: configuration, lifecycle, drivers and APIs. The only crate that wires the others together.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`], [`config`], [`init`], [`home`], [`keys`], [`logging`] | from the command line to a home that is ready |
//! | [`node`] | start and stop in order |
//! | [`driver`] | what feeds the sans-IO engine and carries its effects out |
//! | [`notary`] | admission with promises, anchors, receipts |
//! | [`signing`] | which member of the cluster signs, and what its signatures rest on |
//! | [`logs`] | record logs: append, read with proofs, retention |
//! | [`store`], [`chain`] | committed blocks, ledger reads |
//! | [`rpc`], [`api`], [`metrics`], [`http`] | what others ask us, over [`backend`] |
//! | [`tunnel`] | the tunnels that carry all of the network: keys, addresses, status |
//! | [`cluster`] | this node as a member of its cluster: links, members, joining |
//! | [`ids`] | a service of its own: ids, and the client for them |

pub mod api;
pub mod backend;
pub mod chain;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod driver;
pub mod error;
pub mod home;
pub mod http;
pub mod ids;
pub mod init;
pub mod keys;
pub mod logging;
pub mod logs;
pub mod metrics;
pub mod node;
pub mod notary;
pub mod rpc;
pub mod signing;
pub mod store;
#[cfg(test)]
mod testkit;
pub mod tunnel;

pub use error::{Error, Result};
