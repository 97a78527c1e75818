//! End to end: the three programs as real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod apart;
mod capture;
mod chain;
mod cluster;
mod documents;
mod faults;
mod ids;
mod launcher;
mod net;
mod reach;
mod readme;
mod rosenpass;
mod stock;
mod tendermint;
mod tunnels;
mod tunnels_amnezia;
