//! Local networks, faults, load, the whole-network simulator and end-to-end tests of Pyralog.

pub mod bench;
pub mod fuzz;
pub mod localnet;
pub mod sim;

#[cfg(test)]
mod house;
