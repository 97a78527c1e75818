//! Networks of four engines, and the rules of one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod net;
mod light;
mod network;
mod robustness;
mod signing;
mod timing;
