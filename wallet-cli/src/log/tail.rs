//! `pyralog log tail`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::client::{Ask, Client, LogNodeArgs, is_replaced};
use super::cursor::{At, Cursor};
use super::parse::parse_time;
use super::read::{partitions, within};
use super::show::Form;
use super::wire::{Extent, LogInfo, StoredRecord};
use super::{log_name, one_form};
use crate::error::{Context, Failure, Result};
use crate::interrupt;
use crate::node::NodeFault;
use crate::output::{self, Output, note};

/// Most records asked for at once.
const PAGE: u64 = 1_000;
/// How long the node is asked to wait for a record; it may wait less.
const WAIT: Duration = Duration::from_secs(20);
/// Least time between two questions that bring nothing, and between two to a node that is not there.
const PAUSE: Duration = Duration::from_millis(500);
/// Most partitions followed: each takes a connection.
const MAX_PARTITIONS: usize = 64;

/// Options of `log tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The log
    #[arg(value_name = "NAME", value_parser = log_name)]
    pub name: String,
    /// Partition to follow (default: all)
    #[arg(long, value_name = "N")]
    pub partition: Option<u32>,
    /// Begin at this offset, or at first, the oldest record that is kept (default: the end)
    #[arg(long, value_name = "OFFSET", value_parser = parse_from, conflicts_with = "since")]
    pub from: Option<From>,
    /// Begin at the first record of this time: 2026-03-01T12:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<u64>,
    /// Print the bytes of the values and nothing else, each with a line feed behind it
    #[arg(long)]
    pub values: bool,
    #[command(flatten)]
    pub node: LogNodeArgs,
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the oldest record.
    First,
    /// At an offset.
    Offset(u64),
}

fn parse_from(text: &str) -> Result<From, &'static str> {
    match text {
        "first" => Ok(From::First),
        _ => text.parse().map(From::Offset).map_err(|_| "write an offset, or first"),
    }
}

/// Runs the command: it ends with a failure, or when nobody reads what it prints.
pub fn run(args: &TailArgs, json: bool) -> Result<Output> {
    one_form(args.values, json)?;
    let client = Arc::new(args.node.connect()?);
    let info = client.describe(&args.name)?;
    let cursors = cursors(args, &info, &client)?;
    let form = match (json, args.values) {
        (true, _) => Form::Json,
        (false, true) => Form::Value,
        (false, false) => Form::Line { partitions: cursors.len() > 1 },
    };
    if json {
        output::document_per_line();
    }
    let shared = Arc::new(Shared::new(client, &info, &cursors));
    shared.tell();
    let print = Arc::new(move |partition, records: &[StoredRecord]| form.print(partition, records));
    let (sender, ended) = mpsc::channel();
    for cursor in cursors {
        let (shared, print, sender) = (Arc::clone(&shared), Arc::clone(&print), sender.clone());
        let follow = move || {
            // Whoever listened has heard of another end already.
            let _ = sender.send(Follower { shared: &shared, cursor }.follow(&*print));
        };
        let thread = std::thread::Builder::new().name(format!("partition {}", cursor.partition));
        thread.spawn(follow).context(|| "cannot follow a partition".to_owned())?;
    }
    drop(sender);
    ended.recv().context(|| "following the log ended".to_owned())??;
    Ok(Output::new(Value::Null, ""))
}

fn cursors(args: &TailArgs, info: &LogInfo, client: &Client) -> Result<Vec<Cursor>> {
    let offset = matches!(args.from, Some(From::Offset(_)));
    let chosen = partitions(info, args.partition, offset, client)?;
    if chosen.len() > MAX_PARTITIONS {
        return Err(Failure::usage(format!("{} has more than {MAX_PARTITIONS} partitions", args.name))
            .next("follow one of them with --partition N"));
    }
    let at = |partition: &Extent| match (args.from, args.since) {
        (Some(From::Offset(offset)), _) => within(info, partition, offset, client),
        (Some(From::First), _) => Ok(At::First),
        (None, Some(time)) => Ok(At::Time(time)),
        (None, None) => Ok(At::Offset(partition.next_offset)),
    };
    chosen.into_iter().map(|partition| Ok(Cursor::new(partition.partition, at(partition)?))).collect()
}

/// What the followers of all partitions share.
#[derive(Debug)]
struct Shared {
    client: Arc<Client>,
    name: String,
    /// Whether it has more partitions than one.
    several: bool,
    incarnation: u64,
    /// Whether the node does not answer, and this was said.
    lost: AtomicBool,
    /// Where each is.
    places: Mutex<Vec<Cursor>>,
}

impl Shared {
    fn new(client: Arc<Client>, info: &LogInfo, cursors: &[Cursor]) -> Self {
        let (name, incarnation, places) = (info.name.clone(), info.incarnation, Mutex::new(cursors.to_vec()));
        let several = info.partitions.len() > 1;
        Self { client, name, several, incarnation, lost: AtomicBool::new(false), places }
    }

