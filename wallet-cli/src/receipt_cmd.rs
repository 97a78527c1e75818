//! `pyralog receipt`: complete a pending receipt, or refresh a complete one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use pyralog_consensus::duration::parse_wait;
use pyralog_consensus::receipt::{NotaryReceipt, PendingReceipt, ReceiptFile, Refresh, Trust, VerifyOptions};
use pyralog_crypto::{Encode, LogId};
use serde_json::{Value, json};

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::node::{Deadline, NodeArgs, Nodes};
use crate::notarize::prepare::{Job, Member};
use crate::notarize::settle::{self, Patience, Settled};
use crate::notarize::submit::{self, Served, Submitted};
use crate::output::{GOOD, Output, WARN, note, path_json, safe};
use crate::receipt_file;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Complete pending receipts in place
    Fetch(FetchArgs),
    /// Re-anchor a receipt under a later header, so that it no longer rests on the validators of its own block
    Refresh(RefreshArgs),
}

/// Options of `receipt fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Pending receipts; receipts of one batch are fetched together
    #[arg(required = true, value_name = "RECEIPT")]
    pub receipts: Vec<PathBuf>,
    /// Submit the leaf again, although a log has promised to anchor it
    #[arg(long)]
    pub resubmit: bool,
    /// How long to wait: 3, 3s, 500ms, 2m
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_wait)]
    pub timeout: Duration,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Options of `receipt refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The receipt
    pub receipt: PathBuf,
    /// Write the refreshed receipt to F instead of replacing it
    #[arg(long, value_name = "F")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Runs a `receipt` command.
pub fn run(command: ReceiptCommand) -> Result<Output> {
    match command {
        ReceiptCommand::Fetch(args) => fetch(&args),
        ReceiptCommand::Refresh(args) => refresh(&args),
    }
}

/// Pending receipts that stand for one leaf.
struct Group {
    job: Job,
    promise: Option<pyralog_consensus::receipt::PendingPromise>,
    chain_id: String,
}

fn fetch(args: &FetchArgs) -> Result<Output> {
    let mut results: Vec<Value> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut worst: Option<Failure> = None;
    let mut groups: BTreeMap<(String, Vec<u8>), Group> = BTreeMap::new();
    for path in &args.receipts {
        match receipt_file::read(path) {
            Ok(ReceiptFile::Pending(pending)) => {
                if let Err(failure) = gather(&mut groups, path, *pending) {
                    fail(&mut worst, &mut results, path, failure);
                }
            }
            Ok(ReceiptFile::Complete(_)) => {
                note(&format!("{} is complete already", safe(&path.to_string_lossy())));
                results.push(json!({ "receipt": path_json(path), "status": "complete" }));
            }
            Err(failure) => fail(&mut worst, &mut results, path, failure),
        }
    }
    if !groups.is_empty() {
        let nodes = args.node.connect()?;
        let deadline = Deadline::after(args.timeout);
        let served = submit::served(&nodes).map_err(|failure| pending_instead(failure, &args.receipts))?;
        for group in groups.into_values() {
            settle_group(&nodes, &served, group, args.resubmit, deadline, &mut results, &mut lines, &mut worst);
        }
    }
    Ok(Output { document: json!({ "receipts": results }), text: lines.join("\n"), failure: worst })
}

/// A node that cannot be reached leaves the receipts as pending as they were: exit 4, not 1.
fn pending_instead(failure: Failure, receipts: &[PathBuf]) -> Failure {
    let report = failure.report();
    let kept = if receipts.len() == 1 { "the receipt is still pending" } else { "the receipts are still pending" };
    let pending = Failure::pending(format!("{}; {kept}", report.message));
    match &report.next {
        Some(next) => pending.next(next.clone()),
        None => pending,
    }
}

fn gather(groups: &mut BTreeMap<(String, Vec<u8>), Group>, path: &Path, pending: PendingReceipt) -> Result<()> {
    let leaf = pending.leaf().map_err(|fault| Failure::invalid(format!("{}: {fault}", path.display())))?;
    let PendingReceipt { chain_id, subject, batch, promise, .. } = pending;
    let member = Member { name: safe(&path.to_string_lossy()), receipt: path.to_owned(), subject, batch };
    let group = groups.entry((chain_id.clone(), leaf.to_bytes())).or_insert_with(|| Group {
        job: Job { leaf, members: Vec::new() },
        promise: None,
        chain_id,
    });
    group.job.members.push(member);
    group.promise = group.promise.take().or(promise);
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn settle_group(
    nodes: &Nodes,
    served: &Served,
    group: Group,
    resubmit: bool,
    deadline: Deadline,
    results: &mut Vec<Value>,
    lines: &mut Vec<String>,
    worst: &mut Option<Failure>,
) {
    let outcome = if group.chain_id == served.chain_id {
        let first = nodes.urls().first().cloned().unwrap_or_default();
        let known = group.promise.filter(|_| !resubmit).map(|promise| Submitted { promise, node: first });
        settle::settle(nodes, served, &group.job, known, Patience { no_wait: false, deadline })
    } else {
        Err(other_chain(served, &group.chain_id))
    };
    match outcome {
        Err(failure) => {
            for member in &group.job.members {
                fail(worst, results, &member.receipt, failure.clone());
            }
        }
        Ok(Settled::Complete(verified)) => {
            let time = verified.existed_no_later_than.to_rfc3339();
            for member in &group.job.members {
                lines.push(format!(
                    "{GOOD}complete{GOOD:#} {}: existed no later than {time} (block {})",
                    member.name, verified.height
                ));
                results.push(json!({
                    "receipt": path_json(&member.receipt), "status": "complete",
                    "height": verified.height, "existed_no_later_than": time,
                }));
            }
        }
        Ok(Settled::Pending { promise, reason }) => {
            for member in &group.job.members {
                lines.push(format!("{WARN}pending{WARN:#} {}", member.name));
                results.push(json!({ "receipt": path_json(&member.receipt), "status": "pending", "reason": reason }));
            }
            let log = promise.map(|promise| promise.log).filter(|log| hold_other_logs(nodes, log));
            let next = match log {
                Some(log) => format!(
                    "name the node that promised, which holds the log {log}, with --node URL; \
                     or submit the leaf to the log of this node with --resubmit"
                ),
                None => "try again later; with --resubmit the leaf is submitted to another log".to_owned(),
            };
            raise(worst, Failure::pending(format!("still pending: {reason}")).next(next));
        }
    }
}

/// Whether every node that was asked holds another log than `log`: waiting longer at these is in vain.
fn hold_other_logs(nodes: &Nodes, log: &LogId) -> bool {
    nodes.urls().iter().all(|url| submit::log_of(nodes, url).is_some_and(|held| held != *log))
}

fn other_chain(served: &Served, ours: &str) -> Failure {
    let Served { chain_id, node, .. } = served;
    Failure::error(format!("{node} serves the chain {chain_id}, the receipt is of {ours}"))
        .next("name a node of that chain with --node URL")
}

fn fail(worst: &mut Option<Failure>, results: &mut Vec<Value>, path: &Path, failure: Failure) {
    results.push(json!({ "receipt": path_json(path), "status": failure.class(), "error": failure.to_string() }));
    if let Some(earlier) = worst.as_ref() {
        note(&format!("{earlier}"));
    }
    raise(worst, failure);
}

/// Keeps the failure that weighs more: an invalid receipt above an error above a pending one.
fn raise(worst: &mut Option<Failure>, failure: Failure) {
    let weight = |failure: &Failure| match failure {
        Failure::Invalid(_) => 3,
        Failure::Pending(_) => 1,
        _ => 2,
    };
    if worst.as_ref().is_none_or(|earlier| weight(&failure) >= weight(earlier)) {
        *worst = Some(failure);
    }
}

fn refresh(args: &RefreshArgs) -> Result<Output> {
    let path = &args.receipt;
    let mut receipt: NotaryReceipt = match receipt_file::read(path)? {
        ReceiptFile::Complete(receipt) => *receipt,
        ReceiptFile::Pending(_) => {
            return Err(Failure::pending(format!("{} is pending and has nothing to refresh", path.display()))
                .next(format!("pyralog receipt fetch {}{}", receipt_file::quoted(path), args.node.flag())));
        }
    };
    let nodes = args.node.connect()?;
    let served = submit::served(&nodes)?;
    if served.chain_id != receipt.chain_id {
        return Err(other_chain(&served, &receipt.chain_id));
    }
    let height = receipt.proof.block.header.height;
    let answer = nodes.starting_with(&served.node).get(&format!("/v1/notary/refresh/{height}"))?;
    let refresh: Refresh = serde_json::from_value(answer.body)
        .context(|| format!("{}: its refresh of height {height} is not understood", answer.node))?;
    let later = &refresh.block.header;
    let (later_height, later_time) = (later.height, later.time.to_rfc3339());
    let hash = later.hash(&receipt.chain_id).context(|| format!("{}: its header", answer.node))?;
    receipt.refresh = Some(refresh);
    // Before it replaces anything, the new form must verify under the header that it names.
    let trust = Trust::Header { height: later_height, hash };
    receipt
        .verify(&receipt.subject.digest(), &trust, &VerifyOptions::default())
        .map_err(|error| Failure::error(format!("the node served a refresh that does not hold: {error}")))?;
    let out = args.out.as_ref().unwrap_or(path);
    let existing = if args.out.is_some() { Existing::Keep } else { Existing::Replace };
    files::write(out, &receipt_file::encode(out, &receipt)?, receipt_file::MODE, existing)
        .context(|| format!("cannot write the receipt {}", out.display()))?;
    let header = format!("{later_height}:{hash}");
    let document = json!({
        "status": "refreshed", "receipt": path_json(out), "chain_id": receipt.chain_id, "height": height,
        "refreshed_under": { "height": later_height, "hash": hash.to_string(), "time": later_time },
    });
    let text = format!(
        "{GOOD}refreshed{GOOD:#} {} under block {later_height} of {later_time}\nheader {header}",
        safe(&out.to_string_lossy())
    );
    note("whether that header is the chain's, a light client or a person must say: `pyralog light sync`");
    Ok(Output::new(document, text))
}

#[cfg(test)]
#[path = "receipt_cmd_test.rs"]
mod tests;
