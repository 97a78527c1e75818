//! The node's view of cluster-core: committed blocks, the ledger's state, and two small indexes beside it.

mod core_chain;
mod index;
mod ledger;

pub use core_chain::CoreChain;
pub use index::{AnchorPlace, Indexes};
pub use ledger::LedgerView;

#[cfg(test)]
mod index_test;
