//! Whole networks over real sockets on 127.0.0.1, inside tunnels, and over libp2p's memory transport. Waiting is bounded only so that a
//! hang fails; nothing is asserted about speed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod discovery;
mod flood;
mod gossip;
mod hostile;
mod lifecycle;
mod members;
mod members_hostile;
mod members_paths;
mod members_speed;
mod mesh;
mod net;
mod proxy;
mod relay;
mod requests;
mod tunnel_attacks;
mod tunnel_boringtun;
mod tunnel_keys;
mod tunnel_mesh;
mod tunnel_obfuscation;
mod tunnel_paths;
mod tunnel_stock;
