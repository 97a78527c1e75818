//! Lines of a stream, read beside the calls to the node: a slow writer's lines go without waiting for a full batch.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use pyralog_crypto::MAX_RECORD_BYTES;

use crate::error::{Context, Result};

/// How many lines are read ahead: with the longest ones, so many MiB.
const AHEAD: usize = 16;

/// What comes of the stream.
#[derive(Debug)]
pub enum Event {
    /// A line without its line feed, and its number from 1.
    Line(u64, Vec<u8>),
    /// No line came in time.
    Quiet,
    /// The line of this number is longer than any record; nothing is read after it.
    TooLong(u64),
    /// The line of this number cannot be read.
    Failed(u64, io::Error),
    /// There is no further line.
    End,
}

/// The lines of a stream.
#[derive(Debug)]
pub struct Lines(Receiver<Event>);

impl Lines {
    /// Begins to read.
    pub fn start(source: impl Read + Send + 'static) -> Result<Self> {
        let (sender, receiver) = sync_channel(AHEAD);
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || read(BufReader::new(source), &sender))
            .context(|| "cannot read standard input".to_owned())?;
        Ok(Self(receiver))
    }

    /// The next event; `Quiet` only where there is a time to wait.
    pub fn next(&self, wait: Option<Duration>) -> Event {
        match wait {
            None => self.0.recv().unwrap_or(Event::End),
            Some(wait) => match self.0.recv_timeout(wait) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => Event::Quiet,
                Err(RecvTimeoutError::Disconnected) => Event::End,
            },
        }
    }
}

/// Ends when the stream does, and when nobody wants its lines any more.
fn read(mut source: impl BufRead, sender: &SyncSender<Event>) {
    for number in 1.. {
        let mut line = Vec::new();
        let event = match source.by_ref().take(MAX_RECORD_BYTES as u64 + 1).read_until(b'\n', &mut line) {
            Err(error) => Event::Failed(number, error),
            Ok(0) => return,
            Ok(_) if line.last() == Some(&b'\n') => {
                line.pop();
                Event::Line(number, line)
            }
            Ok(_) if line.len() > MAX_RECORD_BYTES => Event::TooLong(number),
            Ok(_) => Event::Line(number, line),
        };
        let last = !matches!(event, Event::Line(..));
        if sender.send(event).is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
#[path = "lines_test.rs"]
mod tests;
