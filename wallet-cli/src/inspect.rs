//! `pyralog inspect`: what a receipt says, as a tree from the document to the validators. Nothing is verified here.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use pyralog_consensus::light::CommitVote;
use pyralog_consensus::receipt::{
    AttestedHeader, BatchMembership, NotaryProof, NotarySubject, PathStep, PendingPromise, ReceiptFile, Refresh,
};
use pyralog_consensus::tx::AnchorTx;
use pyralog_crypto::{Encode, Hash, MerkleHash, Sha256};
use serde_json::{Value, json};

use crate::error::Result;
use crate::output::{DIM, Output, WARN, note, safe};
use crate::receipt_file;

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The receipt, complete or pending; - is standard input
    pub receipt: PathBuf,
}

/// One step of the proof: a title, lines below it.
struct Step {
    title: String,
    lines: Vec<String>,
}

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<Output> {
    let file = receipt_file::read_or_stdin(&args.receipt)?;
    note(&format!("{DIM}this shows what the receipt says; `pyralog verify` checks it{DIM:#}"));
    Ok(picture(&file))
}

/// The tree and the document of a receipt.
fn picture(file: &ReceiptFile) -> Output {
    match file {
        ReceiptFile::Complete(receipt) => {
            let mut steps = subject_steps(&receipt.subject, receipt.batch.as_ref());
            steps.extend(proof_steps(&receipt.chain_id, &receipt.proof));
            steps.extend(receipt.refresh.as_ref().map(|refresh| refresh_step(&receipt.chain_id, refresh)));
            let document = json!({
                "status": "complete",
                "chain_id": receipt.chain_id,
                "subject": subject_document(&receipt.subject, receipt.batch.as_ref()),
                "log": receipt.proof.log.to_string(),
                "index": receipt.proof.leaf.index,
                "size": receipt.proof.checkpoint.size,
                "block": header_document(&receipt.chain_id, &receipt.proof.block),
                "bridge": receipt.proof.bridge.iter().map(|link| header_document(&receipt.chain_id, link)).collect::<Vec<_>>(),
                "refreshed_under": receipt.refresh.as_ref().map(|refresh| header_document(&receipt.chain_id, &refresh.block)),
            });
            Output::new(document, draw(&format!("receipt of {}", safe(&receipt.chain_id)), &steps))
        }
        ReceiptFile::Pending(receipt) => {
            let mut steps = subject_steps(&receipt.subject, receipt.batch.as_ref());
            steps.push(promise_step(receipt.promise.as_ref()));
            let document = json!({
                "status": "pending",
                "chain_id": receipt.chain_id,
                "subject": subject_document(&receipt.subject, receipt.batch.as_ref()),
                "promise": receipt.promise.as_ref().map(|promise| json!({
                    "log": promise.log.to_string(),
                    "index": promise.index,
                    "anchor_by": promise.anchor_by,
                })),
            });
            Output::new(
                document,
                draw(&format!("{WARN}pending{WARN:#} receipt of {}", safe(&receipt.chain_id)), &steps),
            )
        }
    }
}

fn draw(title: &str, steps: &[Step]) -> String {
    let mut text = format!("{title}\n");
    for (depth, step) in steps.iter().enumerate() {
        let indent = "   ".repeat(depth);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{indent}└─ {}", step.title);
        let bar = if depth + 1 < steps.len() { "│" } else { " " };
        for line in &step.lines {
            let _ = writeln!(text, "{indent}   {bar}  {DIM}{line}{DIM:#}");
        }
    }
    text
}

fn subject_steps(subject: &NotarySubject, batch: Option<&BatchMembership>) -> Vec<Step> {
    let mut lines = vec![format!("blake3  {}", subject.blake3), format!("sha-256 {}", subject.sha256)];
    for (key, value) in subject.metadata.iter().flat_map(|metadata| metadata.values.iter()) {
        lines.push(format!("metadata {} = {}", safe(key), safe(value)));
    }
    let mut steps = vec![Step { title: format!("document, {} bytes", subject.size), lines }];
    let leaf = subject.leaf();
    let kind = if subject.hidden_salt.is_some() { "hidden under a salt" } else { "by its digests" };
    steps.push(Step {
        title: format!("leaf, {kind}"),
        lines: vec![
            format!("sha-256 leaf hash {}", leaf.leaf_hashes().sha256),
            format!("{} bytes", leaf.to_bytes().len()),
        ],
    });
    if let Some(batch) = batch {
        steps.push(Step {
            title: format!("batch, member {} of {}", batch.index, batch.count),
            lines: vec![paths(&batch.blake3_path, &batch.sha256_path)],
        });
    }
    steps
}

