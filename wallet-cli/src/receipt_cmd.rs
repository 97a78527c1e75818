//! `pyralog receipt`: complete a pending receipt, or refresh a complete one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use pyralog_consensus::duration::parse_wait;
use pyralog_consensus::receipt::{NotaryReceipt, ReceiptFile, Refresh, Trust, VerifyOptions};
use pyralog_crypto::LogId;
use serde_json::{Value, json};

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::interrupt::{self, Unfinished};
use crate::node::{Deadline, NodeArgs, Nodes};
use crate::notarize::prepare::Member;
use crate::notarize::settle::{self, Patience, Settled};
use crate::notarize::submit::{self, Served, Submitted};
use crate::output::{GOOD, Output, WARN, note, safe, shown, with_path};
use crate::pending::{Group, Groups, below, fetch_elsewhere, gather};
use crate::receipt_file::{self, is_stdin, quoted};

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
    /// Pending receipts, or directories: then all pending receipts below them; those of one batch are fetched together
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

/// Most receipts of one leaf that are named one by one.
const LISTED: usize = 20;

/// What becomes of the receipts.
#[derive(Debug, Default)]
struct Fetched {
    results: Vec<Value>,
    lines: Vec<String>,
    worst: Option<Failure>,
}

fn fetch(args: &FetchArgs) -> Result<Output> {
    if args.receipts.iter().any(|path| is_stdin(path)) {
        return Err(in_place());
    }
    let mut fetched = Fetched::default();
    let mut groups = Groups::new();
    for path in &args.receipts {
        if path.is_dir() {
            fetched.gather_below(path, &mut groups);
        } else {
            fetched.gather_one(path, &mut groups);
        }
    }
    if !groups.is_empty() {
        let members = || groups.values().flat_map(|group| &group.job.members);
        interrupt::hold(Unfinished {
            receipts: members().map(|member| member.receipt.clone()).collect(),
            claimed: true,
            fetch: interrupt::again(),
        });
        let nodes = args.node.connect()?;
        let deadline = Deadline::after(args.timeout);
        let count = members().count();
        match submit::served(&nodes) {
            Ok(served) => {
                for group in groups.into_values() {
                    fetched.settle(&nodes, &served, group, args, deadline);
                }
            }
            Err(failure) => {
                for member in members() {
                    fetched.results.push(row(member, json!({ "status": "pending", "reason": failure.to_string() })));
                }
                raise(&mut fetched.worst, pending_instead(&failure, count));
            }
        }
    }
    let status = fetched.worst.as_ref().map_or("complete", Failure::class);
    Ok(Output {
        document: json!({ "status": status, "receipts": fetched.results }),
        text: fetched.lines.join("\n"),
        failure: fetched.worst,
    })
}

/// A node that cannot be reached leaves the receipts as pending as they were: exit 4, not 1.
fn pending_instead(failure: &Failure, receipts: usize) -> Failure {
    let report = failure.report();
    let kept = if receipts == 1 { "the receipt is still pending" } else { "the receipts are still pending" };
    Failure::pending(format!("{}; {kept}", report.message)).next_if(report.next.clone())
}

fn in_place() -> Failure {
    Failure::usage("a receipt is replaced where it lies, and cannot come from standard input")
        .next("write it to a file, and name that")
}

fn row(member: &Member, result: Value) -> Value {
    with_path(result, "receipt", &member.receipt)
}

impl Fetched {
    fn gather_one(&mut self, path: &Path, groups: &mut Groups) {
        match receipt_file::read(path) {
            Ok(ReceiptFile::Pending(pending)) => {
                if let Err(failure) = gather(groups, path, path, *pending) {
                    self.fail(path, failure);
                }
            }
            Ok(ReceiptFile::Complete(_)) => {
                note(&format!("{} is complete already", shown(path)));
                self.results.push(with_path(json!({ "status": "complete" }), "receipt", path));
            }
            Err(failure) => self.fail(path, failure),
        }
    }

    fn gather_below(&mut self, dir: &Path, groups: &mut Groups) {
        let found = below(dir);
        if found.pending.is_empty() && found.problems.is_empty() {
            note(&format!("no pending receipt is below {}", shown(dir)));
        }
        for (path, why) in found.problems {
            let failure = Failure::error(format!("cannot read {}: {why}", shown(&path)));
            self.fail(&path, failure);
        }
        for (path, pending) in found.pending {
            if let Err(failure) = gather(groups, &path, &path, pending) {
                self.fail(&path, failure);
            }
        }
    }

