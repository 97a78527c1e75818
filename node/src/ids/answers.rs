//! JSON of the service. Numbers of 64 bits are decimal strings: above 2^53 they do not survive JavaScript.

use std::ops::Range;

use pyralog_cluster_core::{NodeNumber, Scarab, ScarabRange};
use serde::{Deserialize, Serialize};

/// `GET /v1/ids`: `{"node": 7, "ids": {"first": "…", "count": "1000"}}`.
///
/// One span is the whole range. The id after `id` is `id + 1`, and where `id mod 8192 = 8191` (the last of its millisecond) it is
/// `id + 8380417`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdsAnswer {
    /// The number in each of them.
    pub node: u16,
    /// The ids.
    pub ids: Span,
}

/// The first of what was drawn, and how many there are. As it stands it is the answer to `GET /v1/counter`: then they are consecutive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Decimal digits.
    pub first: String,
    /// Decimal digits.
    pub count: String,
}

impl IdsAnswer {
    /// Names a range that was drawn; `None` for an empty one, which no generator draws.
    pub fn of(mut range: ScarabRange) -> Option<Self> {
        let count = range.len().to_string();
        let first = range.next()?;
        Some(Self { node: first.node().number(), ids: Span { first: first.to_string(), count } })
    }

    /// The range and whose it is, where `count` ids were asked for.
    ///
    /// # Errors
    /// What does not fit, as the end of a sentence that begins with the server.
    pub fn range(&self, count: u32) -> Result<(NodeNumber, ScarabRange), String> {
        let first: Scarab = self.ids.of_count(count)?.parse().map_err(|error| format!("its answer: {error}"))?;
        if first.node().number() != self.node {
            return Err(format!("its ids have node number {}, but it says {}", first.node(), self.node));
        }
        let range = ScarabRange::new(first, count).map_err(|error| format!("its answer: {error}"))?;
        Ok((first.node(), range))
    }
}

impl Span {
    /// Names values that were drawn.
    pub fn of(values: &Range<u64>) -> Self {
        Self { first: values.start.to_string(), count: values.end.saturating_sub(values.start).to_string() }
    }

    /// The values, where `count` of them were asked for.
    ///
    /// # Errors
    /// What does not fit, as the end of a sentence that begins with the server.
    pub fn values(&self, count: u32) -> Result<Range<u64>, String> {
        let first: u64 = self.of_count(count)?.parse().map_err(|_| format!("{:?} is not a value", self.first))?;
        let end = first.checked_add(u64::from(count)).ok_or("its counter is at its end")?;
        Ok(first..end)
    }

    fn of_count(&self, count: u32) -> Result<&str, String> {
        match self.count == count.to_string() {
            true => Ok(&self.first),
            false => Err(format!("it gave {:?} where {count} were asked for", self.count)),
        }
    }
}

#[cfg(test)]
#[path = "answers_test.rs"]
mod tests;
