//! The text protocol of NATS over one connection: published messages, and the answers to them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(30);
/// Where answers come.
const INBOX: &str = "_INBOX.bench";
/// Largest answer.
const MAX_ANSWER: usize = 1 << 20;
const CONNECT: &str = r#"CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1,"headers":true,"no_responders":true}"#;

/// A connection.
#[derive(Debug)]
pub struct NatsClient<S = TcpStream> {
    stream: BufReader<S>,
    inbox: String,
    out: Vec<u8>,
    line: Vec<u8>,
    answer: Vec<u8>,
}

impl NatsClient {
    /// Connects to a port of 127.0.0.1, and asks for the answers to what it will publish.
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // No two connections of this process come from one port.
        let inbox = format!("{INBOX}.{}.{}", std::process::id(), stream.local_addr()?.port());
        Self::over(stream, inbox)
    }

    /// How long one answer may take from now on.
    pub fn wait_at_most(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.get_ref().set_read_timeout(Some(patience))?)
    }
}

impl<S: Read + Write> NatsClient<S> {
    fn over(stream: S, inbox: String) -> Result<Self> {
        let out = format!("{CONNECT}\r\nSUB {inbox} 1\r\nPING\r\n").into_bytes();
        let mut this = Self { stream: BufReader::new(stream), inbox, out, line: Vec::new(), answer: Vec::new() };
        this.next_line()?;
        ensure!(this.line.starts_with(b"INFO "), "this is no NATS server");
        this.flush()?;
        loop {
            this.next_line()?;
            if this.line.starts_with(b"PONG") {
                return Ok(this);
            }
            let line = std::mem::take(&mut this.line);
            this.serve(&line)?;
        }
    }

    /// Puts a message behind those that go out with [`NatsClient::flush`].
    pub fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.out.extend_from_slice(format!("PUB {subject} {} {}\r\n", self.inbox, payload.len()).as_bytes());
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends what was published.
    pub fn flush(&mut self) -> Result<()> {
        let sent = self.stream.get_mut().write_all(&self.out).context("the server does not take a message");
        self.out.clear();
        sent
    }

    /// Waits for the next answer to anything that was published.
    pub fn receive(&mut self) -> Result<&[u8]> {
        loop {
            self.next_line()?;
            let line = std::mem::take(&mut self.line);
            let message = line.starts_with(b"MSG ") || line.starts_with(b"HMSG ");
            if !message {
                self.serve(&line)?;
                continue;
            }
            let text = std::str::from_utf8(&line)?;
            let length = text.split_ascii_whitespace().next_back().and_then(|word| word.parse::<usize>().ok());
            let length = length.with_context(|| format!("a message without a length: {text}"))?;
            ensure!(length <= MAX_ANSWER, "a message of {length} bytes");
            self.answer.resize(length + 2, 0);
            self.stream.read_exact(&mut self.answer).context("the server does not answer")?;
            self.answer.truncate(length);
            return Ok(&self.answer);
        }
    }

    /// Lines that are no message.
    fn serve(&mut self, line: &[u8]) -> Result<()> {
        if line.starts_with(b"PING") {
            self.stream.get_mut().write_all(b"PONG\r\n")?;
        } else if line.starts_with(b"-ERR") {
            bail!("NATS: {}", String::from_utf8_lossy(line).trim_end());
        }
        Ok(())
    }

    fn next_line(&mut self) -> Result<()> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).context("no answer")?;
        if self.line.ends_with(b"\r\n") { Ok(()) } else { bail!("the connection was closed") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says, and what it heard.
    struct Script(&'static [u8], Vec<u8>);

    impl Read for Script {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Script {
        fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
            self.1.write(from)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_are_read_between_other_lines() {
        let said = b"INFO {}\r\nPONG\r\nPING\r\nMSG in 1 2\r\nab\r\nINFO {}\r\nHMSG in 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n-ERR 'gone'\r\n";
        let mut client = NatsClient::over(Script(said, Vec::new()), "in".to_owned()).unwrap();
        client.publish("s", b"record");
        client.flush().unwrap();
        assert_eq!(client.receive().unwrap(), b"ab");
        assert_eq!(client.receive().unwrap(), b"NATS/1.0\r\n\r\nx");
        assert!(client.receive().unwrap_err().to_string().contains("gone"));
        let heard = String::from_utf8(client.stream.get_ref().1.clone()).unwrap();
        assert!(heard.ends_with("SUB in 1\r\nPING\r\nPUB s in 6\r\nrecord\r\nPONG\r\n"), "{heard}");
    }

    #[test]
    fn whoever_is_no_nats_server_is_refused() {
        for said in [&b"HTTP/1.1 400\r\n"[..], b"", b"INFO {}\r\n-ERR 'no'\r\n"] {
            assert!(NatsClient::over(Script(said, Vec::new()), "in".to_owned()).is_err());
        }
    }
}
