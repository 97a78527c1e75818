//! The bootstrap without I/O: how two nodes that know no more of each other than a peer id and an address come to the keys of a tunnel.
//!
//! It runs on the port of the tunnels, outside them, and carries what is public anyway: signed peer records, and static Rosenpass keys, half a
//! MiB each, by their hash. Records prove themselves; a key is checked against the hash in its owner's record.
//!
//! ```text
//! asker ── Ask 1,120 ───────────▶ answerer     for the record of a peer, or a chunk of a key
//!       ◀─ Cookie 26 ────────────              show that you receive at your address
//!       ── Ask, with the cookie ─▶             brings the asker's own record along where it wants a tunnel
//!       ◀─ Record | Chunk | Nothing            never longer than the Ask
//! ```
//!
//! [`Bootstrap::step`] is all there is: time, randomness and an [`Input`] go in, [`Effect`]s come out. It reads no clock and no socket.
//!
//! **The answering side** keeps nothing for an asker: cookies are a keyed hash of its address ([`COOKIE_EPOCH`]). What strangers can cause is
//! bounded by [`Limits`]: answers and verified signatures in a second, for each network and in all.
//!
//! **The asking side** repeats a question until it is answered, at several addresses at once, and gives up after [`PATIENCE`] without progress. A
//! key that was fetched in part goes on where it stood when it is asked for again.

mod asking;
mod cookie;
mod download;
mod effect;
mod input;
mod limits;
mod machine;
mod message;
mod question;
mod sources;
mod timing;

pub use effect::Effect;
pub use input::Input;
pub use limits::Limits;
pub use machine::Bootstrap;
pub use message::{ASK_BYTES, CHUNK_BYTES, check_datagram};
pub use timing::{COOKIE_EPOCH, PATIENCE};

#[cfg(test)]
mod tests;
