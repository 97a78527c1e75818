//! Obfuscation: what the datagrams look like on the wire, where the operator wants them to look like nothing known. Off by default.
//!
//! The form of WireGuard's messages is AmneziaWG's (amneziawg-go, `device/send.go` and `device/receive.go`), so its programs can be peers:
//!
//! ```text
//! Jc datagrams of Jmin to Jmax random bytes, before each initiation
//! S random bytes ‖ H (4, little-endian) ‖ the message behind its type       S1 H1 initiation, S2 H2 response, S3 H3 cookie reply, S4 H4 data
//! ```
//!
//! AmneziaWG makes mac1 and mac2 over the message *with* its changed type, and binds a cookie reply to that mac1; [`PeerMacs`] and [`WireMacs`] translate
//! them from and to what the state machine makes, which knows nothing of this.
//!
//! Rosenpass and the bootstrap have a form of our own ([`side`]): encrypted as a whole, with a key that follows from the same parameters.
//!
//! It is no protection of content, and none against whoever knows the parameters. Sizes of data and times stay as they are.

mod disguise;
mod draw;
mod macs;
mod side;
mod text;

use std::fmt;

use zeroize::{DefaultIsZeroes, Zeroizing};

pub(crate) use disguise::Disguise;
pub(crate) use macs::{PeerMacs, WireMacs};

use crate::ObfuscationError;

#[cfg(test)]
#[path = "obfuscation/tests/mod.rs"]
mod tests;

/// Longest text of parameters, in bytes.
pub const MAX_OBFUSCATION_TEXT: usize = 8 << 10;

/// Names of the kinds' padding and header, and the bytes of their messages, the least of data: initiation, response, cookie reply, data.
const KINDS: [(&str, &str, usize); 4] = [("S1", "H1", 148), ("S2", "H2", 92), ("S3", "H3", 64), ("S4", "H4", 32)];
/// Most bytes of padding, by kind. Handshakes stay within the 1,232 bytes that any path carries; data of 1,312 bytes needs a path for 1,360 as it is, and
/// for `S4` more with it.
const MOST_PADDING: [u16; 4] = [1_232 - 148, 1_232 - 92, 1_232 - 64, 64];
/// Most junk datagrams before an initiation, and most bytes of one.
const MOST_JUNK: (u16, u16) = (128, 1_232);
/// Bytes of a secret text.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// The parameters of an obfuscation, checked. All nodes of a network have the same, but for the junk. Wiped when dropped and never printed.
#[derive(Clone)]
pub struct Obfuscation {
    shared: Zeroizing<Shared>,
    /// Key of what is no WireGuard.
    side: Zeroizing<[u8; 32]>,
    junk: Junk,
}

/// What both ends of a link must have alike.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Shared {
    paddings: [u16; 4],
    headers: [Header; 4],
}

impl DefaultIsZeroes for Shared {}

/// The values that stand for a type: one of them is drawn for each message. Both ends are inside.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Header {
    first: u32,
    last: u32,
}

/// Datagrams without meaning that go before an initiation.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Junk {
    count: u16,
    least: u16,
    most: u16,
}

impl Obfuscation {
    /// Reads parameters in the form of AmneziaWG's configuration, `Key = value` in lines, with `[Interface]` before them or not, `#` before comments:
    /// `Jc`, `Jmin`, `Jmax`, `S1` to `S4`, `H1` to `H4` (a number, or `FIRST-LAST`), and `Secret`, which is ours: a text from which all that is not given
    /// follows. Without it, what is not given is plain WireGuard's.
    ///
    /// # Errors
    /// The line or the parameter that is wrong. Values are not quoted.
    pub fn parse(text: &str) -> Result<Self, ObfuscationError> {
        text::read(text)?.settle()
    }

    /// All parameters from one text that the nodes of a network share: 16 to 256 bytes that nobody can guess.
    ///
    /// # Errors
    /// [`ObfuscationError::SecretLength`].
    pub fn from_secret(secret: &str) -> Result<Self, ObfuscationError> {
        text::Given::of(secret).settle()
    }

    /// Checks what cannot be seen in one line.
    fn new(secret: &[u8], shared: Shared, junk: Junk) -> Result<Self, ObfuscationError> {
        shared.check()?;
        if junk.least > junk.most {
            return Err(ObfuscationError::JunkSizes);
        }
        if secret.is_empty() && shared == Shared::PLAIN && junk.count == 0 {
            return Err(ObfuscationError::Nothing);
        }
        Ok(Self { side: draw::side_key(secret, &shared), shared: Zeroizing::new(shared), junk })
    }
}

impl Shared {
    /// WireGuard as it is.
    const PLAIN: Self =
        Self { paddings: [0; 4], headers: [Header::one(1), Header::one(2), Header::one(3), Header::one(4)] };

    fn check(&self) -> Result<(), ObfuscationError> {
        let length = |kind: usize| KINDS[kind].2 + usize::from(self.paddings[kind]);
        if length(0) == length(1) {
            return Err(ObfuscationError::SameLength);
        }
        if length(2) > length(0).min(length(1)) {
            return Err(ObfuscationError::LongCookie);
        }
        if self.headers == Self::PLAIN.headers {
            return Ok(());
        }
        for (kind, header) in self.headers.iter().enumerate() {
            let name = KINDS[kind].1;
            if header.first <= 4 {
                return Err(ObfuscationError::PlainHeader { name });
            }
            let meets = |other: &Header| header.first <= other.last && other.first <= header.last;
            if let Some(other) = (kind + 1..4).find(|other| meets(&self.headers[*other])) {
                return Err(ObfuscationError::Overlap { one: name, other: KINDS[other].1 });
            }
        }
        Ok(())
    }
}

impl Header {
    const fn one(value: u32) -> Self {
        Self { first: value, last: value }
    }

    const fn holds(self, value: u32) -> bool {
        self.first <= value && value <= self.last
    }
}

impl fmt::Debug for Obfuscation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Obfuscation(..)")
    }
}
