//! Request targets as people type them for CometBFT: `curl 'http://…/block?height="5"'` sends the quotes as they are, and
//! `>` of a query too. Go's server takes them; hyper answers 400 to the three bytes `"`, `<` and `>`. Here they are
//! percent-encoded on their way in.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::BoundedListener;

/// Bytes that are read at a time while request lines are looked at.
const CHUNK: usize = 2048;
/// Headers behind whose request the connection no longer carries only requests without a body.
const ENDS: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"upgrade"];
/// So much of a header's line is kept to compare it.
const LONGEST: usize = 17;

/// Accepts what another listener accepts.
pub struct QuotingListener(pub BoundedListener);

/// A connection whose request targets are encoded.
pub struct QuotingStream<S> {
    inner: S,
    targets: Targets,
    ready: Vec<u8>,
    taken: usize,
}

impl Listener for QuotingListener {
    type Io = QuotingStream<<BoundedListener as Listener>::Io>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, address) = self.0.accept().await;
        (QuotingStream { inner, targets: Targets::default(), ready: Vec::new(), taken: 0 }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl<S> QuotingStream<S> {
    /// The connection below.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

/// Finds the targets of GET requests in what a client sends.
#[derive(Debug, Default)]
struct Targets {
    at: At,
    /// The start of the current line, in lower case.
    line: Vec<u8>,
    ends: bool,
}

#[derive(Debug, Default, PartialEq)]
enum At {
    #[default]
    Method,
    Target,
    Version,
    Header,
    /// A body, a WebSocket, or another method: nothing is changed any more.
    Rest,
}

impl Targets {
    /// Appends `input` to `out`, changed where a byte of a target needs it; at most three times as long.
    fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            match (byte, self.at == At::Target) {
                (b'"', true) => out.extend(b"%22"),
                (b'<', true) => out.extend(b"%3C"),
                (b'>', true) => out.extend(b"%3E"),
                _ => out.push(byte),
            }
            self.advance(byte);
        }
    }

    fn advance(&mut self, byte: u8) {
        match (&self.at, byte) {
            (At::Rest, _) => {}
            // Empty lines before a request are left out by servers.
            (At::Method, b'\r' | b'\n') if self.line.is_empty() => {}
            (At::Method, b' ') if self.line == b"get" => self.enter(At::Target),
            (At::Method, _) if self.line.len() >= 3 => self.enter(At::Rest),
            (At::Target, b' ') => self.enter(At::Version),
            (At::Target | At::Version, b'\n') => self.enter(At::Header),
            (At::Header, b'\n') if !self.line.is_empty() => {
                self.ends |= ENDS.iter().any(|name| self.line.starts_with(name));
                self.line.clear();
            }
            (At::Header, b'\n') => self.enter(if self.ends { At::Rest } else { At::Method }),
            (At::Header, b'\r') | (At::Target | At::Version, _) => {}
            (At::Method | At::Header, _) => {
                if self.line.len() < LONGEST {
                    self.line.push(byte.to_ascii_lowercase());
                }
            }
        }
    }

    fn enter(&mut self, at: At) {
        self.at = at;
        self.line.clear();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for QuotingStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken == this.ready.len() {
            if this.targets.at == At::Rest {
                return Pin::new(&mut this.inner).poll_read(cx, buf);
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            this.ready.clear();
            this.taken = 0;
            this.targets.encode(read.filled(), &mut this.ready);
        }
        let some = &this.ready[this.taken..];
        let some = &some[..some.len().min(buf.remaining())];
        buf.put_slice(some);
        this.taken += some.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for QuotingStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
#[path = "quoting_test.rs"]
mod tests;
