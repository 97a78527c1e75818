//! Unary gRPC calls over one HTTP/2 connection without TLS, one at a time: as little of RFC 9113 as etcd needs, so that
//! what is measured is etcd and not a client.
//!
//! Headers go out as literals without a table (RFC 7541, 6.2.2). Those that come in are not decoded: a call that was served has a
//! message in its answer, and one that was refused has none.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(30);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Window of a connection and of a stream until the peer says otherwise.
const WINDOW: i64 = 65_535;
/// Largest window, and largest number of a stream.
const MOST: u32 = (1 << 31) - 1;
/// Largest payload of a frame that every peer takes.
const FRAME: usize = 16_384;
/// Largest answer.
const MAX_ANSWER: usize = 4 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Flag of data and headers.
const END_STREAM: u8 = 1;
/// Flag of settings and pings.
const ACK: u8 = 1;
/// Flag of headers.
const END_HEADERS: u8 = 4;
/// Setting: window of a new stream.
const INITIAL_WINDOW: u16 = 4;

/// A connection.
#[derive(Debug)]
pub struct Grpc<S = TcpStream> {
    stream: BufReader<S>,
    authority: String,
    /// Number of the next stream.
    next: u32,
    /// What may be sent on the connection, and on the stream under way.
    window: i64,
    stream_window: i64,
    initial_window: i64,
    out: Vec<u8>,
    answer: Vec<u8>,
}

/// A frame, without its payload.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    length: usize,
}

impl Grpc {
    /// Connects to a port of 127.0.0.1.
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Self::over(stream, format!("127.0.0.1:{port}"))
    }
}

impl<S: Read + Write> Grpc<S> {
    fn over(stream: S, authority: String) -> Result<Self> {
        let mut out = PREFACE.to_vec();
        frame(&mut out, SETTINGS, 0, 0, &[]);
        // All answers of a run together are smaller than this, so it is never raised again.
        frame(&mut out, WINDOW_UPDATE, 0, 0, &(MOST - WINDOW as u32).to_be_bytes());
        let mut this = Self {
            stream: BufReader::new(stream),
            authority,
            next: 1,
            window: WINDOW,
            stream_window: WINDOW,
            initial_window: WINDOW,
            out,
            answer: Vec::new(),
        };
        this.flush()?;
        Ok(this)
    }

    /// Calls `path` with a message and answers the message that came back.
    ///
    /// # Errors
    /// A refused call, whose reason the server's own output tells; a connection that broke.
    pub fn call(&mut self, path: &str, message: &[u8]) -> Result<&[u8]> {
        ensure!(self.next < MOST - 2, "the connection has had all its calls");
        let id = self.next;
        self.next += 2;
        self.stream_window = self.initial_window;
        self.answer.clear();
        frame(&mut self.out, HEADERS, END_HEADERS, id, &headers(path, &self.authority));
        let length = u32::try_from(message.len())?.to_be_bytes();
        // The prefix of a message: not compressed, and its length.
        let prefix = [0, length[0], length[1], length[2], length[3]];
        let mut ended = false;
        frame(&mut self.out, DATA, 0, id, &prefix);
        self.spend(prefix.len());
        let mut rest = message;
        while !rest.is_empty() && !ended {
            let allowed = self.window.min(self.stream_window).clamp(0, FRAME as i64) as usize;
            if allowed == 0 {
                self.flush()?;
                ended = self.take(id)?;
                continue;
            }
            let (part, behind) = rest.split_at(allowed.min(rest.len()));
            frame(&mut self.out, DATA, if behind.is_empty() { END_STREAM } else { 0 }, id, part);
            self.spend(part.len());
            rest = behind;
        }
        self.flush()?;
        while !ended {
            ended = self.take(id)?;
        }
        let body = self.answer.split_first_chunk::<5>();
        match body {
            Some(([0, length @ ..], body)) if u32::from_be_bytes(*length) as usize == body.len() => Ok(body),
            Some(_) => bail!("{path}: the answer is not one message"),
            None => bail!("{path} was refused"),
        }
    }

