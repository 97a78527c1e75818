//! What a group agrees about.

use pyralog_crypto::{Decode, Encode};

/// A state machine: the same commands in the same order give the same answers and the same state, byte for byte, on every member. So it has no
/// clock, no randomness, no floats, and ordered maps only. Its encoding is its snapshot.
pub trait Machine: Encode + Decode + Default + Send + Sync + 'static {
    /// What changes it.
    type Command: Encode + Decode + Send + Sync + 'static;
    /// What it says to a command.
    type Answer: Encode + Decode + Send + Sync + 'static;

    /// Applies one command.
    fn apply(&mut self, command: &Self::Command) -> Self::Answer;
}
