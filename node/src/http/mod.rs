//! What all HTTP listeners share: bounded connections that must send their requests in time, Host and Origin checks, a rate limit per client; and
//! what calls to other nodes share.

mod agent;
mod arrival;
mod connections;
mod guard;
mod listener;
mod places;
mod quoting;
mod rate;
pub mod serve;

pub use agent::agent;
pub use arrival::Arrival;
pub use connections::{Patience, serve_connections};
pub use guard::{AccessRules, Refusal, Stranger};
pub use listener::{BoundedListener, ClientAddr};
pub use quoting::QuotingListener;
pub use rate::RateLimiter;
