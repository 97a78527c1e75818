//! `log read --verify`: each record against what the owner of the log signed, that none is passed over, that the log only grew meanwhile, and where
//! it ends. Of the node's words two are believed: where reading begins, if that is no offset; and where no key is pinned, whose key it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use pyralog_crypto::{LogId, PartitionCheckpoint, PartitionConsistency, PublicKey, check_chain_id};
use serde_json::{Value, json};

use super::cursor::At;
use super::wire::{LogInfo, Page, PartitionInfo, StoredRecord};
use crate::error::{Failure, Result};
use crate::genesis;
use crate::output::{GOOD, WARN, safe, shown};

/// Options that say what is verified, and under whose key.
#[derive(Debug, Clone, Default, Args)]
pub struct ProofArgs {
    /// Verify each record against a checkpoint that the owner of the log signed, before it is printed
    #[arg(long)]
    pub verify: bool,
    /// With --verify: the key that owns the log, 64 hexadecimal digits
    #[arg(long, value_name = "KEY", requires = "verify", conflicts_with = "genesis")]
    pub owner_key: Option<PublicKey>,
    /// With --verify: accept the keys that own logs in this genesis file
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub genesis: Option<PathBuf>,
}

/// Who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pinned {
    /// This key.
    Key(PublicKey),
    /// The owners of logs in a genesis file.
    Genesis { file: String, chain_id: String, owners: Vec<PublicKey> },
    /// Whoever the node names.
    No,
}

/// Verifies pages of one log.
#[derive(Debug)]
pub struct Verifier {
    name: String,
    id: LogId,
    incarnation: u64,
    pinned: Pinned,
    signer: Option<(String, PublicKey)>,
    /// The end of each partition as it was described.
    described: Vec<u64>,
    partitions: BTreeMap<u32, Verified>,
    records: u64,
}

/// How far a partition is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verified {
    /// The newest checkpoint.
    checkpoint: PartitionCheckpoint,
    /// Offset of the first record that was verified.
    first: u64,
    /// Offset behind the last one.
    next: u64,
}

impl Verifier {
    /// For the log that the node describes; `None` where nothing is to be verified.
    pub fn new(args: &ProofArgs, info: &LogInfo) -> Result<Option<Self>> {
        if !args.verify {
            return Ok(None);
        }
        let pinned = match (&args.owner_key, &args.genesis) {
            (Some(key), _) => Pinned::Key(*key),
            (None, Some(path)) => {
                let root = genesis::load(path)?;
                Pinned::Genesis { file: shown(path), chain_id: root.chain_id, owners: root.log_owners }
            }
            (None, None) => Pinned::No,
        };
        let (name, id, incarnation) = (info.name.clone(), info.id, info.incarnation);
        let end = |partition: &PartitionInfo| partition.extent().map_or(0, |extent| extent.next_offset);
        let (described, partitions) = (info.partitions.iter().map(end).collect(), BTreeMap::new());
        Ok(Some(Self { name, id, incarnation, pinned, signer: None, described, partitions, records: 0 }))
    }

    /// Verifies every record of a page that was asked for at `at`, that they follow those before, and that the page ends where the next begins or the
    /// partition ends. `consistency` fetches the proof that the partition of the second size continues that of the first.
    pub fn check(
        &mut self,
        page: &Page,
        at: At,
        consistency: impl FnOnce(u64, u64) -> Result<PartitionConsistency>,
    ) -> Result<()> {
        let name = self.name.clone();
        let invalid = |why: String| Failure::invalid(format!("partition {} of {name}: {why}", page.partition));
        let (chain_id, owner, checkpoint) = self.signed(page).map_err(invalid)?;
        let before = self.partitions.get(&page.partition).copied();
        match before.map(|before| before.checkpoint) {
            Some(before) if before.size == checkpoint.size && before != checkpoint => {
                let size = checkpoint.size;
                return Err(invalid(format!("two checkpoints of {size} records differ: the log is forked")));
            }
            Some(before) if before.size > checkpoint.size => {
                return Err(invalid(goes_back(checkpoint.size, before.size)));
            }
            Some(before) if before.size > 0 && before.size < checkpoint.size => {
                let proof = consistency(before.size, checkpoint.size)?;
                proof.verify(&before, &checkpoint).map_err(|error| {
                    let (old, new) = (before.size, checkpoint.size);
                    invalid(format!("the checkpoint of {new} records does not continue that of {old}: {error}"))
                })?;
            }
            _ => {}
        }
        let due = before.map(|before| before.next).or(match at {
            At::Offset(offset) => Some(offset),
            At::First | At::Time(_) => None,
        });
        let next = in_row(page, due, &checkpoint).map_err(invalid)?;
        for record in &page.records {
            in_partition(record, &checkpoint).map_err(|why| invalid(format!("record {}: {why}", record.offset)))?;
        }
        self.trusted(&chain_id, owner)?;
        let first = before.map_or(next - page.records.len() as u64, |before| before.first);
        self.partitions.insert(page.partition, Verified { checkpoint, first, next });
        self.records = self.records.saturating_add(page.records.len() as u64);
        Ok(())
    }

