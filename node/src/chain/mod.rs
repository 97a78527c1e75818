//! Committed blocks as the node stores and reads them.

mod check;
mod meta;
mod reader;
mod record;

pub use check::check_blocks;
pub use meta::{BlockMeta, MAX_META_BYTES};
pub use reader::{ChainReader, ReadError, TxPosition};
pub use record::BlockRecord;

#[cfg(test)]
mod meta_test;
