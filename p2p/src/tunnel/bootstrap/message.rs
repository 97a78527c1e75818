//! The datagrams. Numbers are big-endian; the first byte is the kind, the second the version, 1.
//!
//! | kind | bytes | behind kind and version |
//! |---|---|---|
//! | `0xb0` Ask | 1,120 | id 8, cookie 16 or zeros, then one of the two below, zeros to the end |
//! | … for a record | | `0x01`, identity of the peer 32, own record or nothing as a byte string |
//! | … for a chunk | | `0x02`, BLAKE3 of the key 32, number of the chunk `u16` |
//! | `0xb1` Cookie | 26 | id 8, cookie 16 |
//! | `0xb2` Record | up to 1,034 | id 8, signed peer record |
//! | `0xb3` Chunk | up to 1,034 | id 8, 1,024 bytes of the key, fewer at its end |
//! | `0xb4` Nothing | 10 | id 8 |
//!
//! The id is drawn at random for each question, and comes back with its answer: nobody but who sees the question can forge one.

use pyralog_crypto::{CodecError, Hash, PublicKey, Reader, Writer};

use crate::tunnel::MAX_RECORD_BYTES;

/// Bytes of every Ask: no answer is longer.
pub const ASK_BYTES: usize = 1_120;
/// Bytes of a chunk, but the last one of a key.
pub const CHUNK_BYTES: usize = 1_024;

const VERSION: u8 = 1;
const ASK: u8 = 0xb0;
const COOKIE: u8 = 0xb1;
const RECORD: u8 = 0xb2;
const CHUNK: u8 = 0xb3;
const NOTHING: u8 = 0xb4;
const FOR_RECORD: u8 = 1;
const FOR_CHUNK: u8 = 2;

/// Shows that its bearer receives at an address. Zeros are none.
pub(super) type Cookie = [u8; 16];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// The record of a peer. The asker's own comes along, or nothing.
    Record { of: PublicKey, own: &'a [u8] },
    /// A chunk of a key.
    Chunk { of: Hash, number: u16 },
}

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Ask { id: u64, cookie: Cookie, wanted: Wanted<'a> },
    Cookie { id: u64, cookie: Cookie },
    Record { id: u64, record: &'a [u8] },
    Chunk { id: u64, bytes: &'a [u8] },
    Nothing { id: u64 },
}

impl Message<'_> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Writer::with_capacity(ASK_BYTES);
        match self {
            Message::Ask { id, cookie, wanted } => {
                out.u8(ASK).u8(VERSION).u64(id).raw(&cookie);
                match wanted {
                    Wanted::Record { of, own } => out.u8(FOR_RECORD).raw(&of.0).bytes(own),
                    Wanted::Chunk { of, number } => out.u8(FOR_CHUNK).raw(&of.0).u16(number),
                };
            }
            Message::Cookie { id, cookie } => {
                out.u8(COOKIE).u8(VERSION).u64(id).raw(&cookie);
            }
            Message::Record { id, record } => {
                out.u8(RECORD).u8(VERSION).u64(id).raw(record);
            }
            Message::Chunk { id, bytes } => {
                out.u8(CHUNK).u8(VERSION).u64(id).raw(bytes);
            }
            Message::Nothing { id } => {
                out.u8(NOTHING).u8(VERSION).u64(id);
            }
        }
        let mut bytes = out.into_bytes();
        if matches!(self, Message::Ask { .. }) {
            bytes.resize(ASK_BYTES, 0);
        }
        bytes
    }

    /// Reads a datagram. Nothing is copied.
    pub(super) fn parse(bytes: &[u8]) -> Result<Message<'_>, CodecError> {
        let mut input = Reader::new(bytes);
        let kind = input.u8()?;
        input.version("bootstrap datagram", VERSION)?;
        let id = input.u64()?;
        let message = match kind {
            ASK => {
                let (cookie, wanted) = (input.array()?, wanted(&mut input)?);
                padded(bytes.len(), &mut input)?;
                Message::Ask { id, cookie, wanted }
            }
            COOKIE => Message::Cookie { id, cookie: input.array()? },
            RECORD => Message::Record { id, record: rest(&mut input, MAX_RECORD_BYTES)? },
            CHUNK => Message::Chunk { id, bytes: rest(&mut input, CHUNK_BYTES)? },
            NOTHING => Message::Nothing { id },
            found => return Err(CodecError::Tag { what: "kind of a bootstrap datagram", found: found.into() }),
        };
        input.finish()?;
        Ok(message)
    }
}

fn wanted<'a>(input: &mut Reader<'a>) -> Result<Wanted<'a>, CodecError> {
    match input.u8()? {
        FOR_RECORD => Ok(Wanted::Record { of: PublicKey(input.array()?), own: input.bytes(MAX_RECORD_BYTES)? }),
        FOR_CHUNK => Ok(Wanted::Chunk { of: Hash(input.array()?), number: input.u16()? }),
        found => Err(CodecError::Tag { what: "what is asked for", found: found.into() }),
    }
}

/// An Ask has one length and one form.
fn padded(length: usize, input: &mut Reader<'_>) -> Result<(), CodecError> {
    let padding = input.raw(input.remaining())?;
    if length != ASK_BYTES || padding.iter().any(|byte| *byte != 0) {
        return Err(CodecError::Invalid { what: "ask", why: "not filled up with zeros to its length" });
    }
    Ok(())
}

fn rest<'a>(input: &mut Reader<'a>, max: usize) -> Result<&'a [u8], CodecError> {
    let found = input.remaining();
    if found > max {
        return Err(CodecError::TooLong { what: "bootstrap answer", max, found });
    }
    input.raw(found)
}

/// Whether these bytes have the form of a datagram of the bootstrap: for fuzzers.
///
/// # Errors
/// What is wrong with them.
pub fn check_datagram(bytes: &[u8]) -> Result<(), CodecError> {
    let message = Message::parse(bytes)?;
    // One message has one encoding.
    debug_assert_eq!(message.to_bytes(), bytes);
    Ok(())
}
