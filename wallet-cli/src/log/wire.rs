//! The documents of the record logs' API. Numbers that can exceed 2^53 are strings of digits, byte strings lower-case hexadecimal.

use pyralog_crypto::{Header, LogId, PublicKey, Record, RecordError, RecordProof, SignedPartitionCheckpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parse::{show_size, show_span};

/// A log, as the node describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// Its name on this node.
    pub name: String,
    /// Its id for ever.
    #[serde(rename = "log")]
    pub id: LogId,
    /// A number that no other log of this node has or had. A log in memory gets another one with each start of the node.
    #[serde(with = "digits")]
    pub incarnation: u64,
    /// Where its records are.
    pub storage: Storage,
    /// Size at which a segment is sealed.
    #[serde(with = "digits")]
    pub segment_bytes: u64,
    /// What is kept.
    pub retention: Retention,
    /// Its partitions, from 0.
    pub partitions: Vec<PartitionInfo>,
}

/// Where the records of a log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// On disk.
    Disk,
    /// In memory: they are gone when the node stops.
    Memory,
}

/// When records are removed; without a bound they are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Oldest record, milliseconds.
    #[serde(with = "maybe_digits", default)]
    pub max_age_ms: Option<u64>,
    /// Most bytes of a partition.
    #[serde(with = "maybe_digits", default)]
    pub max_bytes: Option<u64>,
}

/// One partition, as the node describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    /// Its number.
    pub partition: u32,
    /// Offset of the oldest record that is kept.
    #[serde(with = "digits")]
    pub first_offset: u64,
    /// Offset of the next record.
    #[serde(with = "digits")]
    pub next_offset: u64,
    /// Bytes that its segments take.
    #[serde(with = "digits")]
    pub bytes: u64,
    /// How many segments.
    pub segments: u64,
    /// Least timestamp of its records.
    #[serde(with = "maybe_digits", default)]
    pub min_time: Option<u64>,
    /// Greatest timestamp of its records.
    #[serde(with = "maybe_digits", default)]
    pub max_time: Option<u64>,
}

impl LogInfo {
    /// How many records are kept.
    pub fn records(&self) -> u64 {
        self.sum(PartitionInfo::records)
    }

    /// Bytes of all partitions.
    pub fn bytes(&self) -> u64 {
        self.sum(|partition| partition.bytes)
    }

    /// What a node claims need not fit.
    fn sum(&self, of: impl Fn(&PartitionInfo) -> u64) -> u64 {
        self.partitions.iter().map(of).fold(0, u64::saturating_add)
    }
}

impl Storage {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }
}

impl Retention {
    /// For people.
    pub fn words(&self) -> String {
        match (self.max_age_ms.map(show_span), self.max_bytes.map(show_size)) {
            (None, None) => "all".to_owned(),
            (Some(age), None) => age,
            (None, Some(bytes)) => format!("{bytes} a partition"),
            (Some(age), Some(bytes)) => format!("{age}, {bytes} a partition"),
        }
    }
}

impl PartitionInfo {
    /// How many records are kept.
    pub fn records(&self) -> u64 {
        self.next_offset.saturating_sub(self.first_offset)
    }
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The partition.
    pub partition: u32,
    /// The offset in it.
    #[serde(with = "digits")]
    pub offset: u64,
}

/// A record that is in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// Its offset.
    #[serde(with = "digits")]
    pub offset: u64,
    /// Milliseconds since 1970.
    #[serde(with = "digits")]
    pub timestamp: u64,
    /// The key, if it has one.
    #[serde(with = "maybe_hexadecimal", default)]
    pub key: Option<Vec<u8>>,
    /// The value.
    #[serde(with = "hexadecimal")]
    pub value: Vec<u8>,
    /// The headers, in the producer's order.
    #[serde(default)]
    pub headers: Vec<StoredHeader>,
    /// That it is in the partition, where a proof was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<RecordProof>,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(with = "hexadecimal")]
    pub value: Vec<u8>,
}

impl StoredRecord {
    /// The record in its one encoding; an error where it is none.
    pub fn canonical(&self) -> Result<Record, RecordError> {
        let header = |header: &StoredHeader| Header { name: header.name.clone(), value: header.value.clone().into() };
        let key = self.key.clone().map(Into::into);
        Record::new(self.timestamp, key, self.value.clone().into(), self.headers.iter().map(header).collect())
    }
}

/// Records in a row, as the node serves them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The partition.
    pub partition: u32,
    /// Incarnation of the log.
    #[serde(with = "digits")]
    pub incarnation: u64,
    /// The records, in the order of their offsets.
    pub records: Vec<StoredRecord>,
    /// Where to go on.
    #[serde(with = "digits")]
    pub next_offset: u64,
    /// The offset behind the last durable record.
    #[serde(with = "digits")]
    pub end_offset: u64,
    /// Offset of the oldest record that is kept.
    #[serde(with = "digits")]
    pub first_offset: u64,
    /// What the proofs lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<SignedPartitionCheckpoint>,
    /// The chain that the signature is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    /// The key that signs for the log, says the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_owner: Option<PublicKey>,
}

/// A record as an append sends it.
pub fn outgoing(record: &Record) -> Value {
    let headers = record.headers().iter();
    json!({
        "timestamp": record.timestamp().to_string(),
        "key": record.key().map(hex::encode),
        "value": hex::encode(record.value()),
        "headers": headers.map(|h| json!({ "name": h.name, "value": hex::encode(&h.value) })).collect::<Vec<_>>(),
    })
}

/// `u64` as a string of digits; a number is read too.
mod digits {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(number: &u64, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let value = Value::deserialize(input)?;
        crate::query::number(&value).ok_or_else(|| D::Error::custom("a string of digits is needed"))
    }
}

/// The same or `null`.
mod maybe_digits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Digits(#[serde(with = "super::digits")] u64);

    pub fn serialize<S: Serializer>(number: &Option<u64>, out: S) -> Result<S::Ok, S::Error> {
        number.map(Digits).serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Digits>::deserialize(input)?.map(|Digits(number)| number))
    }
}

/// Bytes as hexadecimal digits.
mod hexadecimal {
    use std::borrow::Cow;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = Cow::<'_, str>::deserialize(input)?;
        hex::decode(text.as_bytes())
            .map_err(|error| D::Error::custom(format!("hexadecimal digits are needed: {error}")))
    }
}

/// The same or `null`.
mod maybe_hexadecimal {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Hexadecimal(#[serde(with = "super::hexadecimal")] Vec<u8>);

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, out: S) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Hexadecimal).serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Hexadecimal>::deserialize(input)?.map(|Hexadecimal(bytes)| bytes))
    }
}

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;
