//! `log read --verify`: each record against what the owner of the log signed, without a word of the node's being believed but, where no key
//! is pinned, whose key it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use pyralog_crypto::{LogId, PartitionCheckpoint, PublicKey, check_chain_id};
use serde_json::{Value, json};

use super::wire::{LogInfo, Page, StoredRecord};
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
    checkpoints: BTreeMap<u32, PartitionCheckpoint>,
    records: u64,
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
        Ok(Some(Self { name, id, incarnation, pinned, signer: None, checkpoints: BTreeMap::new(), records: 0 }))
    }

    /// Verifies every record of a page.
    pub fn check(&mut self, page: &Page) -> Result<()> {
        if page.records.is_empty() {
            return Ok(());
        }
        let invalid = |why: String| Failure::invalid(format!("partition {} of {}: {why}", page.partition, self.name));
        let (Some(signed), Some(chain_id), Some(owner)) = (&page.checkpoint, &page.chain_id, page.log_owner) else {
            return Err(invalid("the node gives records without checkpoint, chain or owner".to_owned()));
        };
        check_chain_id(chain_id).map_err(|error| invalid(error.to_string()))?;
        let id = LogId::derive_record(chain_id, &owner, &self.name, self.incarnation);
        let checkpoint = signed.checkpoint;
        if id != self.id || checkpoint.log != id {
            let served = if id == self.id { checkpoint.log } else { self.id };
            return Err(invalid(format!(
                "the log of this name, chain {chain_id}, owner {owner} and incarnation {} is {id}, not {served}",
                self.incarnation
            )));
        }
        if checkpoint.partition != page.partition {
            return Err(invalid(format!("the checkpoint is of partition {}", checkpoint.partition)));
        }
        signed
            .verify(chain_id, &owner)
            .map_err(|error| invalid(format!("the checkpoint is not signed by the owner {owner}: {error}")))?;
        let before = self.checkpoints.get(&page.partition);
        if before.is_some_and(|before| before.size == checkpoint.size && *before != checkpoint) {
            return Err(invalid(format!("two checkpoints of {} records differ: the log is forked", checkpoint.size)));
        }
        if let Some(before) = before.filter(|before| before.size > checkpoint.size) {
            return Err(invalid(format!(
                "a checkpoint of {} records comes after one of {}: the node goes back",
                checkpoint.size, before.size
            )));
        }
        // Offsets have no gaps, so a record that is passed over shows.
        let first = page.records.first().map_or(0, |record| record.offset);
        if let Some((due, record)) = (first..).zip(&page.records).find(|(due, record)| *due != record.offset) {
            return Err(invalid(format!("record {due} is passed over: record {} stands in its place", record.offset)));
        }
        for record in &page.records {
            in_partition(record, &checkpoint).map_err(|why| invalid(format!("record {}: {why}", record.offset)))?;
        }
        self.trusted(chain_id, owner)?;
        self.checkpoints.insert(page.partition, checkpoint);
        self.records = self.records.saturating_add(page.records.len() as u64);
        Ok(())
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
        let checkpoints = self.checkpoints.values().map(|checkpoint| {
            json!({
                "partition": checkpoint.partition,
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

    /// The same for people.
    pub fn text(&self) -> String {
        let Some((chain_id, owner)) = &self.signer else {
            return "there was no record to verify".to_owned();
        };
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
        format!("{GOOD}valid{GOOD:#} {records} records of the log {id} of {}, signed by {owner}{whose}", safe(chain_id))
    }
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
