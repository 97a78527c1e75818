//! `pyralog notarize`: documents in, receipts out.

pub mod prepare;
pub mod settle;
pub mod submit;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pyralog_consensus::duration::parse_wait;
use pyralog_crypto::Metadata;
use serde_json::{Value, json};

use crate::document::Digester;
use crate::error::{Context, Failure, Result};
use crate::files::Existing;
use crate::node::{Deadline, NodeArgs};
use crate::output::{GOOD, Output, WARN, note, path_json, safe};
use crate::receipt_file::{is_cbor, quoted};
use crate::sources::{Destination, Plan, RECEIPT, Source, exists};
use prepare::{Job, Member};
use settle::{Patience, Settled};

/// How many problems are listed one by one on stderr; `--json` holds all.
const LISTED: usize = 20;

/// Options of `notarize`.
#[derive(Debug, Args)]
pub struct NotarizeArgs {
    /// Files; - is standard input; a directory, or several files, become one batch with a receipt for each file
    #[arg(required = true, value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Log a commitment under a random salt instead of the digests; the salt stands in the receipt alone
    #[arg(long)]
    pub hidden: bool,
    /// Metadata to commit to (never sent), may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub metadata: Vec<String>,
    /// Receipt of a single document: JSON, or CBOR where F ends in .cbor (default FILE.receipt.json)
    #[arg(long, value_name = "F")]
    pub out: Option<PathBuf>,
    /// Directory for the receipts of several documents (default: each beside its document)
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub out_dir: Option<PathBuf>,
    /// Name receipts .receipt.cbor and write CBOR, where --out does not say otherwise
    #[arg(long)]
    pub cbor: bool,
    /// Replace receipts that exist
    #[arg(long)]
    pub force: bool,
    /// Return as soon as a node has promised to anchor; `pyralog receipt fetch` completes the pending receipt later
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for the receipt: 3, 3s, 500ms, 2m
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_wait)]
    pub timeout: Duration,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// One document that was not done, and why.
type Problem = (PathBuf, String);

/// Runs the command.
pub fn run(args: &NotarizeArgs) -> Result<Output> {
    let metadata = prepare::parse_metadata(&args.metadata)?;
    let to = Destination {
        out: args.out.clone(),
        out_dir: args.out_dir.clone(),
        cbor: args.cbor || args.out.as_deref().is_some_and(is_cbor),
        force: args.force,
        node_flag: args.node.flag(),
    };
    let plan = Plan::make(&args.inputs, &to)?;
    for line in skipped_lines(&plan.skipped) {
        note(&line);
    }
    let mut problems = plan.problems;
    if plan.sources.is_empty() {
        return Err(nothing_done(&problems));
    }
    // The chain's name stands in the pending receipt, and a dead node is better found before gigabytes are hashed.
    let nodes = args.node.connect()?;
    let served = submit::served(&nodes)?;
    let nodes = nodes.starting_with(&served.node);

    let members = digest(&plan.sources, metadata.as_ref(), args.hidden, &to, &mut problems)?;
    let job = claim(&served.chain_id, members, plan.batch, &to, &mut problems)?;
    let patience = Patience { no_wait: args.no_wait, deadline: Deadline::after(args.timeout) };
    let settled =
        settle::settle(&nodes, &served, &job, None, patience).map_err(|failure| kept(failure, &job, &to.node_flag))?;
    let mut output = report(&served.chain_id, &job, &settled, &problems, args.no_wait, &to.node_flag);
    output.document["skipped"] =
        plan.skipped.iter().map(|(path, why)| json!({ "file": path_json(path), "reason": why })).collect();
    Ok(output)
}

