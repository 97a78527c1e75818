//! The chain: blocks, commits, results, state and indexes, each block atomic with all that belongs to it.

mod block;
#[cfg(any(test, feature = "testkit"))]
mod memory;
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
pub(crate) use store::ChainFile;
