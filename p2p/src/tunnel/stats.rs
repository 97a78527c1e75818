//! What can be said about the tunnels.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::TunnelKey;

/// One link at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStats {
    /// The peer's WireGuard public key.
    pub key: TunnelKey,
    /// Its address inside the tunnels.
    pub overlay: Ipv6Addr,
    /// Where its packets go now.
    pub endpoint: Option<SocketAddr>,
    /// Whether packets may pass: not before the first preshared key where post-quantum keys are required.
    pub admitted: bool,
    /// Time since the current session was agreed upon; `None` without one.
    pub last_handshake: Option<Duration>,
    /// Time since the preshared key was set.
    pub key_age: Option<Duration>,
    /// Time since something authentic came from the peer.
    pub last_heard: Option<Duration>,
    /// Bytes sent in WireGuard packets, with their headers and handshakes.
    pub sent_bytes: u64,
    /// Bytes received and decrypted, without the headers of data packets.
    pub received_bytes: u64,
    /// Estimated share of the peer's packets that did not arrive, 0 to 1; by their counters, newest sessions weigh most.
    pub loss: f64,
    /// Round trip of the last handshake that we began, in whole milliseconds.
    pub round_trip: Option<Duration>,
    /// Handshake answers that do not fit our preshared key.
    pub wrong_key: u64,
    /// Our handshake answers that the peer has not used since it was last understood: another preshared key on its side.
    pub unused_answers: u32,
    /// Packets and handshakes that had come before.
    pub replayed: u64,
    /// Other packets that did not decrypt or fit no state.
    pub refused: u64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What came to the socket and went nowhere, since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct TunnelCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters themselves.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> TunnelCounters {
                TunnelCounters { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Datagrams of no known type, or of a length that the type does not have.
    malformed,
    /// Datagrams that our obfuscation does not know: junk before handshakes, or a sender with other parameters or none.
    other_obfuscation,
    /// Handshakes of static keys that are no peers.
    unknown_keys,
    /// Handshakes of peers that have no post-quantum key yet.
    unkeyed,
    /// Handshakes answered with a cookie: too many came.
    cookies,
    /// Handshakes dropped because too many came even with cookies.
    floods,
    /// Packets of sessions that nobody has.
    unknown_sessions,
    /// Decrypted packets that are no valid IPv6, or do not come from the peer's own address.
    bad_inner,
    /// Decrypted datagrams to ports without a reader.
    closed_ports,
    /// Decrypted datagrams dropped because their reader is slow.
    full_ports,
    /// Echo requests dropped because too many came.
    echoes,
    /// Datagrams of Rosenpass or of the bootstrap dropped because they are too long or their reader is slow.
    side,
    /// Packets to send to addresses that belong to no peer that may speak.
    no_route,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn more(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn inc(&self) {
        self.more(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
