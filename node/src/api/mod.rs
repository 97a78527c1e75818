//! The native HTTP API.

mod answers;
mod chain;
mod cluster;
mod extract;
mod forward;
mod leaves;
mod logs;
mod notary;
mod object;
mod problem;
mod server;
mod starting;
mod token;
mod tunnels;
mod values;

pub use extract::unread_query;
pub use leaves::parse_leaves;
pub use problem::Problem;
pub use server::{ApiService, ApiState};
pub use starting::starting;
pub use token::AdminToken;

#[cfg(test)]
mod leaves_test;