    fn settle(&mut self, nodes: &Nodes, served: &Served, group: Group, args: &FetchArgs, deadline: Deadline) {
        let outcome = if group.chain_id == served.chain_id {
            let first = nodes.urls().first().cloned().unwrap_or_default();
            let known = group.promise.filter(|_| !args.resubmit).map(|promise| Submitted { promise, node: first });
            settle::settle(nodes, served, &group.job, known, Patience { no_wait: false, deadline })
        } else {
            Err(other_chain(served, &group.chain_id))
        };
        let members = &group.job.members;
        match outcome {
            Err(failure) => members.iter().for_each(|member| self.fail(&member.receipt, failure.clone())),
            Ok(Settled::Complete(verified)) => {
                let time = verified.existed_no_later_than.to_rfc3339();
                let what = format!("existed no later than {time} (block {})", verified.height);
                let (height, status) = (verified.height, "complete");
                let result = json!({ "status": status, "height": height, "existed_no_later_than": time });
                self.results.extend(members.iter().map(|member| row(member, result.clone())));
                self.say(&format!("{GOOD}complete{GOOD:#}"), members, &format!(": {what}"));
            }
            Ok(Settled::Pending { promise, reason, refused }) => {
                let result = json!({ "status": "pending", "reason": reason });
                self.results.extend(members.iter().map(|member| row(member, result.clone())));
                self.say(&format!("{WARN}pending{WARN:#}"), members, "");
                let log = promise.map(|promise| promise.log).filter(|log| hold_other_logs(nodes, log));
                let next = match log {
                    Some(log) => format!(
                        "name the node that promised, which holds the log {log}, with --node URL; \
                         or submit the leaf to the log of this node with --resubmit"
                    ),
                    None if !refused.is_empty() => {
                        let receipts = members.iter().map(|member| member.receipt.as_path());
                        fetch_elsewhere(receipts, &args.node, &refused)
                    }
                    None => "try again later; with --resubmit the leaf is submitted to another log".to_owned(),
                };
                raise(&mut self.worst, Failure::pending(format!("still pending: {reason}")).next(next));
            }
        }
    }

    /// A line for each of a few receipts, and one for many.
    fn say(&mut self, word: &str, members: &[Member], what: &str) {
        if members.len() > LISTED {
            return self.lines.push(format!("{word} {} receipts of one batch{what}", members.len()));
        }
        self.lines.extend(members.iter().map(|member| format!("{word} {}{what}", shown(&member.receipt))));
    }

    fn fail(&mut self, path: &Path, failure: Failure) {
        let result = json!({ "status": failure.class(), "error": failure.to_string() });
        self.results.push(with_path(result, "receipt", path));
        // What the end does not say: one sentence for each, however many receipts it is of.
        if let Some(earlier) = self.worst.as_ref().filter(|earlier| **earlier != failure) {
            note(&safe(&earlier.to_string()));
        }
        raise(&mut self.worst, failure);
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
    if is_stdin(path) {
        return Err(in_place());
    }
    let mut receipt: NotaryReceipt = match receipt_file::read(path)? {
        ReceiptFile::Complete(receipt) => *receipt,
        ReceiptFile::Pending(_) => {
            return Err(Failure::pending(format!("{} is pending and has nothing to refresh", shown(path)))
                .next(format!("pyralog receipt fetch {}{}", quoted(path), args.node.flag())));
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
    receipt.verify(&receipt.subject.digest(), &trust, &VerifyOptions::default()).map_err(|error| {
        Failure::error(format!("{} served a refresh that does not hold: {error}", answer.node))
            .next("name another node with --node URL")
    })?;
    let out = args.out.as_ref().unwrap_or(path);
    let existing = if args.out.is_some() { Existing::Keep } else { Existing::Replace };
    files::write(out, &receipt_file::encode(out, &receipt)?, receipt_file::MODE, existing)
        .context(|| format!("cannot write the receipt {}", shown(out)))?;
    let header = format!("{later_height}:{hash}");
    let document = json!({
        "status": "refreshed", "chain_id": receipt.chain_id, "height": height,
        "refreshed_under": { "height": later_height, "hash": hash.to_string(), "time": later_time },
    });
    let text =
        format!("{GOOD}refreshed{GOOD:#} {} under block {later_height} of {later_time}\nheader {header}", shown(out));
    note("whether that header is the chain's, a light client or a person must say: `pyralog light sync`");
    Ok(Output::new(with_path(document, "receipt", out), text))
}

#[cfg(test)]
#[path = "receipt_cmd_test.rs"]
mod tests;
