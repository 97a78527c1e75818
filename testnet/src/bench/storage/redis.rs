//! Redis with `appendfsync always`: one process on this machine, one connection over loopback, the protocol written by hand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::server::{Server, find, ports};
use super::store::{Batch, Store};

const PROGRAM: &str = "redis-server";
/// How to get it.
pub const INSTALL: &str = "apt-get install -y redis-server";
/// The name of the list, and of the stream.
const KEY: &str = "log";
const PATIENCE: Duration = Duration::from_secs(30);

/// How a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// One `RPUSH` of all records: Redis syncs once. What it does best.
    Push,
    /// An `XADD` of each record, in one pipeline: Redis reads it in parts of 16 KiB, and syncs after each.
    Add,
}

/// A running Redis.
pub struct Redis {
    stream: BufReader<TcpStream>,
    command: Command,
    out: Vec<u8>,
    line: Vec<u8>,
    /// After the connection, so that this goes first.
    _server: Server,
}

impl Redis {
    /// Starts one, `None` where it is not installed.
    pub fn start(dir: &Path, command: Command) -> Result<Option<Self>> {
        let Some(program) = find(PROGRAM) else { return Ok(None) };
        std::fs::create_dir_all(dir)?;
        let port = ports(1)?.first().copied().context("no free port")?;
        let (text, home) = (port.to_string(), dir.display().to_string());
        // Snapshots and rewrites of the log would only take time from the appends.
        let args = [
            ["--port", &text],
            ["--bind", "127.0.0.1"],
            ["--dir", &home],
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--save", ""],
            ["--auto-aof-rewrite-percentage", "0"],
            ["--daemonize", "no"],
        ];
        let mut server = Server::start(&program, args.as_flattened(), dir)?;
        let stream = server.wait(|| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let stream = BufReader::new(stream.context("Redis")?);
        Ok(Some(Self { stream, command, out: Vec::new(), line: Vec::new(), _server: server }))
    }

    fn send(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.out).context("Redis does not take a command")
    }

    fn reply(&mut self) -> Result<()> {
        reply(&mut self.stream, &mut self.line).context("Redis")
    }
}

impl Store for Redis {
    fn name(&self) -> &'static str {
        match self.command {
            Command::Push => "Redis, one RPUSH per batch",
            Command::Add => "Redis, a pipeline of XADD",
        }
    }

    fn durability(&self) -> &'static str {
        "appendonly yes, appendfsync always"
    }

    fn clients(&self) -> &'static str {
        "one connection over loopback, one batch at a time; Redis is a process of its own on this machine"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        self.out.clear();
        let records = batch.records();
        let replies = match self.command {
            Command::Push => {
                command(&mut self.out, &[b"RPUSH", KEY.as_bytes()], records.iter().map(AsRef::as_ref));
                1
            }
            Command::Add => {
                for record in records {
                    let words: [&[u8]; 4] = [b"XADD", KEY.as_bytes(), b"*", b"r"];
                    command(&mut self.out, &words, std::iter::once(record.as_ref()));
                }
                records.len()
            }
        };
        self.send()?;
        (0..replies).try_for_each(|_| self.reply())
    }

    /// All records are in its memory: they go, or the run would fill the machine's.
    fn rest(&mut self) -> Result<()> {
        self.out.clear();
        command(&mut self.out, &[b"DEL", KEY.as_bytes()], std::iter::empty());
        self.send()?;
        self.reply()
    }
}

/// Adds a command: an array of byte strings.
fn command<'a>(out: &mut Vec<u8>, words: &[&'a [u8]], values: impl ExactSizeIterator<Item = &'a [u8]>) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "*{}\r\n", words.len() + values.len());
    for word in words.iter().copied().chain(values) {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one answer: an integer, or a byte string.
fn reply(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<()> {
    next_line(from, line)?;
    match line.first() {
        Some(b':') => Ok(()),
        // The id of an entry, which has no line end in it.
        Some(b'$') if line.get(1) != Some(&b'-') => next_line(from, line),
        _ => bail!("an append was answered with {}", String::from_utf8_lossy(line).trim_end()),
    }
}

fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<()> {
    line.clear();
    from.read_until(b'\n', line).context("no answer")?;
    if line.ends_with(b"\r\n") { Ok(()) } else { bail!("the connection was closed") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_byte_strings() {
        let mut out = Vec::new();
        let values: [&[u8]; 2] = [b"a\r\n", b""];
        command(&mut out, &[b"RPUSH", b"log"], values.into_iter());
        assert_eq!(out, b"*4\r\n$5\r\nRPUSH\r\n$3\r\nlog\r\n$3\r\na\r\n\r\n$0\r\n\r\n");
    }

    #[test]
    fn only_what_says_that_it_was_appended_counts() {
        let mut line = Vec::new();
        let mut good = &b":7\r\n$15\r\n1700000000000-0\r\n:1\r\n"[..];
        for _ in 0..3 {
            reply(&mut good, &mut line).unwrap();
        }
        assert!(good.is_empty());
        for bad in ["-MISCONF disk\r\n", "$-1\r\n", "+OK\r\n", "", ":1", "$3\r\n"] {
            assert!(reply(&mut bad.as_bytes(), &mut line).is_err(), "{bad:?}");
        }
        let error = reply(&mut &b"-MISCONF disk\r\n"[..], &mut line).unwrap_err();
        assert!(format!("{error:#}").contains("MISCONF disk"));
    }
}
