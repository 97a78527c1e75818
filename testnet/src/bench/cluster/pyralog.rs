//! Pyralog: a log of one partition on three members, appended to over the native API of the one that leads.

use anyhow::{Result, bail};

use super::members::{Members, records_body, records_path};
use super::system::{Client, System};
use crate::bench::http::Connection;
use crate::bench::storage::store::Batch;

/// The name in figures.
pub const PYRALOG: &str = "Pyralog";

/// Clients of a running cluster.
pub struct Pyralog<'a>(pub &'a Members);

/// One of them.
struct Appender {
    connection: Connection,
    path: String,
    /// Of the last batch, with the address and number of its records: the same batch comes again and again.
    body: Vec<u8>,
    of: (usize, usize),
}

impl System for Pyralog<'_> {
    fn name(&self) -> &'static str {
        PYRALOG
    }

    fn durability(&self) -> &'static str {
        "on 2 of 3 disks: fdatasync of the journal"
    }

    fn protocol(&self) -> &'static str {
        "HTTP and JSON with values in hex to the leader, a request per batch, one partition"
    }

    fn client(&mut self) -> Result<Box<dyn Client>> {
        let connection = self.0.connect(self.0.leader(0)?)?;
        Ok(Box::new(Appender { connection, path: records_path(0), body: Vec::new(), of: (0, 0) }))
    }
}

impl Client for Appender {
    fn append(&mut self, batch: &Batch) -> Result<bool> {
        let of = (batch.records().as_ptr() as usize, batch.records().len());
        if self.of != of {
            (self.body, self.of) = (records_body(batch.records()), of);
        }
        let answer = self.connection.ask(&self.path, Some(&self.body))?;
        if answer.status == 503 {
            return Ok(false);
        }
        let answer = answer.ok(&self.path)?.json()?;
        let placed = answer["records"].as_array().map_or(0, Vec::len);
        if placed != batch.records().len() {
            bail!("{placed} of {} records were acknowledged", batch.records().len());
        }
        Ok(true)
    }
}
