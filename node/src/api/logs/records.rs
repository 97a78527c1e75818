//! The body of an append.

use std::fmt;

use axum::http::StatusCode;
use bytes::Bytes;
use pyralog_cluster_core::MAX_APPEND_RECORDS;
use pyralog_cluster_core::replication::{Lsn, ProducerId, Stamp};
use pyralog_crypto::{Header, MAX_RECORD_HEADERS, Record, RecordError};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::api::Problem;
use crate::api::object::{Object, field, in_words};
use crate::api::values::{Decimal, Hex};

const REMEDY: &str = "send {\"records\": [{\"timestamp\": \"milliseconds since 1970\", \"key\": \"hex\", \"value\": \
                      \"hex\", \"headers\": [{\"name\": \"text\", \"value\": \"hex\"}]}, …]}, of which only value is needed";

/// What an append asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Append {
    /// The records.
    pub records: Vec<Record>,
    /// Who sends them, and as which of its own.
    pub stamp: Option<Stamp>,
}

/// Reads `{"producer", "sequence", "records": [{"timestamp", "key", "value", "headers"}, …]}`. Records without a timestamp get `now`, milliseconds since 1970;
/// producer and sequence number may both be missing.
///
/// # Errors
/// The problem to answer with.
pub fn parse_append(body: &[u8], now: u64) -> Result<Append, Problem> {
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(Body(&mut reading)).and_then(|()| json.end());
    if let Err(error) = read {
        let inside = reading.inside.then_some(reading.count);
        drop(reading);
        let why = in_words(&error);
        let place = inside.map(|count| format!("record {count}: ")).unwrap_or_default();
        let field = field_of(body, if inside.is_some() { 2 } else { 0 }, &why);
        return Err(Problem::bad(format!("the body is not understood: {place}{field}{why}")).remedy(REMEDY));
    }
    if reading.count == 0 || reading.count > MAX_APPEND_RECORDS {
        let message = format!("{} records in one request, 1 to {MAX_APPEND_RECORDS} are taken", reading.count);
        return Err(Problem::bad(message).remedy("send more than that in several requests"));
    }
    let sound =
        |(n, Object(record)): (usize, Object<Given>)| record.into_record(now).map_err(|error| refusal(n, &error));
    let stamp = stamp(reading.producer, reading.sequence)?;
    let records = reading.records.into_iter().enumerate().map(sound).collect::<Result<_, _>>()?;
    Ok(Append { records, stamp })
}

/// The field of a body that is refused, without the first parts of the way to it. It is read a second time for this: who sends what can be read does not wait
/// for the way to each of its fields.
fn field_of(body: &[u8], skip: usize, why: &str) -> String {
    let (mut json, mut way) = (serde_json::Deserializer::from_slice(body), serde_path_to_error::Track::new());
    let mut reading = Reading::default();
    let again = serde_path_to_error::Deserializer::new(&mut json, &mut way).deserialize_map(Body(&mut reading));
    if again.is_ok() { String::new() } else { field(&way.path(), skip, why) }
}

fn stamp(producer: Option<Hex>, sequence: Option<Decimal>) -> Result<Option<Stamp>, Problem> {
    let refused = |message: &str| {
        let remedy = "send \"producer\" as it was answered, 32 hexadecimal digits, and \"sequence\", \"1\" for its first append and one more for each further one";
        Problem::bad(message).remedy(remedy)
    };
    match (producer, sequence) {
        (None, None) => Ok(None),
        (Some(_), Some(Decimal(0))) => Err(refused("sequence is 0")),
        (Some(Hex(id)), Some(Decimal(sequence))) => {
            let id = id.try_into().map_err(|_| refused("producer has not 16 bytes"))?;
            Ok(Some(Stamp { producer: ProducerId(Lsn::from_bytes(id)), sequence }))
        }
        (Some(_), None) => Err(refused("sequence is missing")),
        (None, Some(_)) => Err(refused("producer is missing")),
    }
}

fn refusal(n: usize, error: &RecordError) -> Problem {
    match error {
        RecordError::TooLarge { max, found } => {
            let message = format!("record {n} has {found} bytes, at most {max} are allowed");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "record_too_large", message)
                .remedy("split its value, or store it elsewhere and record its digest")
        }
        RecordError::Timestamp { .. } => Problem::bad(format!("record {n}: {error}"))
            .remedy("give milliseconds since 1970-01-01T00:00:00Z, or no timestamp"),
        _ => Problem::bad(format!("record {n}: {error}")).remedy(REMEDY),
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    /// At most as many as one request may have: the others are only counted.
    records: Vec<Object<Given>>,
    producer: Option<Hex>,
    sequence: Option<Decimal>,
    count: usize,
    /// Whether a record is being read.
    inside: bool,
}

/// A record as its producer wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    timestamp: Option<Decimal>,
    key: Option<Hex>,
    value: Hex,
    #[serde(default, deserialize_with = "headers")]
    headers: Vec<GivenHeader>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenHeader {
    name: String,
    value: Hex,
}

impl Given {
    fn into_record(self, now: u64) -> Result<Record, RecordError> {
        let timestamp = self.timestamp.map_or(now, |Decimal(timestamp)| timestamp);
        let header = |GivenHeader { name, value }| Header { name, value: Bytes::from(value.0) };
        let headers = self.headers.into_iter().map(header).collect();
        Record::new(timestamp, self.key.map(|key| Bytes::from(key.0)), Bytes::from(self.value.0), headers)
    }
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GivenHeader>, D::Error> {
    deserializer.deserialize_seq(Headers)
}

struct Headers;

impl<'de> Visitor<'de> for Headers {
    type Value = Vec<GivenHeader>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of headers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut headers = Vec::new();
        while let Some(header) = list.next_element()? {
            if headers.len() == MAX_RECORD_HEADERS {
                return Err(A::Error::custom(format_args!("more than {MAX_RECORD_HEADERS} headers")));
            }
            let Object(header) = header;
            headers.push(header);
        }
        Ok(headers)
    }
}

struct Body<'r>(&'r mut Reading);

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member \"records\", and \"producer\" and \"sequence\" where there are these")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = map.next_key()? {
            match name {
                Name::Records => {
                    if std::mem::replace(&mut found, true) {
                        return Err(A::Error::duplicate_field("records"));
                    }
                    map.next_value_seed(Records(self.0))?;
                }
                Name::Producer => once("producer", &mut self.0.producer, map.next_value()?)?,
                Name::Sequence => once("sequence", &mut self.0.sequence, map.next_value()?)?,
            }
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("records")) }
    }
}

fn once<T, E: Error>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), E> {
    if place.replace(value).is_some() { Err(E::duplicate_field(name)) } else { Ok(()) }
}

/// The names of members.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Records,
    Producer,
    Sequence,
}

struct Records<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Reading { records, count, inside, .. } = self.0;
        *inside = true;
        while *count < MAX_APPEND_RECORDS {
            let Some(record) = list.next_element()? else { break };
            records.push(record);
            *count += 1;
        }
        *inside = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            *count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "records_test.rs"]
mod tests;
