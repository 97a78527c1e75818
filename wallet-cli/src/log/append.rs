//! `pyralog log append`.

mod batch;
mod lines;
mod placed;

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyralog_crypto::{Header, MAX_RECORD_BYTES, Record};

use super::client::LogNodeArgs;
use super::log_name;
use super::parse::{now_ms, parse_time};
use super::wire::Ack;
use crate::error::{Context, Failure, Result};
use crate::output::{Output, note, shown};
use crate::receipt_file::{STDIN, is_stdin};
use batch::{Appender, Origin, Stamp};
use lines::{Event, Lines};

/// How long a batch waits for further lines before it goes.
const LINGER: Duration = Duration::from_millis(50);

/// Options of `log append`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").args(["value", "file", "lines"]))]
pub struct AppendArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// The value of one record
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub value: Option<OsString>,
    /// Append the content of each file as a record; - is standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub file: Vec<PathBuf>,
    /// Append each line of standard input as a record, without its line feed
    #[arg(long)]
    pub lines: bool,
    /// Key of the records: records of one key go to one partition
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["key_hex", "key_separator"])]
    pub key: Option<String>,
    /// The same as hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse_hex, conflicts_with = "key_separator")]
    pub key_hex: Option<Bytes>,
    /// With --lines: what is before the first C of a line is its key, what follows its value
    #[arg(long, value_name = "C", requires = "lines", conflicts_with_all = ["value", "file"])]
    pub key_separator: Option<char>,
    /// Header of the records, may be repeated; the order is kept
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_header)]
    pub header: Vec<Header>,
    /// Timestamp of the records: 2026-03-01T12:00:00Z, or milliseconds since 1970 (default: this machine's clock)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub timestamp: Option<u64>,
    /// Partition to append to (default: that of the key; without a key the node chooses)
    #[arg(long, value_name = "N")]
    pub partition: Option<u32>,
    /// When the records are acknowledged: durable is never lost; what is acknowledged before may be, by a crash or a change of the leader, and has no offset yet
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Ack::Durable, conflicts_with = "producer")]
    pub ack: Ack,
    /// Append for this producer, as `log producer` printed it: the records are one append, and the same command run again appends nothing more
    #[arg(long, value_name = "ID", value_parser = parse_producer, requires = "sequence")]
    pub producer: Option<String>,
    /// Number of the append among those of the producer: 1, and one more with each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "producer")]
    pub sequence: Option<u64>,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Bytes of an argument: an alias, since an argument that is a `Vec` may be repeated.
type Bytes = Box<[u8]>;

/// Runs the command.
pub fn run(args: &AppendArgs, json: bool) -> Result<Output> {
    let client = args.node.connect()?;
    let mut appender = Appender::new(&client, &args.name, (args.partition, args.ack), json).with_stamp(args.stamp());
    let outcome = append(args, &mut appender, std::io::stdin());
    appender.output(outcome)
}

/// Appends what the arguments say; standard input is `input`.
fn append(args: &AppendArgs, appender: &mut Appender<'_>, input: impl Read + Send + 'static) -> Result<()> {
    if args.lines {
        return lines(args, appender, input);
    }
    if let Some(value) = &args.value {
        let value = value.as_encoded_bytes().to_vec();
        let record = args.record(args.key(), value).map_err(|why| Failure::usage(format!("VALUE: {why}")))?;
        appender.push(&record, Origin::Value)?;
    } else if args.file.is_empty() {
        if std::io::stdin().is_terminal() {
            note("the record is read from standard input; it ends with Ctrl-D");
        }
        appender.push(&whole(args, STDIN, input)?, Origin::Value)?;
    } else {
        check(&args.file)?;
        let mut input = Some(input);
        for path in &args.file {
            let record = match (is_stdin(path), input.take_if(|_| is_stdin(path))) {
                (true, Some(input)) => whole(args, STDIN, input),
                _ => File::open(path)
                    .context(|| format!("cannot read {}", shown(path)))
                    .and_then(|file| whole(args, &shown(path), file)),
            };
            let record = record.map_err(|failure| appender.stopped(failure))?;
            appender.push(&record, Origin::File(path.clone()))?;
        }
    }
    appender.flush()
}

/// Finds what can be found wrong with the files before any record is sent.
fn check(files: &[PathBuf]) -> Result<()> {
    if files.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::usage("standard input (-) can be named only once"));
    }
    for path in files.iter().filter(|path| !is_stdin(path)) {
        let meta = path.metadata().context(|| format!("cannot read {}", shown(path)))?;
        if !meta.is_file() {
            return Err(Failure::error(format!("{} is no regular file", shown(path)))
                .next("give its content on standard input, which is -"));
        }
        if meta.len() > MAX_RECORD_BYTES as u64 {
            return Err(too_large(&shown(path)));
        }
    }
    Ok(())
}

