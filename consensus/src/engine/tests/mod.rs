//! Networks of four engines, and the rules of one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::print_stdout)]

mod app;
mod canary;
mod checks;
mod light;
mod net;
mod network;
mod presence;
mod robustness;
mod signing;
mod timing;
