//! `pyralog log read`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Ask, Client, LogNodeArgs};
use super::cursor::{At, Cursor};
use super::parse::parse_time;
use super::proof::{ProofArgs, Verifier};
use super::show::{Form, document};
use super::wire::{Extent, LogInfo, Page, PartitionInfo};
use super::{log_name, one_form};
use crate::error::{Failure, Result};
use crate::output::{Output, note, print_next, safe};

/// Most records asked for at once.
const PAGE: u64 = 1_000;
/// Most records of a document, unless told otherwise.
const DOCUMENT_RECORDS: u64 = 1_000;
/// Most bytes of keys, headers and values in a document.
const DOCUMENT_BYTES: usize = 32 << 20;

/// Options of `log read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// Partition to read (default: all, one after the other)
    #[arg(long, value_name = "N")]
    pub partition: Option<u32>,
    /// Begin at this offset (default: the oldest record that is kept)
    #[arg(long, value_name = "OFFSET", conflicts_with = "since")]
    pub from: Option<u64>,
    /// Begin at the first record of this time: 2026-03-01T12:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<u64>,
    /// Read at most N records (default: all that are there when it begins; with --json 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Print the bytes of the values and nothing else, each with a line feed behind it
    #[arg(long)]
    pub values: bool,
    #[command(flatten)]
    pub proof: ProofArgs,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Where records go.
#[derive(Debug)]
enum Sink {
    /// Standard output, page by page.
    Stream(Form),
    /// One document at the end.
    Document { records: Vec<Value>, bytes: usize },
}

/// Runs the command.
pub fn run(args: &ReadArgs, json: bool) -> Result<Output> {
    one_form(args.values, json)?;
    let client = args.node.connect()?;
    let info = client.describe(&args.name)?;
    let chosen = partitions(&info, args.partition, args.from.is_some(), &client)?;
    let sink = match (json, args.values) {
        (true, _) => Sink::Document { records: Vec::new(), bytes: 0 },
        (false, true) => Sink::Stream(Form::Value),
        (false, false) => Sink::Stream(Form::Line { partitions: chosen.len() > 1 }),
    };
    let left = args.limit.unwrap_or(if json { DOCUMENT_RECORDS } else { u64::MAX });
    let verifier = Verifier::new(&args.proof, &info)?;
    let mut reader = Reader { client: &client, info: &info, left, read: 0, sink, verifier, gone: false };
    let mut places = Vec::new();
    for partition in chosen {
        places.push(reader.partition(partition, start(args, &info, partition, &client)?)?);
    }
    Ok(reader.output(&places))
}

/// What the partitions hold that are meant. An offset is one of one partition.
pub fn partitions<'a>(
    info: &'a LogInfo,
    number: Option<u32>,
    offset: bool,
    client: &Client,
) -> Result<Vec<&'a Extent>> {
    let (name, count) = (&info.name, info.partitions.len());
    let chosen = match number {
        Some(number) => {
            let found = usize::try_from(number).ok().and_then(|index| info.partitions.get(index));
            vec![found.ok_or_else(|| {
                Failure::error(format!("{name} has no partition {number}, its partitions are 0 to {}", count - 1))
                    .next(client.command(&format!("describe {name}")))
            })?]
        }
        None if offset && count > 1 => {
            return Err(Failure::usage(format!("--from is an offset of one partition, and {name} has {count}"))
                .next("add --partition N"));
        }
        None => info.partitions.iter().collect(),
    };
    let extent = |partition: &'a PartitionInfo| {
        partition.extent().map_err(|why| {
            let describe = client.command(&format!("describe {name}"));
            let next = match count {
                _ if partition.is_absent() => {
                    format!("start a member that stores it, or name one with --node URL: {}", client.cluster_status())
                }
                1 => describe,
                _ => format!("read the others with --partition N: {describe}"),
            };
            Failure::error(format!("partition {} of {name} cannot be read: {}", partition.number(), safe(why)))
                .next(next)
        })
    };
    chosen.into_iter().map(extent).collect()
}

/// Checks an offset to begin at, so that a wrong one is said with the right ones.
pub fn within(info: &LogInfo, partition: &Extent, offset: u64, client: &Client) -> Result<At> {
    let Extent { partition: number, first_offset: first, next_offset: next, .. } = *partition;
    if (first..=next).contains(&offset) {
        return Ok(At::Offset(offset));
    }
    let (why, from) = if offset < first {
        (format!("retention has removed the records before {first}"), first)
    } else {
        (format!("the next record gets {next}"), next)
    };
    let name = &info.name;
    let command = client.command(&format!("read {name}{} --from {from}", flag(info, number)));
    Err(Failure::error(format!("offset {offset} is not in partition {number} of {name}: {why}")).next(command))
}

