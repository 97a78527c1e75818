//! Where a reader is in a partition: what it asks for next, and whether the answer can be one.

use std::time::Duration;

use super::wire::Page;

/// Most empty answers in a row that may still move on: offsets without records are few.
const MAX_EMPTY: u32 = 64;

/// The place from which the next records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The oldest record that is kept.
    First,
    /// An offset.
    Offset(u64),
    /// The first record of this time or later, milliseconds since 1970.
    Time(u64),
}

/// A reader's place in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The partition.
    pub partition: u32,
    /// Its place.
    pub at: At,
    empty: u32,
}

impl Cursor {
    /// A reader that has read nothing yet.
    pub fn new(partition: u32, at: At) -> Self {
        Self { partition, at, empty: 0 }
    }

    /// The query of the next question: at most `limit` records, after a wait of at most `wait` for the first.
    pub fn query(&self, limit: u64, wait: Duration, proof: bool) -> String {
        let at = match self.at {
            At::First => String::new(),
            At::Offset(offset) => format!("&from={offset}"),
            At::Time(time) => format!("&time={time}"),
        };
        let wait = if wait.is_zero() { String::new() } else { format!("&wait_ms={}", wait.as_millis()) };
        let proof = if proof { "&proof=1" } else { "" };
        format!("partition={}{at}&limit={limit}{wait}{proof}", self.partition)
    }

    /// Checks the answer to that question, and steps behind its records. An answer that contradicts itself or the place, or that leads
    /// nowhere, is refused: a reader never goes backwards and never turns in a circle.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn step(&mut self, page: &Page, limit: u64) -> Result<(), String> {
        let (next, end) = (page.next_offset, page.end_offset);
        if page.partition != self.partition {
            return Err(format!("it answers for partition {} instead of {}", page.partition, self.partition));
        }
        if page.records.len() as u64 > limit {
            return Err(format!("it gives {} records where {limit} were asked for", page.records.len()));
        }
        let mut least = match self.at {
            At::Offset(offset) => offset,
            // Not its first offset: retention may have moved that since the records were read.
            At::First | At::Time(_) => 0,
        };
        for record in &page.records {
            if record.offset < least {
                return Err(format!("it gives offset {} where {least} or a later one is due", record.offset));
            }
            least = record.offset.checked_add(1).ok_or("it gives an offset that no record has")?;
        }
        if next < least || next > end {
            return Err(format!("it goes on at offset {next}, which is not between {least} and its end {end}"));
        }
        self.empty = if page.records.is_empty() && next < end { self.empty + 1 } else { 0 };
        if self.empty > 0 && (self.at == At::Offset(next) || self.empty > MAX_EMPTY) {
            return Err(format!("it has records up to offset {end} and gives none from {next} on"));
        }
        self.at = At::Offset(next);
        Ok(())
    }
}

#[cfg(test)]
#[path = "cursor_test.rs"]
mod tests;
