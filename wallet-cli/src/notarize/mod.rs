//! `pyralog notarize`: documents in, receipts out.

pub mod claim;
pub mod prepare;
mod report;
pub mod settle;
pub mod submit;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pyralog_consensus::duration::parse_wait;
use serde_json::{Value, json};

use crate::document::Digester;
use crate::error::{Context, Failure, Result};
use crate::files;
use crate::interrupt::{self, Unfinished};
use crate::node::{Deadline, NodeArgs};
use crate::output::{Output, note, print_next, shown, with_path};
use crate::pending::{Groups, fetch_command, gather};
use crate::receipt_file::is_cbor;
use crate::sources::{Destination, Plan, RECEIPT, Source};
use claim::{Asked, Standing};
use prepare::Member;
use report::{Done, Tally};
use settle::Patience;
use submit::Submitted;

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
    /// Replace receipts that exist; without it a document that has its receipt is passed over, and a pending one is completed
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
pub type Problem = (PathBuf, String);

/// Runs the command.
pub fn run(args: &NotarizeArgs) -> Result<Output> {
    let metadata = prepare::parse_metadata(&args.metadata)?;
    let asked = Asked { metadata: metadata.as_ref(), hidden: args.hidden };
    let to = Destination {
        out: args.out.clone(),
        out_dir: args.out_dir.clone(),
        cbor: args.cbor || args.out.as_deref().is_some_and(is_cbor),
        force: args.force,
    };
    let plan = Plan::make(&args.inputs, &to)?;
    for line in skipped_lines(&plan.skipped) {
        note(&line);
    }
    let mut tally = Tally { problems: plan.problems, ..Tally::default() };
    let fatal = carry_out(args, asked, &to, &plan.sources, plan.batch, &mut tally).err();
    if let Some(failure) = &fatal {
        tally.abandon(plan.sources.iter().map(Source::file), failure);
    }
    let mut output = tally.output(fatal, args.no_wait, &args.node);
    let skipped = |(path, why): &(PathBuf, &str)| with_path(json!({ "reason": why }), "file", path);
    output.document["skipped"] = plan.skipped.iter().map(skipped).collect();
    if let (None, Value::String(next)) = (&output.failure, &output.document["next"]) {
        print_next(next);
    }
    Ok(output)
}

/// Does what can be done with the documents. An error ends it for those of which nothing was said yet.
fn carry_out(
    args: &NotarizeArgs,
    asked: Asked<'_>,
    to: &Destination,
    sources: &[Source],
    batch: bool,
    tally: &mut Tally,
) -> Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    // The chain's name stands in the pending receipt, and a dead node is better found before gigabytes are hashed.
    let nodes = args.node.connect()?;
    let served = submit::served(&nodes).map_err(|failure| nothing_begun(&failure))?;
    let nodes = nodes.starting_with(&served.node);
    tally.chain_id = Some(served.chain_id.clone());

    let members = digest(sources, asked, to, &mut tally.problems)?;
    make_room(&members, to)?;
    let (new, waiting) = sort(&served.chain_id, members, asked, to.force, tally);
    let unfinished = || new.iter().chain(waiting.values().flat_map(|group| &group.job.members));
    interrupt::hold(Unfinished {
        receipts: unfinished().map(|member| member.receipt.clone()).collect(),
        claimed: false,
        fetch: fetch_command(unfinished().map(|member| member.receipt.as_path()), &args.node.flag()),
    });
    let job = claim::claim(&served.chain_id, new, batch, to.force, asked, &mut tally.problems)?;
    interrupt::claimed();

    let patience = Patience { no_wait: args.no_wait, deadline: Deadline::after(args.timeout) };
    let new = job.map(|job| (job, None, false));
    let waiting = waiting.into_values().map(|group| (group.job, group.promise, true));
    for (job, promise, resumed) in new.into_iter().chain(waiting) {
        let known = promise.map(|promise| Submitted { promise, node: served.node.clone() });
        match settle::settle(&nodes, &served, &job, known, patience) {
            Ok(settled) => tally.settled.push(Done { job, settled, resumed }),
            Err(failure) => tally.refuse(job, failure),
        }
    }
    Ok(())
}

/// Where no node named its chain there is nothing to finish later: the same command begins anew.
fn nothing_begun(failure: &Failure) -> Failure {
    let report = failure.report();
    Failure::error(format!("{}; nothing was submitted, and no receipt was begun", report.message))
        .next_if(report.next.clone())
}

/// What to say of what was skipped. Receipts are counted: a directory that was notarized before holds one for each file.
fn skipped_lines(skipped: &[(PathBuf, &'static str)]) -> Vec<String> {
    let (receipts, others): (Vec<_>, Vec<_>) = skipped.iter().partition(|(_, why)| *why == RECEIPT);
    let mut lines: Vec<String> = others.iter().map(|(path, why)| format!("skipped {}: {why}", shown(path))).collect();
    match receipts.len() {
        0 => {}
        1 => lines.push("skipped 1 receipt".to_owned()),
        many => lines.push(format!("skipped {many} receipts")),
    }
    lines
}

/// Digests every document; what cannot be read becomes a problem.
fn digest(sources: &[Source], asked: Asked<'_>, to: &Destination, problems: &mut Vec<Problem>) -> Result<Vec<Member>> {
    let sizes = sources.iter().map(|source| source.path.as_ref()?.metadata().ok().map(|meta| meta.len()));
    let mut digester = Digester::new(sizes.sum());
    let mut members = Vec::with_capacity(sources.len());
    for source in sources {
        let digest = match &source.path {
            Some(path) => digester.file(path),
            None => digester.stdin(),
        };
        match digest {
            Err(error) => problems.push((source.file(), error.to_string())),
            Ok(digest) => {
                let receipt = source.receipt.clone().unwrap_or_else(|| to.place_stdin(&digest.blake3.to_string()));
                let subject = prepare::subject(&digest, asked.metadata, asked.hidden)?;
                members.push(Member { file: source.file(), receipt, subject, batch: None });
            }
        }
    }
    Ok(members)
}

/// Makes the directories of `--out-dir`, and clears away what crashed runs left where receipts are to go.
fn make_room(members: &[Member], to: &Destination) -> Result<()> {
    let parents: BTreeSet<&Path> = members.iter().filter_map(|member| member.receipt.parent()).collect();
    for parent in parents {
        if to.out_dir.is_some() {
            std::fs::create_dir_all(parent).context(|| format!("cannot make the directory {}", shown(parent)))?;
        }
        files::remove_stale(parent);
    }
    Ok(())
}

/// Tells the new documents from those that have a receipt, complete or pending.
fn sort(
    chain_id: &str,
    members: Vec<Member>,
    asked: Asked<'_>,
    force: bool,
    tally: &mut Tally,
) -> (Vec<Member>, Groups) {
    let (mut new, mut waiting) = (Vec::new(), Groups::new());
    for member in members {
        match if force { Standing::Free } else { claim::standing(chain_id, &member, asked) } {
            Standing::Free => new.push(member),
            Standing::Already(verified) => tally.already.push((member, *verified)),
            Standing::Pending(pending) => {
                if let Err(failure) = gather(&mut waiting, &member.file, &member.receipt, *pending) {
                    tally.problems.push((member.file, failure.to_string()));
                }
            }
            Standing::InTheWay(why) => tally.problems.push((member.file, why)),
        }
    }
    (new, waiting)
}

#[cfg(test)]
mod tests;
