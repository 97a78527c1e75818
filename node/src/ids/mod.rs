//! Pharaoh, the service of ids: servers that give Scarab ids and values of a counter and do nothing else, and their client.
//!
//! ```text
//! DIR/LOCK        one owner at a time
//!     scarab/     time bound of the ids     [`Scarabs`](pyralog_cluster_core::Scarabs)
//!     counter/    the counter               [`Obelisk`](pyralog_cluster_core::Obelisk)
//!     node        number of the generator, decimal; made last, so it says that the others were made
//!
//! IdsClient ──GET /v1/ids?count=N──▶ IdsServer ▸ IdsService ──▶ Generators ──▶ DIR
//!     └──────── the next one, when the first is dead, silent or refuses ──▶ IdsServer …
//! ```
//!
//! One round trip yields a whole range, up to [`MAX_RANGE`](pyralog_cluster_core::MAX_RANGE): an answer names its first id and its
//! length, and who reads it expands it ([`ScarabRange`](pyralog_cluster_core::ScarabRange)). Servers know nothing of each other: what
//! keeps their ids apart is the node number in each id, so no two may have the same. A counter has no such part: two servers are two
//! counters.

mod answers;
mod client;
mod generators;
mod number;
mod server;
mod service;
#[cfg(test)]
mod testkit;

pub use answers::{IdsAnswer, Span};
pub use client::IdsClient;
pub use generators::Generators;
pub use server::{IdsServer, ListenOn};
pub use service::IdsService;
