//! The documents of the record logs' API. Numbers that can exceed 2^53 are strings of digits, byte strings lower-case hexadecimal.

use pyralog_crypto::{Header, LogId, PublicKey, Record, RecordError, RecordProof, SignedPartitionCheckpoint};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parse::{show_size, show_span};
use crate::admin::form::{digits, hexadecimal, maybe_digits, maybe_hexadecimal};

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
    /// How many members keep its records, where it is a cluster's.
    #[serde(flatten)]
    pub spread: Option<Spread>,
    /// Its partitions, from 0.
    pub partitions: Vec<PartitionInfo>,
}

/// How many members keep the records of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Which of them.
    pub copysets: Copysets,
    /// Members that store a partition.
    pub nodeset: u8,
    /// Copies of each record.
    pub replication: u8,
    /// Durable copies before an acknowledgement.
    pub copies: u8,
}

/// Which members keep a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Copysets {
    /// All that store the partition
    Partition,
    /// Some of them, others for other records; the rest keep its hash
    Record,
    /// The same, and the leader only where there are too few others
    CoordinatorOnly,
}

impl Spread {
    /// For people.
    pub fn words(&self) -> String {
        let Self { copysets, nodeset, replication, copies } = self;
        let which = match copysets {
            Copysets::Partition => format!("{replication}"),
            Copysets::Record => format!("{replication} of {nodeset} members, which ones differs by record"),
            Copysets::CoordinatorOnly => format!("{replication} of {nodeset} members, the leader last"),
        };
        format!("{which}; acknowledged with {copies}")
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PartitionInfo {
    /// It cannot be looked at.
    Unseen {
        /// Its number.
        partition: u32,
        /// Why.
        error: String,
        /// Whether this node does not store it, or not yet: nothing is wrong with it then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        absent: bool,
        /// Who stores it, where it is a cluster's.
        #[serde(flatten)]
        placed: Option<Placed>,
    },
    /// It is as it should be.
    Sound(Extent),
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
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
    /// Who stores it, where it is a cluster's.
    #[serde(flatten)]
    pub placed: Option<Placed>,
}

/// Where a partition of a cluster is, and the numbers that hold while no more members store it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Who stores it.
    pub members: Vec<u64>,
    /// Copies of each record.
    pub replication: u8,
    /// Durable copies before an acknowledgement.
    pub copies: u8,
}

impl LogInfo {
    /// How many records are kept.
    pub fn records(&self) -> u64 {
        self.sum(Extent::records)
    }

    /// Bytes of all partitions.
    pub fn bytes(&self) -> u64 {
        self.sum(|partition| partition.bytes)
    }

    /// Numbers of the partitions that cannot be looked at though this node stores them, and why not.
    pub fn damaged(&self) -> Vec<(u32, &str)> {
        let here = self.partitions.iter().filter(|partition| !partition.is_absent());
        here.filter_map(|partition| Some((partition.number(), partition.extent().err()?))).collect()
    }

    /// How many partitions this node does not store, though other members do or will: what is in them is not known here.
    pub fn absent(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.is_absent()).count()
    }

    /// What holds of the numbers of copies, for people, where a partition has fewer members than the log wants.
    pub fn for_now(&self) -> Option<String> {
        let spread = self.spread?;
        let placed = self.partitions.iter().filter_map(PartitionInfo::placed);
        let least = placed.min_by_key(|placed| placed.members.len())?;
        let Placed { members, replication, copies } = least;
        (members.len() < usize::from(spread.nodeset)).then(|| {
            let (count, wanted) = (members.len(), spread.replication);
            let members = if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
            format!("{replication} of {wanted} replicas on {members}, acknowledged with {copies}, until there are more members")
        })
    }

    /// What a node claims need not fit.
    fn sum(&self, of: impl Fn(&Extent) -> u64) -> u64 {
        self.partitions.iter().filter_map(|partition| partition.extent().ok()).map(of).fold(0, u64::saturating_add)
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
    /// Its number.
    pub fn number(&self) -> u32 {
        match self {
            Self::Unseen { partition, .. } | Self::Sound(Extent { partition, .. }) => *partition,
        }
    }

    /// What it holds, or why that cannot be seen.
    pub fn extent(&self) -> Result<&Extent, &str> {
        match self {
            Self::Unseen { error, .. } => Err(error),
            Self::Sound(extent) => Ok(extent),
        }
    }

    /// Whether this node does not store it, though other members do or will.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Unseen { absent: true, .. })
    }

    fn placed(&self) -> Option<&Placed> {
        match self {
            Self::Unseen { placed, .. } | Self::Sound(Extent { placed, .. }) => placed.as_ref(),
        }
    }
}

impl Extent {
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
    /// The offset in it; none where the record was acknowledged before it was durable.
    #[serde(with = "maybe_digits", default)]
    pub offset: Option<u64>,
}

/// When the node acknowledges records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Ack {
    /// When they are on stable storage, of as many members as the cluster wants
    #[default]
    Durable,
    /// When as many members have them in memory
    Replicated,
    /// When one member has them in memory
    Cached,
}

impl Ack {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Replicated => "replicated",
            Self::Cached => "cached",
        }
    }
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

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;