    /// Chain, owner and checkpoint of a page, where the owner has signed that of this partition.
    fn signed(&self, page: &Page) -> Result<(String, PublicKey, PartitionCheckpoint), String> {
        let (Some(signed), Some(chain_id), Some(owner)) = (&page.checkpoint, &page.chain_id, page.log_owner) else {
            return Err("the node answers without checkpoint, chain or owner".to_owned());
        };
        check_chain_id(chain_id).map_err(|error| error.to_string())?;
        let id = LogId::derive_record(chain_id, &owner, &self.name, self.incarnation);
        let checkpoint = signed.checkpoint;
        if id != self.id || checkpoint.log != id {
            let served = if id == self.id { checkpoint.log } else { self.id };
            let incarnation = self.incarnation;
            return Err(format!(
                "the log of this name, chain {chain_id}, owner {owner} and incarnation {incarnation} is {id}, not {served}"
            ));
        }
        if checkpoint.partition != page.partition {
            return Err(format!("the checkpoint is of partition {}", checkpoint.partition));
        }
        signed
            .verify(chain_id, &owner)
            .map_err(|error| format!("the checkpoint is not signed by the owner {owner}: {error}"))?;
        checkpoint.check().map_err(|error| error.to_string())?;
        let described = self.described.get(page.partition as usize).copied().unwrap_or_default();
        if checkpoint.size < described {
            return Err(goes_back(checkpoint.size, described));
        }
        if checkpoint.size != page.end_offset {
            let (size, end) = (checkpoint.size, page.end_offset);
            return Err(format!("the checkpoint ends with {size} records, and the node says that there are {end}"));
        }
        Ok((chain_id.clone(), owner, checkpoint))
    }

    /// Whether a proof that holds is one of the log that the caller means.
    fn trusted(&mut self, chain_id: &str, owner: PublicKey) -> Result<()> {
        let untrusted = |why: String| {
            Err(Failure::untrusted(format!("the proofs of {} hold, but {why}", self.name))
                .next("ask the operator of the log for its key, and pin that with --owner-key KEY"))
        };
        match &self.pinned {
            Pinned::Key(key) if *key != owner => {
                return untrusted(format!("the log is owned by {owner}, not by {key}"));
            }
            Pinned::Genesis { file, chain_id: ours, .. } if ours != chain_id => {
                return untrusted(format!("they are of chain {chain_id}, {file} is of {ours}"));
            }
            Pinned::Genesis { file, owners, .. } if !owners.contains(&owner) => {
                return untrusted(format!("{owner} owns no log in {file}"));
            }
            _ => {}
        }
        match &self.signer {
            Some((chain, key)) if chain != chain_id || *key != owner => {
                Err(Failure::invalid(format!("{}: its owner or chain changed while it was read", self.name)))
            }
            _ => {
                self.signer = Some((chain_id.to_owned(), owner));
                Ok(())
            }
        }
    }

    /// What was verified, for `--json`.
    pub fn document(&self) -> Value {
        let checkpoints = self.partitions.values().map(|Verified { checkpoint, first, next }| {
            json!({
                "partition": checkpoint.partition,
                "verified_from": first.to_string(),
                "verified_to": next.to_string(),
                "size": checkpoint.size.to_string(),
                "segments": checkpoint.segments.to_string(),
                "root": checkpoint.root,
            })
        });
        json!({
            "records": self.records,
            "chain_id": self.signer.as_ref().map(|(chain_id, _)| chain_id),
            "owner": self.signer.as_ref().map(|(_, owner)| owner),
            "owner_pinned_by": match &self.pinned {
                Pinned::Key(_) => Some("owner-key"),
                Pinned::Genesis { .. } => Some("genesis"),
                Pinned::No => None,
            },
            "checkpoints": checkpoints.collect::<Vec<_>>(),
        })
    }

    /// The same for people; `complete`: every partition that was meant was read to its end.
    pub fn text(&self, complete: bool) -> String {
        let Some((chain_id, owner)) = &self.signer else {
            return "there was nothing to verify".to_owned();
        };
        let end = if complete { " up to its end" } else { "" };
        let whose = match &self.pinned {
            Pinned::Key(_) => ", as pinned with --owner-key".to_owned(),
            Pinned::Genesis { file, .. } => format!(", which owns a log in {file}"),
            Pinned::No => {
                format!(
                    "; {WARN}that this key owns the log is the node's own word{WARN:#}: pin it with --owner-key or --genesis"
                )
            }
        };
        let (records, id) = (self.records, self.id);
        format!(
            "{GOOD}valid{GOOD:#} {records} records of the log {id} of {}{end}, signed by {owner}{whose}",
            safe(chain_id)
        )
    }
}

/// Whether the records of a page follow each other from the one that is due on, without one that is passed over; the offset behind them. A page
/// without records is one of the end.
fn in_row(page: &Page, due: Option<u64>, checkpoint: &PartitionCheckpoint) -> Result<u64, String> {
    let first = page.records.first().map_or(page.next_offset, |record| record.offset);
    let due = due.unwrap_or(first);
    // Not the other way round: the range must not be asked for what is behind the last offset.
    if let Some((record, due)) = page.records.iter().zip(due..).find(|(record, due)| *due != record.offset) {
        return Err(format!("record {due} is passed over: record {} stands in its place", record.offset));
    }
    let next = due.saturating_add(page.records.len() as u64);
    if page.next_offset != next {
        return Err(format!("record {next} is passed over: the node goes on at {}", page.next_offset));
    }
    if page.records.is_empty() && next != checkpoint.size {
        return Err(format!("the node gives no record from {next} on, and there are {}", checkpoint.size));
    }
    Ok(next)
}

fn goes_back(now: u64, before: u64) -> String {
    format!("a checkpoint of {now} records comes where there were {before} before: the node goes back")
}

fn in_partition(record: &StoredRecord, checkpoint: &PartitionCheckpoint) -> Result<(), String> {
    let proof = record.proof.as_ref().ok_or("it comes without a proof")?;
    if proof.offset != record.offset {
        return Err(format!("its proof is of record {}", proof.offset));
    }
    let canonical = record.canonical().map_err(|error| error.to_string())?;
    proof.verify(&canonical.leaf_hash(), checkpoint).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "proof_test.rs"]
mod tests;
