//! Scarab: the id.

use std::fmt;
use std::str::FromStr;

use super::NodeNumber;
use crate::Error;

/// 2025-01-01T00:00:00Z, in milliseconds since 1970-01-01T00:00:00Z: the time 0 of Scarab ids.
pub const SCARAB_EPOCH_MS: u64 = 1_735_689_600_000;

pub(super) const SEQUENCE_BITS: u32 = 13;
pub(super) const NODE_BITS: u32 = 10;
const TIME_BITS: u32 = 41;

/// First time that no id can hold, in milliseconds since [`SCARAB_EPOCH_MS`]: 2094-09-07T15:47:35.552Z.
pub(super) const END_MS: u64 = 1 << TIME_BITS;

/// An id: when, by whom, and which of that millisecond.
///
/// ```text
/// time:41 node:10 sequence:13      most significant first; time in milliseconds since 2025-01-01T00:00:00Z
/// ```
///
/// Ids of one [`Scarabs`](super::Scarabs) are distinct and ordered as they were drawn; ids of several are distinct where their node
/// numbers are, within one cluster. The unique name across clusters is (cluster, id). Every `u64` is an id of some time and node.
/// Until 2059-11-04T19:53:47.776Z ids are positive as `i64`; then the sign bit is set, and who stores them signed sees them turn negative.
///
/// **The time is for order, not for proof.** It is the word of one machine, and may lie ahead of its clock
/// ([`Scarabs::drift_ms`](super::Scarabs::drift_ms)).
///
/// As text an id is its decimal digits. In JSON that text is a *string*: a number above 2^53 does not survive JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scarab(u64);

impl Scarab {
    /// The id of a state, which is `time << 13 | sequence`, below 2^54.
    #[inline]
    pub(super) fn of_state(state: u64, node: NodeNumber) -> Self {
        let (time, sequence) = (state >> SEQUENCE_BITS, state & ((1 << SEQUENCE_BITS) - 1));
        Self(time << (NODE_BITS + SEQUENCE_BITS) | u64::from(node.number()) << SEQUENCE_BITS | sequence)
    }

    pub(super) fn state(self) -> u64 {
        self.time_ms() << SEQUENCE_BITS | u64::from(self.sequence())
    }

    /// Milliseconds since 2025-01-01T00:00:00Z ([`SCARAB_EPOCH_MS`]).
    #[must_use]
    pub fn time_ms(self) -> u64 {
        self.0 >> (NODE_BITS + SEQUENCE_BITS)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        SCARAB_EPOCH_MS + self.time_ms()
    }

    /// Who made it.
    #[must_use]
    pub fn node(self) -> NodeNumber {
        NodeNumber::of_bits(self.0 >> SEQUENCE_BITS)
    }

    /// Its number within the millisecond, 0 to 8191.
    #[must_use]
    pub fn sequence(self) -> u16 {
        (self.0 & ((1 << SEQUENCE_BITS) - 1)) as u16
    }
}

impl From<u64> for Scarab {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl From<Scarab> for u64 {
    fn from(id: Scarab) -> Self {
        id.0
    }
}

impl fmt::Display for Scarab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Scarab {
    type Err = Error;

    /// Reads what `Display` writes and nothing else: no sign, no leading zero, no space.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        match text.parse() {
            Ok(id) if plain => Ok(Self(id)),
            _ => Err(Error::NotAnId { text: text.chars().take(24).collect() }),
        }
    }
}

#[cfg(test)]
mod tests;
