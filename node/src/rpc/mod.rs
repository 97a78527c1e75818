//! The CometBFT-compatible RPC.

pub mod envelope;
pub mod json;
pub mod params;
pub mod query;
