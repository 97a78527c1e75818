//! The store as other crates see it, on the real disk and RocksDB.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod formats;
mod ids;
mod kill;
mod real;
