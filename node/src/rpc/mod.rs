//! The CometBFT-compatible RPC.

mod budget;
pub mod envelope;
pub mod json;
pub mod methods;
pub mod params;
pub mod query;
mod server;
mod socket;

pub use methods::{Context, RPC_VERSION};
pub use server::RpcService;