/// One record of all that `source` holds.
fn whole(args: &AppendArgs, name: &str, source: impl Read) -> Result<Record> {
    let mut value = Vec::new();
    source.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut value).context(|| format!("cannot read {name}"))?;
    if value.len() > MAX_RECORD_BYTES {
        return Err(too_large(name));
    }
    args.record(args.key(), value).map_err(|why| Failure::error(format!("{name}: {why}")))
}

fn too_large(name: &str) -> Failure {
    Failure::error(format!("{name} is larger than a record may be, {MAX_RECORD_BYTES} bytes"))
        .next("split it, with --lines where it is made of lines, or append its digest and keep it elsewhere")
}

/// One record of each line. A batch goes when it is full, and when no further line comes.
fn lines(args: &AppendArgs, appender: &mut Appender<'_>, input: impl Read + Send + 'static) -> Result<()> {
    let bar = progress();
    let lines = Lines::start(input)?;
    let outcome = loop {
        bar.set_message(format!("{} records {}", appender.acknowledged(), appender.word()));
        let event = lines.next(if appender.waits() { Some(LINGER) } else { None });
        let step = match event {
            Event::Line(number, line) => {
                bar.inc(line.len() as u64 + 1);
                match args.line(line) {
                    Ok(record) => appender.push(&record, Origin::Line(number)),
                    Err(why) => break refused(appender, number, &why),
                }
            }
            Event::Quiet => appender.flush(),
            Event::TooLong(number) => {
                let why = format!("it is larger than a record may be, {MAX_RECORD_BYTES} bytes");
                break refused(appender, number, &why);
            }
            Event::Failed(number, error) => {
                let failure = Failure::error(format!("cannot read line {number} of {STDIN}: {error}"));
                break appender.flush().and_then(|()| Err(appender.stopped(failure)));
            }
            Event::End => break appender.flush(),
        };
        if step.is_err() {
            break step;
        }
    };
    bar.finish_and_clear();
    outcome
}

/// A line that is no record ends the command, after those before it are acknowledged.
fn refused(appender: &mut Appender<'_>, number: u64, why: &str) -> Result<()> {
    appender.flush()?;
    let failure = Failure::error(format!("line {number} of {STDIN} is not appended, nor what follows it: {why}"));
    Err(appender.stopped(failure.next(format!("mend or leave out line {number}, and append again from there on"))))
}

/// Shows on a terminal how far it is, unless the lines are typed on one.
fn progress() -> ProgressBar {
    if std::io::stdin().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg} {bytes} {bytes_per_sec} {spinner}") {
        bar.set_style(style);
    }
    bar
}

impl AppendArgs {
    fn stamp(&self) -> Option<Stamp> {
        let (producer, sequence) = self.producer.clone().zip(self.sequence)?;
        Some(Stamp { producer, sequence })
    }

    /// The key that the command line names.
    fn key(&self) -> Option<Vec<u8>> {
        let text = self.key.as_ref().map(|text| text.clone().into_bytes());
        text.or_else(|| self.key_hex.as_ref().map(|bytes| bytes.to_vec()))
    }

    fn record(&self, key: Option<Vec<u8>>, value: Vec<u8>) -> Result<Record, String> {
        let timestamp = match self.timestamp {
            Some(timestamp) => timestamp,
            None => now_ms().map_err(|failure| failure.to_string())?,
        };
        let record = Record::new(timestamp, key.map(Into::into), value.into(), self.header.clone());
        record.map_err(|error| error.to_string())
    }

    /// The record of a line.
    fn line(&self, mut line: Vec<u8>) -> Result<Record, String> {
        let Some(separator) = self.key_separator else { return self.record(self.key(), line) };
        let mut buffer = [0; 4];
        let bytes = separator.encode_utf8(&mut buffer).as_bytes();
        let at = line.windows(bytes.len()).position(|window| window == bytes);
        let at = at.ok_or_else(|| format!("it has no {separator:?} that ends its key"))?;
        let value = line.split_off(at + bytes.len());
        line.truncate(at);
        self.record(Some(line), value)
    }
}

fn parse_hex(text: &str) -> Result<Bytes, String> {
    hex::decode(text)
        .map(Vec::into_boxed_slice)
        .map_err(|error| format!("write two hexadecimal digits for each byte: {error}"))
}

fn parse_producer(text: &str) -> Result<String, String> {
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 16);
    bytes.map(hex::encode).ok_or_else(|| "write the 32 hexadecimal digits that log producer printed".to_owned())
}

fn parse_header(text: &str) -> Result<Header, &'static str> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=VALUE")?;
    Ok(Header { name: name.to_owned(), value: value.as_bytes().to_vec().into() })
}

#[cfg(test)]
#[path = "append_test.rs"]
mod tests;