fn proof_steps(chain_id: &str, proof: &NotaryProof) -> Vec<Step> {
    let checkpoint = &proof.checkpoint;
    let anchor = AnchorTx { checkpoint: checkpoint.signed(proof.log) }.to_bytes();
    let mut steps = vec![
        Step {
            title: format!("log {}, leaf {}", proof.log, proof.leaf.index),
            lines: vec![paths(&proof.leaf.blake3_path, &proof.leaf.sha256_path)],
        },
        Step {
            title: format!("checkpoint of {} leaves, signed by the log", checkpoint.size),
            lines: vec![format!("blake3 root  {}", checkpoint.blake3), format!("sha-256 root {}", checkpoint.sha256)],
        },
        Step {
            title: format!("anchor transaction {}", Sha256::digest(&anchor)),
            lines: vec![format!("path to data_hash: {}", sides(&proof.anchor_path))],
        },
    ];
    steps.push(header_step("header", chain_id, &proof.block));
    steps.push(commit_step(&proof.block));
    if let Some(first) = proof.bridge.first() {
        let last = proof.bridge.last().unwrap_or(first);
        steps.push(Step {
            title: format!("bridge of {} changes of the validators", proof.bridge.len()),
            lines: vec![format!("blocks {} to {}", first.header.height, last.header.height)],
        });
    }
    steps
}

fn refresh_step(chain_id: &str, refresh: &Refresh) -> Step {
    let mut step = header_step("refreshed under header", chain_id, &refresh.block);
    step.lines.push(format!(
        "path of {} in the log of header hashes; state proof of {} bytes",
        refresh.header_path.len(),
        refresh.state_proof.len()
    ));
    step
}

fn promise_step(promise: Option<&PendingPromise>) -> Step {
    match promise {
        None => Step { title: "not submitted to any node yet".to_owned(), lines: Vec::new() },
        Some(promise) => Step {
            title: format!("promise to anchor leaf {} by height {}", promise.index, promise.anchor_by),
            lines: vec![format!("log   {}", promise.log), format!("owner {}", promise.owner)],
        },
    }
}

fn header_step(what: &str, chain_id: &str, attested: &AttestedHeader) -> Step {
    let header = &attested.header;
    Step {
        title: format!("{what} {} of {}", header.height, header.time.to_rfc3339()),
        lines: vec![format!("hash {}", hash_text(chain_id, attested)), format!("data_hash {}", header.data_hash)],
    }
}

fn commit_step(attested: &AttestedHeader) -> Step {
    let (commit, validators) = (&attested.commit, &attested.validators.0);
    let total: u128 = validators.iter().map(|validator| u128::from(validator.power)).sum();
    let mut signed: u128 = 0;
    let mut lines = Vec::new();
    for (vote, validator) in commit.signatures.iter().zip(validators) {
        let mark = match vote {
            CommitVote::Commit(_) => {
                signed += u128::from(validator.power);
                "signed"
            }
            CommitVote::Nil(_) => "nil   ",
            CommitVote::Absent => "-     ",
        };
        lines.push(format!("{mark} {} power {}", validator.public_key, validator.power));
    }
    Step { title: format!("commit of round {}: {signed} of {total} power", commit.round), lines }
}

fn subject_document(subject: &NotarySubject, batch: Option<&BatchMembership>) -> Value {
    let metadata: serde_json::Map<String, Value> = subject
        .metadata
        .iter()
        .flat_map(|metadata| metadata.values.iter())
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    json!({
        "blake3": subject.blake3.to_string(),
        "sha256": subject.sha256.to_string(),
        "size": subject.size,
        "hidden": subject.hidden_salt.is_some(),
        "metadata": metadata,
        "batch": batch.map(|batch| json!({ "index": batch.index, "count": batch.count })),
    })
}

fn header_document(chain_id: &str, attested: &AttestedHeader) -> Value {
    json!({
        "height": attested.header.height,
        "time": attested.header.time.to_rfc3339(),
        "hash": hash_text(chain_id, attested),
        "validators": attested.validators.0.len(),
        "signatures": attested.commit.signatures.iter().filter(|vote| matches!(vote, CommitVote::Commit(_))).count(),
    })
}

fn hash_text(chain_id: &str, attested: &AttestedHeader) -> String {
    attested
        .header
        .hash(chain_id)
        .map_or_else(|fault| format!("none: {}", safe(&fault.to_string())), |hash| hash.to_string())
}

fn paths(blake3: &[Hash], sha256: &[Hash]) -> String {
    format!("path of {} (blake3) and {} (sha-256) hashes", blake3.len(), sha256.len())
}

fn sides(path: &[PathStep]) -> String {
    if path.is_empty() {
        return "it is the block's only transaction".to_owned();
    }
    let side = |step: &PathStep| if matches!(step, PathStep::Left(_)) { "left" } else { "right" };
    path.iter().map(side).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "inspect_test.rs"]
mod tests;
