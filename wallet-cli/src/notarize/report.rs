//! What `notarize` says at its end: one document, the same as text, and the failure that decides the exit code.

use std::path::PathBuf;

use pyralog_consensus::receipt::Verified;
use serde_json::{Value, json};

use super::Problem;
use super::prepare::{Job, Member};
use super::settle::Settled;
use crate::error::Failure;
use crate::node::{ANY_NODE, NodeArgs};
use crate::output::{GOOD, Output, WARN, note, shown, with_path};
use crate::pending::{fetch_command, fetch_elsewhere};

/// How many problems are listed one by one on stderr; `--json` holds all.
const LISTED: usize = 20;

/// What became of the documents.
#[derive(Debug, Default)]
pub struct Tally {
    /// The chain, once a node has named it.
    pub chain_id: Option<String>,
    /// Documents that had a complete receipt before.
    pub already: Vec<(Member, Verified)>,
    /// Submissions that ended with receipts: the new one first, then those that were pending from before.
    pub settled: Vec<Done>,
    /// Documents that were not done, and why.
    pub problems: Vec<Problem>,
    /// What ended a submission for good; its documents are among the problems.
    pub refused: Option<Failure>,
}

/// One submission that ended with receipts.
#[derive(Debug)]
pub struct Done {
    /// The leaf and its documents.
    pub job: Job,
    /// How it ended.
    pub settled: Settled,
    /// Whether its receipts were pending from before.
    pub resumed: bool,
}

impl Tally {
    /// Counts a submission that failed for good: its documents are not done, and their pending receipts stay.
    pub fn refuse(&mut self, job: Job, failure: Failure) {
        let why = failure.to_string();
        let failure = if failure.report().next.is_some() {
            failure
        } else {
            let fetch = fetch_command(job.members.iter().map(|member| member.receipt.as_path()), ANY_NODE);
            failure.next(format!("what is pending is kept; submit it to another node: {fetch}"))
        };
        self.problems.extend(job.members.into_iter().map(|member| (member.file, why.clone())));
        self.refused = Some(failure);
    }

    /// Counts every document of `files` that nothing was said of yet as not done.
    pub fn abandon(&mut self, files: impl Iterator<Item = PathBuf>, failure: &Failure) {
        let known: std::collections::BTreeSet<&PathBuf> =
            self.problems.iter().map(|(file, _)| file).chain(self.members().map(|member| &member.file)).collect();
        let left: Vec<Problem> =
            files.filter(|file| !known.contains(file)).map(|file| (file, failure.to_string())).collect();
        self.problems.extend(left);
    }

    /// The end of the command. `fatal` ended it before all was tried.
    pub fn output(&self, fatal: Option<Failure>, no_wait: bool, node: &NodeArgs) -> Output {
        let pending = self.pending_step(node);
        let failure = self.failure(fatal, no_wait, pending.clone());
        let mut document = json!({ "receipts": self.rows(), "failed": self.failed() });
        if let Some(chain_id) = &self.chain_id {
            document["chain_id"] = chain_id.as_str().into();
        }
        let unfinished = self.settled.iter().find_map(|done| match &done.settled {
            Settled::Pending { promise, reason, .. } => Some((promise, reason)),
            Settled::Complete(_) => None,
        });
        if let Some((promise, reason)) = unfinished {
            document["status"] = "pending".into();
            document["reason"] = reason.as_str().into();
            document["next"] = pending.into();
            if let Some(promise) = promise {
                document["log"] = promise.log.to_string().into();
                document["index"] = promise.index.into();
                document["anchor_by"] = promise.anchor_by.into();
            }
        } else if let Some(verified) = self.latest() {
            document["status"] = "complete".into();
            document["log"] = verified.log.to_string().into();
            document["index"] = verified.index.into();
            document["height"] = verified.height.into();
            document["header_hash"] = verified.header_hash.to_string().into();
            document["existed_no_later_than"] = verified.existed_no_later_than.to_rfc3339().into();
        } else {
            document["status"] = "complete".into();
        }
        // The status is that of the command. What was done all the same stands in the row of each document.
        if let Some(failure) = &failure {
            document["status"] = failure.class().into();
        }
        Output { document, text: self.text(), failure }
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        let settled = self.settled.iter().flat_map(|done| &done.job.members);
        self.already.iter().map(|(member, _)| member).chain(settled)
    }

    /// The proof whose block is the latest: what it says of the time is true of every document.
    fn latest(&self) -> Option<&Verified> {
        let settled = self.settled.iter().filter_map(|done| match &done.settled {
            Settled::Complete(verified) => Some(verified.as_ref()),
            Settled::Pending { .. } => None,
        });
        settled.chain(self.already.iter().map(|(_, verified)| verified)).max_by_key(|verified| verified.height)
    }