/// What to say of what was skipped. Receipts are counted: a directory that was notarized before holds one for each file.
fn skipped_lines(skipped: &[(PathBuf, &'static str)]) -> Vec<String> {
    let (receipts, others): (Vec<_>, Vec<_>) = skipped.iter().partition(|(_, why)| *why == RECEIPT);
    let mut lines: Vec<String> =
        others.iter().map(|(path, why)| format!("skipped {}: {why}", safe(&path.to_string_lossy()))).collect();
    match receipts.len() {
        0 => {}
        1 => lines.push("skipped 1 receipt".to_owned()),
        many => lines.push(format!("skipped {many} receipts")),
    }
    lines
}

/// Digests every document; what cannot be read becomes a problem.
fn digest(
    sources: &[Source],
    metadata: Option<&Metadata>,
    hidden: bool,
    to: &Destination,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Member>> {
    let sizes = sources.iter().map(|source| source.path.as_ref()?.metadata().ok().map(|meta| meta.len()));
    let mut digester = Digester::new(sizes.sum());
    let mut members = Vec::with_capacity(sources.len());
    for source in sources {
        let digest = match &source.path {
            Some(path) => digester.file(path),
            None => digester.stdin(),
        };
        match digest {
            Err(error) => problems.push((source.path.clone().unwrap_or_else(|| "-".into()), error.to_string())),
            Ok(digest) => {
                let receipt = source.receipt.clone().unwrap_or_else(|| to.place_stdin(&digest.blake3.to_string()));
                let subject = prepare::subject(&digest, metadata, hidden)?;
                members.push(Member { name: source.name(), receipt, subject, batch: None });
            }
        }
    }
    Ok(members)
}

/// Puts the pending receipts on disk. A document whose receipt cannot be written is left out of the batch.
fn claim(
    chain_id: &str,
    members: Vec<Member>,
    batch: bool,
    to: &Destination,
    problems: &mut Vec<Problem>,
) -> Result<Job> {
    if to.out_dir.is_some() {
        for parent in members.iter().filter_map(|member| member.receipt.parent()) {
            std::fs::create_dir_all(parent).context(|| format!("cannot make the directory {}", parent.display()))?;
        }
    }
    let make = |members: Vec<Member>| -> Result<Job> {
        match <[Member; 1]>::try_from(members) {
            Ok([member]) if !batch => Ok(Job::single(member)),
            Ok(one) => Job::batch(one.into()),
            Err(members) => Job::batch(members),
        }
    };
    if members.is_empty() {
        return Err(nothing_done(problems));
    }
    let job = make(members)?;
    let existing = if to.force { Existing::Replace } else { Existing::Keep };
    let outcomes = settle::write_pending(chain_id, &job.members, None, existing)?;
    if outcomes.iter().all(std::result::Result::is_ok) {
        return Ok(job);
    }
    let mut kept = Vec::new();
    for (member, outcome) in job.members.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => kept.push(Member { batch: None, ..member }),
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::AlreadyExists => exists(&member.receipt, &to.node_flag),
                    _ => format!("cannot write its receipt {}: {error}", member.receipt.display()),
                };
                problems.push((member.name.into(), why));
            }
        }
    }
    if kept.is_empty() {
        return Err(nothing_done(problems));
    }
    let job = make(kept)?;
    for (member, outcome) in
        job.members.iter().zip(settle::write_pending(chain_id, &job.members, None, Existing::Replace)?)
    {
        outcome.context(|| format!("cannot write the receipt {}", member.receipt.display()))?;
    }
    Ok(job)
}

/// Says that the pending receipts stay when the submission failed for good.
fn kept(failure: Failure, job: &Job, node_flag: &str) -> Failure {
    if failure.report().next.is_some() {
        return failure;
    }
    let Some(first) = job.members.first() else { return failure };
    let fetch = format!("pyralog receipt fetch {}{node_flag}", quoted(&first.receipt));
    failure.next(format!("the pending receipt is kept; submit it again with `{fetch}`"))
}

fn nothing_done(problems: &[Problem]) -> Failure {
    match problems {
        [(path, why)] => Failure::error(format!("{}: {why}", safe(&path.to_string_lossy()))),
        _ => {
            list(problems);
            Failure::error(format!("none of {} documents could be notarized", problems.len()))
        }
    }
}

