//! Where the records of an append went.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::wire::Placement;

/// Up to so many records each have a line.
const LISTED: usize = 10;

/// The places of records that are acknowledged. Memory grows with the runs of offsets, and only where all of them are wanted.
#[derive(Debug, Default)]
pub struct Placed {
    all: bool,
    early: bool,
    count: u64,
    first: Vec<Placement>,
    last: Option<Placement>,
    partitions: BTreeMap<u32, Run>,
    /// How many have no offset yet.
    open: BTreeMap<u32, u64>,
    runs: Vec<(u32, Run)>,
}

/// Records of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The first and the last offset; none where they have none yet.
    offsets: Option<(u64, u64)>,
    count: u64,
}

impl Run {
    fn of(offset: Option<u64>) -> Self {
        Self { offsets: offset.map(|offset| (offset, offset)), count: 1 }
    }

    /// Takes one more, whose offset is higher.
    fn grow(&mut self, offset: Option<u64>) {
        let offsets = self.offsets.zip(offset);
        *self = Self { offsets: offsets.map(|((first, _), last)| (first, last)), count: self.count + 1 };
    }

    /// Whether the next one of its partition goes on where it ends.
    fn goes_on(&self, offset: Option<u64>) -> bool {
        match self.offsets {
            Some((_, last)) => offset.is_some() && last.checked_add(1) == offset,
            None => offset.is_none(),
        }
    }
}

impl Placed {
    /// With `all` every place is kept, with `early` a record need not have an offset.
    pub fn new(all: bool, early: bool) -> Self {
        Self { all, early, ..Self::default() }
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
            let Some(offset) = offset else {
                if self.early {
                    continue;
                }
                return Err(format!("it gives a record of partition {partition} no offset"));
            };
            let before = newest.insert(*partition, *offset);
            let before = before.or_else(|| self.partitions.get(partition)?.offsets.map(|(_, last)| last));
            if before.is_some_and(|before| before >= *offset) {
                return Err(format!(
                    "it gives a record the offset {offset} of partition {partition} after a higher one"
                ));
            }
        }
        for Placement { partition, offset } in places.iter().copied() {
            let one = Run::of(offset);
            match offset {
                Some(_) => {
                    self.partitions.entry(partition).and_modify(|run| run.grow(offset)).or_insert(one);
                }
                None => *self.open.entry(partition).or_default() += 1,
            }
            if self.all {
                match self.runs.last_mut() {
                    Some((number, run)) if *number == partition && run.goes_on(offset) => run.grow(offset),
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

    /// A line for each of a few records, else one for each partition. What has no offset yet has a - in its place.
    pub fn text(&self) -> String {
        if self.count <= LISTED as u64 {
            let line = |Placement { partition, offset }: &Placement| match offset {
                Some(offset) => format!("{partition} {offset}"),
                None => format!("{partition} -"),
            };
            return self.first.iter().map(line).collect::<Vec<_>>().join("\n");
        }
        let placed = self.partitions.iter().filter_map(|(partition, Run { offsets, count })| {
            let (first, last) = (*offsets)?;
            Some(format!("partition {partition}: offsets {first} to {last}, {count} records"))
        });
        let open = self.open.iter();
        let open =
            open.map(|(partition, count)| format!("partition {partition}: {count} records without an offset yet"));
        placed.chain(open).collect::<Vec<_>>().join("\n")
    }

    /// Every place, as runs of consecutive offsets in the order of the records.
    pub fn document(&self) -> Value {
        let run = |(partition, Run { offsets, count }): &(u32, Run)| {
            let (first, last) = offsets.map(|(first, last)| (first.to_string(), last.to_string())).unzip();
            json!({ "partition": partition, "first": first, "last": last, "count": count })
        };
        self.runs.iter().map(run).collect()
    }
}

#[cfg(test)]
#[path = "placed_test.rs"]
mod tests;