    fn rows(&self) -> Vec<Value> {
        let complete = |word: &str, verified: &Verified| {
            let time = verified.existed_no_later_than.to_rfc3339();
            json!({ "status": word, "height": verified.height, "existed_no_later_than": time })
        };
        let row = |member: &Member, status: Value| {
            with_path(with_path(status, "file", &member.file), "receipt", &member.receipt)
        };
        let settled = self.settled.iter().flat_map(|done| {
            let status = match &done.settled {
                Settled::Complete(verified) => complete("complete", verified),
                Settled::Pending { .. } => json!({ "status": "pending" }),
            };
            done.job.members.iter().map(move |member| row(member, status.clone()))
        });
        let already =
            self.already.iter().map(|(member, verified)| row(member, complete("already notarized", verified)));
        settled.chain(already).collect()
    }

    fn failed(&self) -> Vec<Value> {
        let row = |(file, why): &Problem| with_path(json!({ "status": "error", "why": why }), "file", file);
        self.problems.iter().map(row).collect()
    }

    fn failure(&self, fatal: Option<Failure>, no_wait: bool, pending: Option<String>) -> Option<Failure> {
        if fatal.is_some() {
            return fatal;
        }
        let done = self.members().count();
        if let Some(refused) = &self.refused {
            list(&self.problems);
            return Some(refused.clone());
        }
        match self.problems.as_slice() {
            [] => {}
            [(file, why)] if done == 0 => return Some(Failure::error(format!("{}: {why}", shown(file)))),
            problems => {
                list(problems);
                let total = problems.len() + done;
                let failure = Failure::error(match done {
                    0 => format!("none of {total} documents could be notarized"),
                    _ => format!("{} of {total} documents were not notarized", problems.len()),
                });
                return Some(failure.next_if(pending));
            }
        }
        let open = self.settled.iter().filter_map(|done| match &done.settled {
            Settled::Pending { promise, reason, .. } => Some((promise.is_some(), reason)),
            Settled::Complete(_) => None,
        });
        // Whoever asked not to wait got what was asked for: the promise.
        let (promised, reason) = open.into_iter().find(|(promised, _)| !(no_wait && *promised))?;
        let what = if promised { "promised, not anchored yet" } else { "not submitted yet" };
        Some(Failure::pending(format!("{what}: {reason}; the pending receipt is kept")).next_if(pending))
    }

    /// The command that completes what is pending; a node that sent us elsewhere is not named in it.
    fn pending_step(&self, node: &NodeArgs) -> Option<String> {
        let (mut receipts, mut sent_away) = (Vec::new(), Vec::new());
        for done in &self.settled {
            if let Settled::Pending { refused, .. } = &done.settled {
                receipts.extend(done.job.members.iter().map(|member| member.receipt.as_path()));
                sent_away.extend(refused.iter().cloned());
            }
        }
        if receipts.is_empty() {
            return None;
        }
        sent_away.sort();
        sent_away.dedup();
        Some(fetch_elsewhere(receipts.into_iter(), node, &sent_away))
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self.settled.iter().map(done_text).collect();
        match self.already.as_slice() {
            [] => {}
            [(member, verified)] => {
                let (name, receipt) = (member.name(), shown(&member.receipt));
                lines.push(format!("{GOOD}already notarized{GOOD:#} {name}: {}\nreceipt {receipt}", place(verified)));
            }
            many => lines.push(format!("{GOOD}already notarized{GOOD:#} {} documents", many.len())),
        }
        lines.join("\n")
    }
}

fn done_text(Done { job, settled, resumed }: &Done) -> String {
    let from_before = if *resumed { " that were pending" } else { "" };
    match (settled, job.members.as_slice()) {
        (Settled::Complete(verified), [one]) => {
            format!("{GOOD}notarized{GOOD:#} {}: {}\nreceipt {}", one.name(), place(verified), shown(&one.receipt))
        }
        (Settled::Complete(verified), many) => format!(
            "{GOOD}notarized{GOOD:#} {} documents{from_before} in one batch: {}\nreceipts {}",
            many.len(),
            place(verified),
            places(job)
        ),
        (Settled::Pending { .. }, [one]) => {
            format!("{WARN}pending{WARN:#} {}\nreceipt {}", one.name(), shown(&one.receipt))
        }
        (Settled::Pending { .. }, many) => {
            format!("{WARN}pending{WARN:#} {} documents in one batch\nreceipts {}", many.len(), places(job))
        }
    }
}

fn place(verified: &Verified) -> String {
    let time = verified.existed_no_later_than.to_rfc3339();
    format!("existed no later than {time} (block {} of {})", verified.height, verified.chain_id)
}

fn places(job: &Job) -> String {
    let text = |member: Option<&Member>| member.map(|member| shown(&member.receipt)).unwrap_or_default();
    format!("{} … {}", text(job.members.first()), text(job.members.last()))
}

fn list(problems: &[Problem]) {
    for (file, why) in problems.iter().take(LISTED) {
        note(&format!("not done: {}: {why}", shown(file)));
    }
    if problems.len() > LISTED {
        note(&format!("not done: {} more (all of them with --json)", problems.len() - LISTED));
    }
}

#[cfg(test)]
#[path = "report_test.rs"]
mod tests;
