//! The Pyralog node: configuration, lifecycle, drivers and APIs. The only crate that wires the others together.

pub mod api;
pub mod backend;
pub mod chain;
pub mod config;
pub mod driver;
pub mod error;
pub mod home;
pub mod http;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod notary;
pub mod rpc;
pub mod store;

pub use error::{Error, Result};