    fn spend(&mut self, bytes: usize) {
        self.window -= bytes as i64;
        self.stream_window -= bytes as i64;
    }

    fn flush(&mut self) -> Result<()> {
        let sent = self.stream.get_mut().write_all(&self.out).context("the server does not take a call");
        self.out.clear();
        sent
    }

    /// Takes one frame; whether it ends stream `id`.
    fn take(&mut self, id: u32) -> Result<bool> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).context("the server does not answer")?;
        let frame = Frame::read(head);
        ensure!(frame.length <= FRAME, "a frame of {} bytes", frame.length);
        let mut payload = [0; FRAME];
        let payload = &mut payload[..frame.length];
        self.stream.read_exact(payload).context("the server does not answer")?;
        self.serve(frame, payload, id)
    }

    fn serve(&mut self, of: Frame, payload: &[u8], id: u32) -> Result<bool> {
        match (of.kind, of.flags & ACK) {
            (SETTINGS, 0) => {
                for setting in payload.as_chunks::<6>().0 {
                    let [kind @ .., a, b, c, d] = *setting;
                    if u16::from_be_bytes(kind) == INITIAL_WINDOW {
                        let window = i64::from(u32::from_be_bytes([a, b, c, d]));
                        self.stream_window += window - self.initial_window;
                        self.initial_window = window;
                    }
                }
                frame(&mut self.out, SETTINGS, ACK, 0, &[]);
                self.flush()?;
            }
            (PING, 0) => {
                frame(&mut self.out, PING, ACK, 0, payload);
                self.flush()?;
            }
            (WINDOW_UPDATE, _) => {
                let more = payload.first_chunk::<4>().context("a window update without a number")?;
                let more = i64::from(u32::from_be_bytes(*more) & MOST);
                match of.stream {
                    0 => self.window += more,
                    stream if stream == id => self.stream_window += more,
                    // Of a call that is over.
                    _ => {}
                }
            }
            (GO_AWAY, _) => bail!("the server closes the connection"),
            (RESET, _) if of.stream == id => bail!("the server broke the call off"),
            (DATA, _) if of.stream == id => {
                ensure!(self.answer.len() + payload.len() <= MAX_ANSWER, "an answer of more than {MAX_ANSWER} bytes");
                self.answer.extend_from_slice(payload);
            }
            _ => {}
        }
        Ok(matches!(of.kind, DATA | HEADERS) && of.stream == id && of.flags & END_STREAM != 0)
    }
}

