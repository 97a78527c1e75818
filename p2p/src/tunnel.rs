//! Tunnels between the nodes of a network.

pub mod rosenpass;
