//! What the bootstrap may spend.

/// Bounds on memory and work. [`Limits::DEFAULTS`] suits a node of a network with up to a thousand peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records of other peers that are kept, to be told on.
    pub records: usize,
    /// Networks (an IPv4 address, or the first 64 bits of an IPv6 address) whose questions are counted at the same time.
    pub sources: usize,
    /// Answers in a second, one of 1 KiB each.
    pub answers_per_second: u32,
    /// Answers to one network in a second. A key is 512 of them.
    pub source_per_second: u32,
    /// Records that strangers bring along and that are verified in a second, each for about 0.1 ms.
    pub introductions_per_second: u32,
    /// Of one network.
    pub source_introductions_per_second: u32,
    /// Peers whose records are sought at the same time.
    pub searches: usize,
    /// Keys that are fetched at the same time, or in part; half a MiB each.
    pub downloads: usize,
}

impl Limits {
    /// The bounds that hold where nothing else is said.
    pub const DEFAULTS: Self = Self {
        records: 1_024,
        sources: 4_096,
        answers_per_second: 20_000,
        source_per_second: 10_000,
        introductions_per_second: 200,
        source_introductions_per_second: 50,
        searches: 256,
        downloads: 32,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
