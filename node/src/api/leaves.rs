//! The body of a submission.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};

use super::Problem;
use super::object::in_words;
use super::values::{NotHex, lower_hex};

/// Reads `{"leaves": ["hex", …]}`. Hex digits are lower-case, and none is missing.
///
/// # Errors
/// The problem to answer with.
pub fn parse_leaves(body: &[u8], max: usize) -> Result<Vec<Vec<u8>>, Problem> {
    let mut reading = Reading { max, leaves: Vec::new(), count: 0, problem: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(Body(&mut reading)).and_then(|()| json.end());
    if let Err(error) = read {
        return Err(Problem::bad(format!("the body is not understood: {}", in_words(&error)))
            .remedy("send {\"leaves\": [\"hex\", …]}"));
    }
    if reading.count > max {
        return Err(Problem::bad(format!("{} leaves in one submission, at most {max} are taken", reading.count))
            .remedy("split them, or send them as one sub-tree batch"));
    }
    match reading.problem {
        Some(problem) => Err(problem),
        None => Ok(reading.leaves),
    }
}

/// What was read so far: each leaf is decoded where it stands in the body, into its own bytes and nothing else.
struct Reading {
    max: usize,
    leaves: Vec<Vec<u8>>,
    count: usize,
    /// The first leaf that is wrong; the rest of the body is still read, since it may not even be JSON.
    problem: Option<Problem>,
}

impl Reading {
    fn add(&mut self, text: &str) {
        let n = self.count;
        self.count += 1;
        if self.problem.is_some() || n >= self.max {
            return;
        }
        match lower_hex(text) {
            Ok(leaf) => self.leaves.push(leaf),
            Err(error) => {
                let problem = Problem::bad(format!("leaf {n} {error}"));
                self.problem = Some(match error {
                    NotHex::UpperCase => problem.remedy("write hex in lower case"),
                    NotHex::Other(_) => problem,
                });
            }
        }
    }
}

struct Body<'r>(&'r mut Reading);

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member \"leaves\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(Name::Leaves) = map.next_key()? {
            if std::mem::replace(&mut found, true) {
                return Err(A::Error::duplicate_field("leaves"));
            }
            map.next_value_seed(Leaves(self.0))?;
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("leaves")) }
    }
}

/// The only name of a member.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Leaves,
}

struct Leaves<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Leaves<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Leaves<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of leaves")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Leaf(self.0))?.is_some() {}
        Ok(())
    }
}

struct Leaf<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Leaf<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Leaf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a leaf in hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.add(text);
        Ok(())
    }
}
