//! Pyralog.
fn main() {}
