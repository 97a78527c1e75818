//! The query language of `subscribe` and `tx_search`: conditions joined by `AND`, such as `tm.event='Tx' AND tx.height>5`.

use std::collections::BTreeMap;

/// Longest query text, bytes.
pub const MAX_QUERY_BYTES: usize = 512;

/// What events carry: composite key to values, such as `tx.height` to `["5"]`.
pub type Tags = BTreeMap<String, Vec<String>>;

/// A parsed query. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The conditions in their order.
    pub conditions: Vec<Condition>,
}

/// `key op operand`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Such as `tx.height`.
    pub key: String,
    /// The comparison.
    pub test: Test,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `= 'text'`.
    Is(String),
    /// `=`, `<`, `<=`, `>`, `>=` with a number.
    Number(Order, i64),
    /// `CONTAINS 'text'`.
    Contains(String),
    /// `EXISTS`.
    Exists,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Query {
    /// Parses `text`; the error is a sentence with the offending part.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(format!("query is longer than {MAX_QUERY_BYTES} bytes"));
        }
        let mut scanner = Scanner { rest: text.trim() };
        let mut conditions = Vec::new();
        loop {
            conditions.push(scanner.condition()?);
            if scanner.rest.is_empty() {
                return Ok(Self { conditions });
            }
            scanner.keyword("AND").ok_or_else(|| format!("AND is expected before {:?}", scanner.rest))?;
        }
    }

    /// Whether an event with these tags is asked for.
    pub fn matches(&self, tags: &Tags) -> bool {
        self.conditions.iter().all(|condition| {
            tags.get(&condition.key).is_some_and(|values| values.iter().any(|value| condition.test.holds(value)))
        })
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Is(text) => value == text,
            Self::Contains(part) => value.contains(part),
            Self::Exists => true,
            Self::Number(order, bound) => value.parse::<i64>().is_ok_and(|number| order.holds(number, *bound)),
        }
    }
}

impl Order {
    /// Whether `number` stands so to `bound`.
    pub fn holds(self, number: i64, bound: i64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::AtMost => number <= bound,
            Self::More => number > bound,
            Self::AtLeast => number >= bound,
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn condition(&mut self) -> Result<Condition, String> {
        let end = self.rest.find(|c: char| c.is_whitespace() || "=<>'".contains(c)).unwrap_or(self.rest.len());
        let key = self.take(end).to_owned();
        if key.is_empty() {
            return Err(format!("a key such as tm.event is expected at {:?}", self.rest));
        }
        let test = if self.keyword("EXISTS").is_some() {
            Test::Exists
        } else if self.keyword("CONTAINS").is_some() {
            Test::Contains(self.quoted()?)
        } else {
            self.comparison()?
        };
        Ok(Condition { key, test })
    }

    fn comparison(&mut self) -> Result<Test, String> {
        let orders = [
            ("<=", Order::AtMost),
            (">=", Order::AtLeast),
            ("<", Order::Less),
            (">", Order::More),
            ("=", Order::Equal),
        ];
        let found = orders.into_iter().find(|(sign, _)| self.rest.starts_with(sign));
        let (sign, order) = found.ok_or_else(|| format!("a comparison is expected at {:?}", self.rest))?;
        self.take(sign.len());
        if self.rest.starts_with('\'') {
            let text = self.quoted()?;
            return match (order, text.parse()) {
                (Order::Equal, _) => Ok(Test::Is(text)),
                (_, Ok(number)) => Ok(Test::Number(order, number)),
                _ => Err(format!("{text:?} is not a number, and only numbers have an order")),
            };
        }
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let word = self.take(end);
        word.parse()
            .map(|number| Test::Number(order, number))
            .map_err(|_| format!("{word:?} is neither a number nor quoted text"))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let inner = self
            .rest
            .strip_prefix('\'')
            .ok_or_else(|| format!("text in single quotes is expected at {:?}", self.rest))?;
        let end = inner.find('\'').ok_or_else(|| "a single quote is not closed".to_owned())?;
        let text = inner[..end].to_owned();
        self.rest = inner[end + 1..].trim_start();
        Ok(text)
    }

    fn keyword(&mut self, word: &str) -> Option<()> {
        let after = self.rest.strip_prefix(word)?;
        if !(after.is_empty() || after.starts_with(char::is_whitespace)) {
            return None;
        }
        self.rest = after.trim_start();
        Some(())
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (head, tail) = self.rest.split_at(end);
        self.rest = tail.trim_start();
        head
    }
}

#[cfg(test)]
#[path = "query_test.rs"]
mod tests;
