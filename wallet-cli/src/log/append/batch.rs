//! Records on their way to the node: gathered into requests, sent, and accounted for.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use pyralog_crypto::Record;
use serde::Deserialize;
use serde_json::json;

use super::super::client::Client;
use super::super::wire::{Ack, Placement, outgoing};
use super::placed::Placed;
use crate::admin::{is_put_off, may_be_done};
use crate::error::{Failure, Result};
use crate::interrupt;
use crate::node::{Deadline, NodeFault};
use crate::output::{Output, shown};

/// Most records of a request.
const MAX_RECORDS: usize = 1_000;
/// Most bytes of the encoded records of a request, unless a single one is larger.
const MAX_BYTES: usize = 1 << 20;
/// Most bytes of a request's body, unless a single record is larger: below what a node takes by default, 4 MiB.
const MAX_BODY: usize = 3 << 20;
/// How long a node that is busy is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many records a sentence names one by one.
const NAMED: usize = 8;
/// The node's code for a body that is larger than it takes.
const BODY_TOO_LARGE: &str = "too_large";

/// Where a record comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line, or the whole of standard input.
    Value,
    /// A line of standard input.
    Line(u64),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("the record"),
            Self::Line(number) => write!(f, "line {number}"),
            Self::File(path) => f.write_str(&shown(path)),
        }
    }
}

/// A record in the form that a request has.
#[derive(Debug)]
struct Item {
    json: String,
    bytes: usize,
    origin: Origin,
}

/// Who sends the records, and as which append of its own: all of them are one request, which may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The producer, 32 hexadecimal digits.
    pub producer: String,
    /// From 1 on.
    pub sequence: u64,
}

/// Appends records to one log.
#[derive(Debug)]
pub struct Appender<'a> {
    client: &'a Client,
    name: &'a str,
    partition: Option<u32>,
    ack: Ack,
    stamp: Option<Stamp>,
    waiting: Vec<Item>,
    /// Bytes of the encodings, and of the JSON, of what waits.
    sizes: (usize, usize),
    placed: Placed,
    /// Of a request of which a part is acknowledged: what may be appended or not, and what is not.
    open: (Vec<String>, Vec<String>),
    json: bool,
}

impl<'a> Appender<'a> {
    /// Nothing is appended yet. With `json` every place is kept.
    pub fn new(client: &'a Client, name: &'a str, (partition, ack): (Option<u32>, Ack), json: bool) -> Self {
        Self {
            client,
            name,
            partition,
            ack,
            stamp: None,
            waiting: Vec::new(),
            sizes: (0, 0),
            placed: Placed::new(json, ack != Ack::Durable),
            open: (Vec::new(), Vec::new()),
            json,
        }
    }

    /// The same for one append of a producer.
    #[must_use]
    pub fn with_stamp(self, stamp: Option<Stamp>) -> Self {
        Self { stamp, ..self }
    }

