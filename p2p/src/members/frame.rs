//! The bytes of a lane: frames of a `u32` length (big-endian) and that many bytes; the length `0xffffffff` is a ping.

use std::io::{self, ErrorKind};

use bytes::Bytes;

#[cfg(test)]
mod tests;

/// Longest message of a member link in bytes: a payload of 4 MiB and what stands around it.
pub const MAX_MEMBER_MESSAGE: usize = 12 << 20;
/// The head of a ping, which has no body.
pub(crate) const PING: [u8; HEAD] = [0xff; HEAD];
const HEAD: usize = 4;
/// Memory for bytes that have not been looked at, and the step in which a long body grows at first.
const CHUNK: usize = 64 << 10;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Ping,
    Message(Bytes),
}

/// The head of a message; the caller has checked its length against [`MAX_MEMBER_MESSAGE`].
pub(crate) fn head(message: &[u8]) -> [u8; HEAD] {
    u32::try_from(message.len()).unwrap_or(u32::MAX - 1).to_be_bytes()
}

/// Cuts a stream into frames. Bytes are put into [`Decoder::space`], [`Decoder::filled`] says how many, then
/// [`Decoder::next`] is called until it has no more. Memory for a body is taken as its bytes arrive: never more than
/// twice of what is there, or 64 KiB, whatever the head announces.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Bytes from `start` to `end` are still to be looked at; allocated at the first use.
    chunk: Vec<u8>,
    start: usize,
    end: usize,
    /// The announced length of the body under way.
    length: Option<usize>,
    body: Vec<u8>,
    /// How much of `body` is real.
    have: usize,
    max: usize,
}

impl Decoder {
    /// A decoder that refuses messages of more than `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { chunk: Vec::new(), start: 0, end: 0, length: None, body: Vec::new(), have: 0, max }
    }

    /// Where the next bytes go; never empty. Call it when `next` has no more.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if let Some(length) = self.length {
            if self.body.len() == self.have {
                let step = (length - self.have).min(self.have.max(CHUNK));
                self.body.reserve_exact(step);
                self.body.resize(self.have + step, 0);
            }
            return &mut self.body[self.have..];
        }
        self.chunk.resize(CHUNK, 0);
        // What is left of a head, three bytes at most.
        self.chunk.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.chunk[self.end..]
    }

    /// `count` bytes were put into the space.
    pub(crate) fn filled(&mut self, count: usize) {
        if self.length.is_some() {
            self.have = (self.have + count).min(self.body.len());
        } else {
            self.end = (self.end + count).min(self.chunk.len());
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// A length over the limit. The stream is of no use any more.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        if self.length.is_none() {
            let Some(rest) = self.chunk.get(self.start..self.end) else { return Ok(None) };
            let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
            self.start += HEAD;
            if *head == PING {
                return Ok(Some(Frame::Ping));
            }
            let length = u32::from_be_bytes(*head) as usize;
            if length > self.max {
                return Err(malformed(format!("a message of {length} bytes is over the limit of {}", self.max)));
            }
            if let Some(data) = rest.get(..length) {
                self.start += length;
                return Ok(Some(Frame::Message(Bytes::copy_from_slice(data))));
            }
            // All that is there belongs to this body.
            self.body.reserve_exact(length.min(CHUNK));
            self.body.extend_from_slice(rest);
            (self.have, self.length) = (rest.len(), Some(length));
            (self.start, self.end) = (0, 0);
        }
        if self.length.is_some_and(|length| self.have < length) {
            return Ok(None);
        }
        (self.length, self.have) = (None, 0);
        Ok(Some(Frame::Message(std::mem::take(&mut self.body).into())))
    }

    /// Whether the bytes so far end within a frame.
    pub(crate) fn is_torn(&self) -> bool {
        self.length.is_some() || self.start < self.end
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.chunk.capacity() + self.body.capacity()
    }
}

/// Reads frames from memory for their errors alone: the entry for fuzzers. Returns the number of messages and of pings.
///
/// # Errors
/// A length over `max`, bytes missing at the end.
pub fn check_member_frames(mut bytes: &[u8], max: usize) -> io::Result<(usize, usize)> {
    let (mut decoder, mut messages, mut pings) = (Decoder::new(max), 0, 0);
    loop {
        while let Some(frame) = decoder.next()? {
            match frame {
                Frame::Message(_) => messages += 1,
                Frame::Ping => pings += 1,
            }
        }
        if bytes.is_empty() {
            break;
        }
        let space = decoder.space();
        let count = space.len().min(bytes.len());
        let (now, later) = bytes.split_at(count);
        space[..count].copy_from_slice(now);
        decoder.filled(count);
        bytes = later;
    }
    if decoder.is_torn() { Err(malformed("ends within a frame")) } else { Ok((messages, pings)) }
}

pub(crate) fn malformed(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