fn list(problems: &[Problem]) {
    for (path, why) in problems.iter().take(LISTED) {
        note(&format!("not done: {}: {why}", safe(&path.to_string_lossy())));
    }
    if problems.len() > LISTED {
        note(&format!("not done: {} more (all of them with --json)", problems.len() - LISTED));
    }
}

fn report(
    chain_id: &str,
    job: &Job,
    settled: &Settled,
    problems: &[Problem],
    no_wait: bool,
    node_flag: &str,
) -> Output {
    let receipts: Vec<Value> = job
        .members
        .iter()
        .map(|member| json!({ "file": member.name, "receipt": path_json(&member.receipt) }))
        .collect();
    let failed: Vec<Value> =
        problems.iter().map(|(path, why)| json!({ "file": path.to_string_lossy(), "error": why })).collect();
    let mut document = json!({ "chain_id": chain_id, "receipts": receipts, "failed": failed });
    let (text, mut failure) = match settled {
        Settled::Complete(verified) => {
            document["status"] = "complete".into();
            document["log"] = verified.log.to_string().into();
            document["index"] = verified.index.into();
            document["height"] = verified.height.into();
            document["header_hash"] = verified.header_hash.to_string().into();
            document["existed_no_later_than"] = verified.existed_no_later_than.to_rfc3339().into();
            (complete_text(job, verified), None)
        }
        Settled::Pending { promise, reason } => {
            document["status"] = "pending".into();
            document["reason"] = reason.as_str().into();
            if let Some(promise) = promise {
                document["log"] = promise.log.to_string().into();
                document["index"] = promise.index.into();
                document["anchor_by"] = promise.anchor_by.into();
            }
            let text = pending_text(job);
            // Whoever asked not to wait got what was asked for: the promise.
            let done = no_wait && promise.is_some();
            (text, (!done).then(|| pending_failure(job, promise.is_some(), reason, node_flag)))
        }
    };
    if !problems.is_empty() {
        list(problems);
        let total = problems.len() + job.members.len();
        failure = Some(Failure::error(format!("{} of {total} documents were not notarized", problems.len())));
    }
    Output { document, text, failure }
}

fn complete_text(job: &Job, verified: &pyralog_consensus::receipt::Verified) -> String {
    let time = verified.existed_no_later_than.to_rfc3339();
    let place = format!("existed no later than {time} (block {} of {})", verified.height, verified.chain_id);
    match job.members.as_slice() {
        [one] => {
            format!("{GOOD}notarized{GOOD:#} {}: {place}\nreceipt {}", one.name, safe(&one.receipt.to_string_lossy()))
        }
        many => {
            format!("{GOOD}notarized{GOOD:#} {} documents in one batch: {place}\nreceipts {}", many.len(), places(job))
        }
    }
}

fn pending_text(job: &Job) -> String {
    match job.members.as_slice() {
        [one] => format!("{WARN}pending{WARN:#} {}\nreceipt {}", one.name, safe(&one.receipt.to_string_lossy())),
        many => format!("{WARN}pending{WARN:#} {} documents in one batch\nreceipts {}", many.len(), places(job)),
    }
}

fn places(job: &Job) -> String {
    let text = |member: Option<&Member>| member.map(|m| safe(&m.receipt.to_string_lossy())).unwrap_or_default();
    format!("{} … {}", text(job.members.first()), text(job.members.last()))
}

fn pending_failure(job: &Job, promised: bool, reason: &str, node_flag: &str) -> Failure {
    let what = if promised { "promised, not anchored yet" } else { "not submitted yet" };
    let first = job.members.first().map(|member| quoted(&member.receipt)).unwrap_or_default();
    let fetch = format!("pyralog receipt fetch {first}{node_flag}");
    let next = match job.members.len() {
        1 => fetch,
        many => format!("`{fetch}`, which takes all {many} receipts at once too"),
    };
    Failure::pending(format!("{what}: {reason}; the pending receipt is kept")).next(next)
}

#[cfg(test)]
mod tests;
