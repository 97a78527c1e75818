//! What the machine may spend.

/// Bounds on memory and work. [`Limits::DEFAULTS`] suits a node of a network with up to a thousand peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Peers at most. Each costs half a MiB, its public key.
    pub peers: usize,
    /// Networks (an IPv4 address, or the first 64 bits of an IPv6 address) whose InitHellos are counted at the same time.
    pub sources: usize,
    /// InitHellos that are decapsulated in a second. One costs 1 ms with AVX2, up to 35 ms without.
    pub hellos_per_second: u32,
    /// InitHellos that are decapsulated at once. From half of them on, cookies are demanded.
    pub hellos_at_once: u32,
    /// InitHellos of one network in a second.
    pub source_per_second: u32,
    /// InitHellos of one network at once.
    pub source_at_once: u32,
    /// CookieReplies in a second.
    pub cookies_per_second: u32,
}

impl Limits {
    /// The bounds that hold where nothing else is said.
    pub const DEFAULTS: Self = Self {
        peers: 1_024,
        sources: 4_096,
        hellos_per_second: 20,
        hellos_at_once: 64,
        source_per_second: 4,
        source_at_once: 32,
        cookies_per_second: 500,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