    /// How many records are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.placed.count()
    }

    /// What they are then.
    pub fn word(&self) -> &'static str {
        if self.ack == Ack::Durable { "durable" } else { "acknowledged" }
    }

    /// Whether records wait to be sent, and go where no further ones come.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty() && self.stamp.is_none()
    }

    /// Takes a record, and sends those before it where a request would hold no further one.
    pub fn push(&mut self, record: &Record, origin: Origin) -> Result<()> {
        let item = Item { json: outgoing(record).to_string(), bytes: record.encoded_len(), origin };
        let full = self.sizes.0 + item.bytes > MAX_BYTES || self.sizes.1 + item.json.len() > MAX_BODY;
        if self.stamp.is_some() && !self.waiting.is_empty() && (full || self.waiting.len() >= MAX_RECORDS) {
            let why = format!(
                "{} and what is before it are more than one append of a producer: at most {MAX_RECORDS} records of together {MAX_BYTES} bytes",
                item.origin
            );
            return Err(Failure::error(why).next("append fewer records under each sequence number"));
        }
        if full {
            self.flush()?;
        }
        self.sizes = (self.sizes.0 + item.bytes, self.sizes.1 + item.json.len() + 1);
        self.waiting.push(item);
        if self.waiting.len() >= MAX_RECORDS && self.stamp.is_none() { self.flush() } else { Ok(()) }
    }

    /// Sends what waits, and returns when it is acknowledged.
    pub fn flush(&mut self) -> Result<()> {
        self.sizes = (0, 0);
        let items = std::mem::take(&mut self.waiting);
        if items.is_empty() { Ok(()) } else { self.send(&items) }
    }

    fn send(&mut self, items: &[Item]) -> Result<()> {
        let records: Vec<&str> = items.iter().map(|item| item.json.as_str()).collect();
        let stamp = self.stamp.as_ref().map(|Stamp { producer, sequence }| {
            format!("\"producer\":{},\"sequence\":\"{sequence}\",", serde_json::Value::from(producer.as_str()))
        });
        let body = format!("{{{}\"records\":[{}]}}", stamp.unwrap_or_default(), records.join(","));
        let deadline = Deadline::after(PATIENCE);
        interrupt::so_far(format!("{}; may be appended or not: {}", self.so_far(), span(items)), Some(self.see()));
        let fault = loop {
            match self.client.append(self.name, (self.partition, self.ack), body.as_bytes(), items.len()) {
                Ok(places) => match self.placed.add(&places) {
                    Ok(()) => {
                        interrupt::so_far(self.so_far(), None);
                        return Ok(());
                    }
                    Err(why) => break NodeFault::Nonsense(why),
                },
                Err(NodeFault::Refused { code, .. })
                    if code == BODY_TOO_LARGE && items.len() > 1 && self.stamp.is_none() =>
                {
                    let (first, second) = items.split_at(items.len() / 2);
                    self.send(first)?;
                    return self.send(second);
                }
                Err(NodeFault::Busy { code, retry_after, .. }) if is_put_off(&code) && !deadline.passed() => {
                    let pause = Duration::from_secs(retry_after.unwrap_or(1).clamp(1, 30));
                    std::thread::sleep(pause.min(deadline.left()));
                }
                // It stands there once, however often it is sent.
                Err(NodeFault::Lost(_) | NodeFault::Busy { .. }) if self.stamp.is_some() && !deadline.passed() => {
                    std::thread::sleep(Duration::from_secs(1).min(deadline.left()));
                }
                Err(fault @ NodeFault::Partly { .. }) => return Err(self.partly(items, fault)),
                Err(fault) => break fault,
            }
        };
        Err(self.failed(items, fault))
    }

    /// Of a request over several partitions some records are acknowledged, and others not.
    fn partly(&mut self, items: &[Item], fault: NodeFault) -> Failure {
        #[derive(Deserialize)]
        struct Numbered {
            record: usize,
            #[serde(flatten)]
            place: Placement,
        }
        #[derive(Deserialize)]
        struct Partly {
            acknowledged: Vec<Numbered>,
            unknown: Vec<usize>,
        }
        let NodeFault::Partly { detail, .. } = &fault else { return self.failed(items, fault) };
        let Ok(Partly { acknowledged, unknown }) = serde_json::from_value(detail.clone()) else {
            return self.failed(items, fault);
        };
        let in_order = acknowledged.windows(2).all(|pair| pair[0].record < pair[1].record);
        let places: Vec<Placement> = acknowledged.iter().map(|numbered| numbered.place).collect();
        let acknowledged: BTreeSet<usize> = acknowledged.iter().map(|numbered| numbered.record).collect();
        let mut named = acknowledged.iter().chain(&unknown);
        if !in_order || named.any(|number| *number >= items.len()) || self.placed.add(&places).is_err() {
            return self.failed(items, fault);
        }
        for (number, item) in items.iter().enumerate().filter(|(number, _)| !acknowledged.contains(number)) {
            let list = if unknown.contains(&number) { &mut self.open.0 } else { &mut self.open.1 };
            list.push(item.origin.to_string());
        }
        let (unknown, not) = (names(&self.open.0), names(&self.open.1));
        self.client
            .failure(Some(self.name), fault)
            .also(&format!("may be appended or not: {unknown}; not appended: {not}; {}", self.so_far()))
            .next("append again what is not appended, which is listed with --json, and nothing else")
    }

    /// What is known of the records of a request that was not answered as it should be.
    fn failed(&self, items: &[Item], fault: NodeFault) -> Failure {
        let undecided = may_be_done(&fault);
        let failure = self.client.failure(Some(self.name), fault);
        let (what, so_far) = (span(items), self.so_far());
        if undecided {
            failure.also(&format!("may be appended or not: {what}; {so_far}")).next(self.see())
        } else {
            failure.also(&format!("not appended: {what}; {so_far}"))
        }
    }

    /// A failure of another kind, with what is acknowledged.
    pub fn stopped(&self, failure: Failure) -> Failure {
        failure.also(&self.so_far())
    }

    fn so_far(&self) -> String {
        let word = self.word();
        let last = self.placed.last().and_then(|last| Some((last.partition, last.offset?)));
        match (self.placed.count(), last) {
            (0, _) => format!("no record is {word}"),
            (1, None) => format!("1 record is {word}"),
            (count, None) => format!("{count} records are {word}"),
            (1, Some((partition, offset))) => format!("1 record is {word}, at {partition} {offset}"),
            (count, Some((partition, offset))) => {
                format!("{count} records are {word}, the last at {partition} {offset}")
            }
        }
    }

    fn see(&self) -> String {
        if self.stamp.is_some() {
            return "run the same command again: under the same sequence number the records stand there once"
                .to_owned();
        }
        let describe = self.client.command(&format!("describe {}", self.name));
        format!("see where the log ends before they are appended again: {describe}")
    }

    /// What became of the command: places, also those of a command that failed in part.
    pub fn output(self, outcome: Result<()>) -> Result<Output> {
        let failure = match outcome {
            Err(failure) if self.placed.count() == 0 => return Err(failure),
            outcome => outcome.err(),
        };
        let status = failure.as_ref().map_or("appended", Failure::class);
        let mut document = json!({ "status": status, "log": self.name, "count": self.placed.count() });
        if self.ack != Ack::Durable {
            document["ack"] = self.ack.word().into();
        }
        if self.json {
            document["placements"] = self.placed.document();
            let (unknown, not) = self.open;
            if !unknown.is_empty() || !not.is_empty() {
                document["unknown"] = unknown.into();
                document["not_appended"] = not.into();
            }
        }
        Ok(Output { document, text: self.placed.text(), failure })
    }
}

/// The first of some names, and how many more there are.
fn names(names: &[String]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=NAMED => names.join(", "),
        more => format!("{} and {} more", names[..NAMED].join(", "), more - NAMED),
    }
}

/// The records of a request by where they come from.
fn span(items: &[Item]) -> String {
    match items {
        [first, .., last] => format!("{} to {} ({} records)", first.origin, last.origin, items.len()),
        _ => items.iter().map(|item| item.origin.to_string()).collect(),
    }
}
