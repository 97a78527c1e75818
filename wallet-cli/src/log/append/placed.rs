//! Where the records of an append went.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::wire::Placement;

/// Up to so many records each have a line.
const LISTED: usize = 10;

/// The places of records that are durable. Memory grows with the runs of offsets, and only where all of them are wanted.
#[derive(Debug, Default)]
pub struct Placed {
    all: bool,
    count: u64,
    first: Vec<Placement>,
    last: Option<Placement>,
    partitions: BTreeMap<u32, Run>,
    runs: Vec<(u32, Run)>,
}

/// Offsets of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
    count: u64,
}

impl Placed {
    /// With `all` every place is kept.
    pub fn new(all: bool) -> Self {
        Self { all, ..Self::default() }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The place of the last record.
    pub fn last(&self) -> Option<Placement> {
        self.last
    }

    /// Adds places in the order of the records. The offsets of a partition must grow.
    ///
    /// # Errors
    /// Says which do not; nothing is added then.
    pub fn add(&mut self, places: &[Placement]) -> Result<(), String> {
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        for Placement { partition, offset } in places {
            let before = newest.insert(*partition, *offset);
            let before = before.or_else(|| self.partitions.get(partition).map(|run| run.last));
            if before.is_some_and(|before| before >= *offset) {
                return Err(format!(
                    "it gives a record the offset {offset} of partition {partition} after a higher one"
                ));
            }
        }
        for Placement { partition, offset } in places.iter().copied() {
            let one = Run { first: offset, last: offset, count: 1 };
            let grow = |run: &mut Run| *run = Run { first: run.first, last: offset, count: run.count + 1 };
            self.partitions.entry(partition).and_modify(grow).or_insert(one);
            if self.all {
                match self.runs.last_mut() {
                    Some((number, run)) if *number == partition && run.last.checked_add(1) == Some(offset) => grow(run),
                    _ => self.runs.push((partition, one)),
                }
            }
        }
        let room = LISTED.saturating_sub(self.first.len());
        self.first.extend(places.iter().take(room));
        self.last = places.last().copied().or(self.last);
        self.count += places.len() as u64;
        Ok(())
    }

    /// A line for each of a few records, else one for each partition.
    pub fn text(&self) -> String {
        if self.count <= LISTED as u64 {
            let line = |place: &Placement| format!("{} {}", place.partition, place.offset);
            return self.first.iter().map(line).collect::<Vec<_>>().join("\n");
        }
        let line = |(partition, Run { first, last, count }): (&u32, &Run)| {
            format!("partition {partition}: offsets {first} to {last}, {count} records")
        };
        self.partitions.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Every place, as runs of consecutive offsets in the order of the records.
    pub fn document(&self) -> Value {
        let run = |(partition, Run { first, last, count }): &(u32, Run)| {
            let (first, last) = (first.to_string(), last.to_string());
            json!({ "partition": partition, "first": first, "last": last, "count": count })
        };
        self.runs.iter().map(run).collect()
    }
}

#[cfg(test)]
#[path = "placed_test.rs"]
mod tests;
