//! What all HTTP listeners share: bounded connections, Host and Origin checks, a rate limit per client.

mod guard;
mod listener;
mod quoting;
mod rate;

pub use guard::{AccessRules, Refusal};
pub use listener::{BoundedListener, ClientAddr};
pub use quoting::QuotingListener;
pub use rate::RateLimiter;
