//! Drivers: they feed the sans-IO cores and carry out what follows.

mod engine_handle;
mod engine_loop;
mod engine_queue;
mod engine_thread;
mod network;
mod node_ports;
mod offers;
mod ports;
mod shared;
mod sync;
mod tx_checker;
pub mod wire;

pub use engine_handle::{EngineHandle, GossipGroup, Judged, LoopEvent, Responder, TxAnswer};
pub use engine_loop::{EngineLoop, Now};
pub use engine_queue::{EngineInbox, Permit, QueuedBundle, Turn, UncheckedInbox};
pub use engine_thread::spawn as spawn_engine;
pub use network::{NetCommand, Network, p2p_config};
pub use node_ports::NodePorts;
pub use ports::Ports;
pub use shared::{Shared, SharedPool, lock};
pub use tx_checker::spawn as spawn_tx_checker;