impl Frame {
    fn read(head: [u8; 9]) -> Self {
        let [a, b, c, kind, flags, w, x, y, z] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Self { kind, flags, stream: u32::from_be_bytes([w, x, y, z]) & MOST, length }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    // At most FRAME bytes, which three bytes hold.
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// `POST path` of gRPC. Names by their number in the static table (RFC 7541, appendix A) where they have one.
fn headers(path: &str, authority: &str) -> Vec<u8> {
    // :method POST, :scheme http.
    let mut out = vec![0x83, 0x86];
    // :authority is 1, :path 4, content-type 31, which does not fit the 4 bits before it.
    for (name, value) in
        [(&[0x01][..], authority), (&[0x04], path), (&[0x0f, 31 - 15], "application/grpc"), (b"\x00\x02te", "trailers")]
    {
        out.extend_from_slice(name);
        // Shorter than 127 bytes all of them.
        out.push(value.len() as u8);
        out.extend_from_slice(value.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that has said everything beforehand, and remembers what it hears.
    #[derive(Debug, Default)]
    struct Script {
        says: std::collections::VecDeque<u8>,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.heard.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn grpc(frames: &[(u8, u8, u32, &[u8])]) -> Grpc<Script> {
        let mut says = Vec::new();
        for (kind, flags, stream, payload) in frames {
            frame(&mut says, *kind, *flags, *stream, payload);
        }
        let mut grpc = Grpc::over(Script { says: says.into(), heard: Vec::new() }, "127.0.0.1:1".into()).unwrap();
        grpc.stream.get_mut().heard.clear();
        grpc
    }

    /// Kinds, flags and lengths of what was heard.
    fn heard(grpc: &Grpc<Script>) -> Vec<(u8, u8, usize)> {
        let mut rest = &grpc.stream.get_ref().heard[..];
        let mut all = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<9>() {
            let frame = Frame::read(*head);
            all.push((frame.kind, frame.flags, frame.length));
            rest = &behind[frame.length..];
        }
        all
    }

    #[test]
    fn a_call_gets_its_message_and_what_belongs_to_the_connection_is_served() {
        let mut grpc = grpc(&[
            (SETTINGS, 0, 0, &[]),
            (SETTINGS, ACK, 0, &[]),
            (PING, 0, 0, b"12345678"),
            (HEADERS, END_HEADERS, 1, b"\x88"),
            (DATA, 0, 1, b"\x00\x00\x00\x00\x05he"),
            (DATA, 0, 1, b"llo"),
            (HEADERS, END_HEADERS | END_STREAM, 1, b"trailers"),
            (DATA, END_STREAM, 3, b"\x00\x00\x00\x00\x00"),
        ]);
        assert_eq!(grpc.call("/a.B/C", b"hi").unwrap(), b"hello");
        assert_eq!(grpc.call("/a.B/C", b"hi").unwrap(), b"");
        let kinds = heard(&grpc);
        assert_eq!(kinds[1..3], [(DATA, 0, 5), (DATA, END_STREAM, 2)]);
        assert_eq!(kinds[3..5], [(SETTINGS, ACK, 0), (PING, ACK, 8)]);
        assert!(grpc.call("/a.B/C", b"hi").is_err(), "the peer is gone");
    }

    #[test]
    fn a_refused_call_and_a_broken_one_are_failures() {
        let refused = (HEADERS, END_HEADERS | END_STREAM, 1, &b"grpc-status: 8"[..]);
        let error = grpc(&[refused]).call("/a.B/C", b"hi").unwrap_err();
        assert_eq!(error.to_string(), "/a.B/C was refused");
        assert!(grpc(&[(RESET, 0, 1, &[0; 4])]).call("/a.B/C", b"hi").is_err());
        assert!(grpc(&[(GO_AWAY, 0, 0, &[0; 8])]).call("/a.B/C", b"hi").is_err());
        assert!(grpc(&[(DATA, END_STREAM, 1, b"\x00\x00\x00\x00\x09short")]).call("/a.B/C", b"hi").is_err());
        assert!(grpc(&[(DATA, END_STREAM, 1, b"\x01\x00\x00\x00\x00")]).call("/a.B/C", b"hi").is_err());
    }

    #[test]
    fn no_more_is_sent_than_the_windows_allow() {
        let window = [0, INITIAL_WINDOW as u8, 0, 1, 0x86, 0xa0];
        let mut grpc = grpc(&[
            (SETTINGS, 0, 0, &window),
            (WINDOW_UPDATE, 0, 0, &20_000_u32.to_be_bytes()),
            (WINDOW_UPDATE, 0, 9, &90_000_u32.to_be_bytes()),
            (WINDOW_UPDATE, 0, 0, &50_000_u32.to_be_bytes()),
            (WINDOW_UPDATE, 0, 1, &50_000_u32.to_be_bytes()),
            (DATA, END_STREAM, 1, b"\x00\x00\x00\x00\x00"),
        ]);
        let message = vec![7; 120_000];
        grpc.call("/a.B/C", &message).unwrap();
        let sent: Vec<usize> =
            heard(&grpc).iter().filter(|(kind, ..)| *kind == DATA).map(|(.., bytes)| *bytes).collect();
        assert_eq!(sent.iter().sum::<usize>(), 120_005);
        // 65,535 bytes in all until the connection's window was raised by 20,000.
        let before: usize = sent.iter().take_while(|bytes| **bytes != 20_000 - FRAME).sum();
        assert_eq!(before, 65_535 + FRAME, "{sent:?}");
        assert!(sent.iter().all(|bytes| *bytes <= FRAME));
    }
}
