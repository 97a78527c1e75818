//! What is compared: clusters of three that keep what is appended to them.

use anyhow::Result;

use crate::bench::storage::store::Batch;

/// A running cluster.
pub trait System {
    /// What it is.
    fn name(&self) -> &'static str;

    /// What has happened when an append returns.
    fn durability(&self) -> &'static str;

    /// How its clients speak to it, and to which member.
    fn protocol(&self) -> &'static str;

    /// One more client with a connection of its own.
    fn client(&mut self) -> Result<Box<dyn Client>>;
}

/// One client.
pub trait Client: Send {
    /// Appends the records, and returns when all are acknowledged; `false` where the system did not want them, or does not know.
    fn append(&mut self, batch: &Batch) -> Result<bool>;
}
