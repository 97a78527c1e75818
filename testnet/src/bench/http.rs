//! HTTP/1.1 on a kept connection: as little as a load generator needs, since it shares the processors with what it loads.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// A connection that was not used for so long is not used again: a node closes it after 10 s.
const KEPT: Duration = Duration::from_secs(5);
/// Largest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// Largest body of an answer.
const MAX_BODY: usize = 32 << 20;

/// A kept connection to a server on this machine.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    port: u16,
    /// When the last answer was there.
    used: Instant,
    host: String,
    /// Sent with each request, where there is one.
    token: Option<String>,
    out: Vec<u8>,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects to 127.0.0.1.
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            port,
            used: Instant::now(),
            host: format!("127.0.0.1:{port}"),
            token: None,
            out: Vec::new(),
            read: Vec::new(),
        })
    }

    /// The same, with a token that each request shows.
    pub fn authorized(port: u16, token: &str) -> Result<Self> {
        Ok(Self { token: Some(token.to_owned()), ..Self::open(port)? })
    }

    /// How long one answer may take from now on.
    pub fn wait_at_most(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(patience))?)
    }

    /// Sends a request without waiting for its answer; without a body it is a GET, else a POST of JSON.
    pub fn send(&mut self, path: &str, body: Option<&[u8]>) -> Result<()> {
        self.out.clear();
        let method = if body.is_some() { "POST" } else { "GET" };
        write!(self.out, "{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host)?;
        if let Some(token) = &self.token {
            write!(self.out, "authorization: Bearer {token}\r\n")?;
        }
        if let Some(body) = body {
            write!(self.out, "content-type: application/json\r\ncontent-length: {}\r\n", body.len())?;
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body.unwrap_or_default());
        self.stream.write_all(&self.out).with_context(|| format!("{} does not take a request", self.host))
    }

    /// Waits for the answer to the oldest request that has none.
    pub fn receive(&mut self) -> Result<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if self.read.len() > MAX_HEAD {
                bail!("{}: the head of an answer is too long", self.host);
            }
            self.more()?;
        };
        let (status, length) = head(self.read.get(..end).unwrap_or_default())
            .with_context(|| format!("{}: the answer is not understood", self.host))?;
        while self.read.len() < end + length {
            self.more()?;
        }
        let rest = self.read.split_off(end + length);
        let body = self.read.split_off(end);
        self.read = rest;
        self.used = Instant::now();
        Ok(Answer { status, body })
    }

    /// One request and its answer, on a new connection where the node may have closed this one.
    pub fn ask(&mut self, path: &str, body: Option<&[u8]>) -> Result<Answer> {
        if self.used.elapsed() > KEPT {
            *self = Self { token: self.token.take(), ..Self::open(self.port)? };
        }
        self.send(path, body)?;
        self.receive()
    }

    /// The JSON that a GET is answered with, which must be with status 200.
    pub fn get(&mut self, path: &str) -> Result<Value> {
        let answer = self.ask(path, None)?;
        answer.ok(path)?.json()
    }

    fn more(&mut self) -> Result<()> {
        let mut chunk = [0_u8; 16 * 1024];
        let count = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other.with_context(|| format!("{} does not answer", self.host))?,
            }
        };
        if count == 0 {
            bail!("{} closed the connection", self.host);
        }
        self.read.extend_from_slice(chunk.get(..count).unwrap_or_default());
        Ok(())
    }
}

impl Answer {
    /// This answer when its status is 200, else a failure that quotes it.
    pub fn ok(self, path: &str) -> Result<Self> {
        if self.status != 200 {
            bail!("{path} was answered with {}: {}", self.status, self.text());
        }
        Ok(self)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("an answer is not JSON: {}", self.text()))
    }

    /// The beginning of the body, for a message.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

/// Status and length of the body.
fn head(bytes: &[u8]) -> Result<(u16, usize)> {
    let text = std::str::from_utf8(bytes)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|line| line.get(..3));
    let status = status.context("no status line")?.parse()?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            let length: usize = value.trim().parse()?;
            if length > MAX_BODY {
                bail!("a body of {length} bytes");
            }
            return Ok((status, length));
        }
    }
    bail!("no content-length")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answers: &'static [u8]) -> (u16, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // In pieces, as a network does.
            for piece in answers.chunks(7) {
                stream.write_all(piece).unwrap();
            }
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            heard
        });
        (port, thread)
    }

    #[test]
    fn two_requests_in_flight_get_their_answers_in_order() {
        let (port, thread) = server(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\": 12}HTTP/1.1 503 No\r\nx: y\r\ncontent-length: 4\r\n\r\nbusy",
        );
        let mut connection = Connection::open(port).unwrap();
        connection.send("/one", None).unwrap();
        connection.send("/two", Some(b"{}")).unwrap();
        assert_eq!(connection.receive().unwrap().ok("/one").unwrap().json().unwrap()["a"], 12);
        let second = connection.receive().unwrap();
        assert_eq!((second.status, second.text().as_str()), (503, "busy"));
        assert!(format!("{:#}", second.ok("/two").unwrap_err()).contains("/two was answered with 503: busy"));
        assert!(connection.receive().is_err(), "the server has closed");
        drop(connection);
        let heard = String::from_utf8(thread.join().unwrap()).unwrap();
        assert!(heard.starts_with(&format!("GET /one HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\nPOST /two")), "{heard}");
        assert!(heard.ends_with("content-length: 2\r\n\r\n{}"), "{heard}");
    }

    #[test]
    fn answers_without_a_bound_are_refused() {
        assert_eq!(head(b"HTTP/1.1 204 x\r\ncontent-length: 0\r\n\r\n").unwrap(), (204, 0));
        for bad in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "HTTP/1.1 2",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 abc\r\ncontent-length: 1\r\n\r\n",
        ] {
            assert!(head(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