/// ` --partition N` for a command to type; nothing where the log has one only.
pub fn flag(info: &LogInfo, number: u32) -> String {
    if info.partitions.len() > 1 { format!(" --partition {number}") } else { String::new() }
}

fn start(args: &ReadArgs, info: &LogInfo, partition: &Extent, client: &Client) -> Result<At> {
    match (args.from, args.since) {
        (Some(offset), _) => within(info, partition, offset, client),
        (None, Some(time)) => Ok(At::Time(time)),
        (None, None) => Ok(At::First),
    }
}

/// Reads one partition after the other.
struct Reader<'a> {
    client: &'a Client,
    info: &'a LogInfo,
    left: u64,
    read: u64,
    sink: Sink,
    verifier: Option<Verifier>,
    /// Nobody reads standard output any more.
    gone: bool,
}

/// How far a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    partition: u32,
    next: Option<u64>,
    end: u64,
}

impl Reader<'_> {
    /// Reads up to the end as it is now: a log that grows faster than it is read has no other one.
    fn partition(&mut self, partition: &Extent, at: At) -> Result<Place> {
        let mut cursor = Cursor::new(partition.partition, at);
        let untouched = if partition.records() == 0 { Some(partition.next_offset) } else { None };
        let mut place = Place { partition: partition.partition, next: untouched, end: partition.next_offset };
        // What only the node says is not what is verified.
        place.next = place.next.filter(|_| self.verifier.is_none());
        let mut goal = None;
        while !self.is_full() {
            // Verified records end with a checkpoint, so that none behind them can be hidden.
            let rest = match (goal, cursor.at, &self.verifier) {
                (Some(goal), At::Offset(next), Some(_)) => goal - next,
                _ => u64::MAX,
            };
            let ask = Ask {
                incarnation: self.info.incarnation,
                limit: PAGE.min(self.left).min(rest),
                wait: Duration::ZERO,
                proof: self.verifier.is_some(),
            };
            let (client, info, at) = (self.client, self.info, cursor.at);
            let failed = |fault| client.failure(Some(&info.name), fault);
            let page = client.page(&info.name, &mut cursor, ask).map_err(failed)?;
            if let Some(verifier) = &mut self.verifier {
                verifier
                    .check(&page, at, |old, new| client.consistency(info, page.partition, old, new).map_err(failed))?;
            }
            self.take(&page)?;
            place = Place { next: Some(page.next_offset), end: *goal.get_or_insert(page.end_offset), ..place };
            if page.next_offset >= place.end {
                break;
            }
        }
        Ok(place)
    }

    fn is_full(&self) -> bool {
        self.left == 0 || self.gone || matches!(self.sink, Sink::Document { bytes, .. } if bytes >= DOCUMENT_BYTES)
    }

    fn take(&mut self, page: &Page) -> Result<()> {
        let count = page.records.len() as u64;
        self.left = self.left.saturating_sub(count);
        self.read = self.read.saturating_add(count);
        match &mut self.sink {
            Sink::Stream(form) => self.gone = !form.print(page.partition, &page.records)?,
            Sink::Document { records, bytes } => {
                for record in &page.records {
                    let headers = record.headers.iter().map(|header| header.name.len() + header.value.len());
                    *bytes += record.value.len() + record.key.as_ref().map_or(0, Vec::len) + headers.sum::<usize>();
                    records.push(document(page.partition, record));
                }
            }
        }
        Ok(())
    }

    /// The document; of what was streamed only how it ended is said.
    fn output(self, places: &[Place]) -> Output {
        let name = &self.info.name;
        let open = places.iter().find(|place| place.next.is_none_or(|next| next < place.end));
        if let Some(verifier) = &self.verifier {
            note(&verifier.text(open.is_none()));
        }
        if let (Some(place), false) = (open, self.gone) {
            note(&format!("{name} was not read to its end"));
            let from = place.next.map(|next| format!(" --from {next}")).unwrap_or_default();
            print_next(&self.client.command(&format!("read {name}{}{from}", flag(self.info, place.partition))));
        } else if self.read == 0 && !self.gone {
            note(&format!("{name} holds no records there"));
        }
        let Sink::Document { records, .. } = self.sink else { return Output::new(Value::Null, "") };
        let places = places.iter().map(|place| {
            let next = place.next.map(|next| next.to_string());
            json!({ "partition": place.partition, "next_offset": next, "end_offset": place.end.to_string() })
        });
        let document = json!({
            "log": name,
            "id": self.info.id,
            "incarnation": self.info.incarnation.to_string(),
            "records": records,
            "partitions": places.collect::<Vec<_>>(),
            "complete": open.is_none(),
            "verified": self.verifier.as_ref().map(Verifier::document),
        });
        Output::new(document, "")
    }
}

#[cfg(test)]
#[path = "read_test.rs"]
mod tests;
