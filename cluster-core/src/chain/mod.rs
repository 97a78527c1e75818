//! The chain: blocks, commits, results, state and indexes, each block atomic with all that belongs to it.

mod block;
mod check;
#[cfg(any(test, feature = "testkit"))]
mod memory;
mod overlay;
mod rocks;
mod store;
mod tables;

pub use block::{Genesis, PutBlock, TxPlace};
#[cfg(any(test, feature = "testkit"))]
pub use memory::MemoryTables;
pub use rocks::RocksTables;
pub use store::Chain;
pub use tables::{Batch, Durability, Family, Tables, Visit};

pub(crate) use block::ChainWrite;
pub(crate) use check::check;
pub(crate) use overlay::OverlayTables;
pub(crate) use store::ChainFile;

/// Whether the bytes are a value of an index table.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn decodes(bytes: &[u8]) -> bool {
    block::decode_height(bytes).is_some() || block::decode_place(bytes).is_some()
}
