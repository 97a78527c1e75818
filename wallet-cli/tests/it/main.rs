//! The program as a user meets it: real processes, real files, exit codes, and a node that is a thread of the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod batch;
mod fake_light;
mod fake_node;
mod keys;
mod light;
mod notarize;
mod tool;
mod tx;
mod usage;
mod verify;
