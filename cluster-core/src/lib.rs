//! Pyralog.
