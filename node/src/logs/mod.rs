//! Record logs on the node's side: created, appended to, read with proofs, let go by retention.

mod append;
mod consistency;
mod copies;
mod error;
#[cfg(test)]
mod kit;
mod producers;
mod read;
mod record_logs;
mod replicated;
mod report;
mod retention;

use std::time::{SystemTime, UNIX_EPOCH};

pub use append::{Appended, Place};
pub use consistency::Growth;
pub use copies::{Copies, Copysets, MAX_COPIES};
pub use error::{LogError, Partly};
pub use read::{Found, Page, Question, Start};
pub use record_logs::{NewLog, RecordLogs};
pub use report::{Held, LogReport, PartitionReport, Placed};
pub use retention::RetentionDriver;

/// The node's clock: milliseconds since 1970-01-01T00:00:00Z.
pub fn now_ms() -> u64 {
    // Fits until long after the largest timestamp of a record.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
