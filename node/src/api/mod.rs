//! The native HTTP API.

mod answers;
mod chain;
mod leaves;
mod problem;
mod server;

pub use leaves::parse_leaves;
pub use problem::Problem;
pub use server::{ApiService, ApiState};

#[cfg(test)]
mod leaves_test;