    fn lost(&self, fault: &NodeFault) {
        if !self.lost.swap(true, Ordering::SeqCst) {
            note(&format!("{}: {}; waiting for it", self.client.url(), fault.message()));
        }
    }

    fn found(&self) {
        if self.lost.swap(false, Ordering::SeqCst) {
            note(&format!("{} answers again", self.client.url()));
        }
    }

    /// A follower has printed what is before its cursor.
    fn printed(&self, cursor: Cursor) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.iter_mut().find(|place| place.partition == cursor.partition) {
            *place = cursor;
        }
        drop(places);
        self.tell();
    }

    /// Says how far the command is, should it be stopped.
    fn tell(&self) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let [Cursor { partition, at: At::Offset(offset), .. }] = places.as_slice() {
            interrupt::so_far(format!("the next record is {offset}"), Some(self.again(*partition, *offset)));
        }
    }

    /// The command that goes on at an offset.
    fn again(&self, partition: u32, offset: u64) -> String {
        let which = if self.several { format!(" --partition {partition}") } else { String::new() };
        self.client.command(&format!("tail {}{which} --from {offset}", self.name))
    }
}

/// Follows one partition.
struct Follower<'a> {
    shared: &'a Shared,
    cursor: Cursor,
}

impl Follower<'_> {
    /// Prints records as they come, until nobody reads any more. An answer is here and checked as a whole before any of it is printed, and
    /// the next question begins behind it: a connection that breaks loses nothing and repeats nothing.
    fn follow(mut self, print: &impl Fn(u32, &[StoredRecord]) -> Result<bool>) -> Result<()> {
        let ask = Ask { incarnation: self.shared.incarnation, limit: PAGE, wait: WAIT, proof: false };
        loop {
            let asked = Instant::now();
            match self.shared.client.page(&self.shared.name, &mut self.cursor, ask) {
                Ok(page) => {
                    self.shared.found();
                    if !print(page.partition, &page.records)? {
                        return Ok(());
                    }
                    self.shared.printed(self.cursor);
                    if page.records.is_empty() {
                        pause(asked);
                    }
                }
                Err(fault) => {
                    self.mend(fault)?;
                    pause(asked);
                }
            }
        }
    }

    /// Whether it can go on after a fault: a node that is gone may come back, and what retention has removed is passed over.
    fn mend(&mut self, fault: NodeFault) -> Result<()> {
        let Shared { client, name, .. } = self.shared;
        match fault {
            NodeFault::Unreachable(_) | NodeFault::Lost(_) | NodeFault::Busy { .. } => {
                self.shared.lost(&fault);
                Ok(())
            }
            NodeFault::Refused { ref code, .. } if is_replaced(code) => Err(self.began_again()),
            NodeFault::Refused { ref code, .. } if code == "out_of_range" => match (self.cursor.at, client.ask(name)) {
                (At::Offset(offset), Ok(info)) => self.pass_over(offset, &info, fault),
                (_, Ok(_)) => Err(client.failure(Some(name), fault)),
                // The next question will say it again.
                (_, Err(_)) => Ok(()),
            },
            fault => Err(client.failure(Some(name), fault)),
        }
    }

    /// What comes now has nothing to do with what was printed: whoever reads it must know, and is not given the one behind the other.
    fn began_again(&self) -> Failure {
        let Shared { client, name, .. } = self.shared;
        Failure::error(format!(
            "the log {name} began again: it was deleted and made again, or is in memory and its node was restarted; offsets count from 0 anew"
        ))
        .next(client.command(&format!("tail {name} --from first")))
    }

    fn pass_over(&mut self, offset: u64, info: &LogInfo, fault: NodeFault) -> Result<()> {
        let Shared { client, name, incarnation, .. } = self.shared;
        if info.incarnation != *incarnation {
            return Err(self.began_again());
        }
        let number = self.cursor.partition;
        let found = usize::try_from(number).ok().and_then(|index| info.partitions.get(index));
        let Some(Ok(partition)) = found.map(|partition| partition.extent()) else {
            return Err(client.failure(Some(name), fault));
        };
        if partition.next_offset < offset {
            return Err(Failure::error(format!(
                "partition {number} of {name} ends at {} and had {offset} before: records are lost",
                partition.next_offset
            ))
            .next(client.command(&format!("describe {name}"))));
        }
        let first = partition.first_offset;
        if first > offset {
            let last = first - 1;
            note(&format!(
                "partition {number}: retention removed the records {offset} to {last} before they were read"
            ));
            self.cursor = Cursor::new(number, At::Offset(first));
        }
        Ok(())
    }
}

fn pause(since: Instant) {
    std::thread::sleep(PAUSE.saturating_sub(since.elapsed()));
}

#[cfg(test)]
#[path = "tail_test.rs"]
mod tests;
