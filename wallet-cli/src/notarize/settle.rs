//! From a job with its pending receipts on disk to complete receipts: submit, wait, check, replace.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use pyralog_consensus::receipt::{
    NotaryReceipt, PendingPromise, PendingReceipt, ReceiptError, ServedProof, Trust, Verified, VerifyOptions, pending,
};
use pyralog_crypto::{DocumentDigest, Promise, SignedPromise};

use super::prepare::{Job, Member};
use super::submit::{self, Served, SubmitFault, Submitted, Waited};
use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::node::{ANY_NODE, Deadline, Nodes};
use crate::output::{note, shown};
use crate::pending::fetch_command;
use crate::receipt_file;

/// What became of a job.
#[derive(Debug)]
pub enum Settled {
    /// Every receipt is complete; this is what the first one proves.
    Complete(Box<Verified>),
    /// The pending receipts stay.
    Pending {
        /// The promise, if a log gave one.
        promise: Option<PendingPromise>,
        /// Why it is not complete.
        reason: String,
        /// The nodes that said to submit it to another one.
        refused: Vec<String>,
    },
}

/// How a job is to be carried out.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Return as soon as a log has promised.
    pub no_wait: bool,
    /// When to give up waiting.
    pub deadline: Deadline,
}

/// Writes the pending receipts of a job, before anything is submitted. Returns the outcome of each member.
pub fn write_pending(
    chain_id: &str,
    members: &[Member],
    promise: Option<&PendingPromise>,
    existing: Existing,
) -> Result<Vec<std::io::Result<()>>> {
    let encode = |member: &Member| -> Result<(PathBuf, Vec<u8>)> {
        let receipt = pending_receipt(chain_id, member, promise);
        Ok((member.receipt.clone(), receipt_file::encode(&member.receipt, &receipt)?))
    };
    let encoded = members.iter().map(encode).collect::<Result<Vec<_>>>()?;
    Ok(files::write_many(&encoded, receipt_file::MODE, existing))
}

/// Carries a job through. `known` is a promise that exists already. Pending receipts must be on disk.
pub fn settle(
    nodes: &Nodes,
    served: &Served,
    job: &Job,
    known: Option<Submitted>,
    patience: Patience,
) -> Result<Settled> {
    let chain_id = served.chain_id.as_str();
    let mut nodes = nodes.clone();
    let mut known = known;
    loop {
        let submitted = match known.take() {
            Some(submitted) => submitted,
            None => match submit::submit(&nodes, served, &job.leaf, patience.deadline) {
                Ok(submitted) => {
                    // One file keeps the promise as evidence at once; the others follow when the wait ends without a proof.
                    keep_promise(chain_id, &job.members[..1.min(job.members.len())], &submitted.promise)?;
                    submitted
                }
                Err(SubmitFault::Refused(failure)) => return Err(failure),
                Err(SubmitFault::Unserved { failure, refused }) => {
                    return Ok(Settled::Pending { promise: None, reason: failure.to_string(), refused });
                }
            },
        };
        let promise = submitted.promise.clone();
        let give_up = |reason: String| -> Result<Settled> {
            keep_promise(chain_id, &job.members, &promise)?;
            Ok(Settled::Pending { promise: Some(promise.clone()), reason, refused: Vec::new() })
        };
        let not_kept = |why: &str| -> Result<Settled> {
            keep_promise(chain_id, &job.members, &promise)?;
            Err(broken(&promise, job, why))
        };
        if patience.no_wait {
            return give_up("not waited for".to_owned());
        }
        let spinner = waiting(&promise);
        let waited = submit::wait(&nodes, &submitted.node, &promise, patience.deadline);
        spinner.finish_and_clear();
        match waited? {
            Waited::Proof(proof) => {
                if let Some(why) = of_another_leaf(chain_id, job, &proof) {
                    return not_kept(&why);
                }
                return complete(chain_id, job, *proof).map(|verified| Settled::Complete(Box::new(verified)));
            }
            Waited::Broken(why) => return not_kept(&why),
            Waited::TimedOut(reason) => return give_up(reason),
            Waited::Lost(reason) => match nodes.without(&submitted.node) {
                Some(others) if !patience.deadline.passed() => {
                    note(&format!("{reason}; submitting to another node"));
                    nodes = others;
                }
                _ => return give_up(reason),
            },
        }
    }
}

/// A log that does not keep its promise: neither waiting nor asking it again helps.
fn broken(promise: &PendingPromise, job: &Job, why: &str) -> Failure {
    let PendingPromise { log, index, .. } = promise;
    let fetch = fetch_command(job.members.iter().map(|member| member.receipt.as_path()), ANY_NODE);
    Failure::error(format!("log {log} does not keep its promise to anchor the leaf as its leaf {index}: {why}")).next(format!(
        "the pending receipt stays as it is: keep a copy, its signed promise is evidence; then submit it to another node's log: {fetch} --resubmit"
    ))
}

/// Why a proof is that of another leaf: the log of a node that was restored from an older copy took others at the same places.
fn of_another_leaf(chain_id: &str, job: &Job, proof: &ServedProof) -> Option<String> {
    let first = job.members.first()?;
    let receipt = proof.clone().attach(first.subject.clone(), first.batch.clone());
    let error = check(chain_id, &first.subject.digest(), &receipt).err()?;
    error.field()?.starts_with("proof.leaf.").then(|| format!("the proof that it serves is of another leaf ({error})"))
}

/// Shows on a terminal that something is being waited for.
fn waiting(promise: &PendingPromise) -> ProgressBar {
    let PendingPromise { index, anchor_by, .. } = promise;
    let spinner = ProgressBar::new_spinner().with_message(format!("leaf {index}, to be anchored by block {anchor_by}"));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Attaches the subjects, checks what the node served, and replaces the pending receipts.
fn complete(chain_id: &str, job: &Job, proof: ServedProof) -> Result<Verified> {
    let attach = |member: &Member| proof.clone().attach(member.subject.clone(), member.batch.clone());
    let Some(first) = job.members.first() else { return Err(Failure::error("there is no document to complete")) };
    let verified = check_own(chain_id, first, &attach(first))?;
    let encode =
        |member: &Member| Ok((member.receipt.clone(), receipt_file::encode(&member.receipt, &attach(member))?));
    let encoded = job.members.iter().map(encode).collect::<Result<Vec<_>>>()?;
    for ((path, _), outcome) in encoded.iter().zip(files::write_many(&encoded, receipt_file::MODE, Existing::Replace)) {
        outcome.context(|| format!("cannot write the receipt {}", shown(path)))?;
    }
    Ok(verified)
}

/// Whether a receipt holds together: leaf, log, anchor, header, signatures. Under which root it stands is asked by
/// `verify` only; here its own header serves, since the question is whether the node built what it should have.
fn check_own(chain_id: &str, member: &Member, receipt: &NotaryReceipt) -> Result<Verified> {
    holds(chain_id, &member.subject.digest(), receipt)
        .map_err(|what| Failure::error(format!("the node served a proof that does not hold: {what}")).next("name another node of the same log with --node URL, or submit the leaf to another log with `pyralog receipt fetch --resubmit`"))
}

/// The same for any receipt of a document; the error says what is wrong with it.
pub fn holds(chain_id: &str, digest: &DocumentDigest, receipt: &NotaryReceipt) -> Result<Verified, String> {
    if receipt.chain_id != chain_id {
        return Err(format!("it is of chain {}", receipt.chain_id));
    }
    check(chain_id, digest, receipt).map_err(|error| error.to_string())
}

fn check(chain_id: &str, digest: &DocumentDigest, receipt: &NotaryReceipt) -> Result<Verified, ReceiptError> {
    let header = &receipt.proof.block.header;
    let trust = Trust::Header { height: header.height, hash: header.hash(chain_id)? };
    receipt.verify(digest, &trust, &VerifyOptions::default())
}

fn keep_promise(chain_id: &str, members: &[Member], promise: &PendingPromise) -> Result<()> {
    let outcomes = write_pending(chain_id, members, Some(promise), Existing::Replace)?;
    for (member, outcome) in members.iter().zip(outcomes) {
        outcome.context(|| format!("cannot write the promise into {}", shown(&member.receipt)))?;
    }
    Ok(())
}

fn pending_receipt(chain_id: &str, member: &Member, promise: Option<&PendingPromise>) -> PendingReceipt {
    let signed = promise.map(|promise| {
        // The receipt does not repeat the leaf hashes, so those of the member itself may stand here.
        let PendingPromise { log, index, anchor_by, owner, signature } = promise.clone();
        let promise = Promise { log, index, leaf: member.subject.leaf().leaf_hashes(), anchor_by };
        (SignedPromise { promise, signature }, owner)
    });
    let promise = signed.as_ref().map(|(signed, owner)| (signed, *owner));
    pending(chain_id, member.subject.clone(), member.batch.clone(), promise)
}

#[cfg(test)]
#[path = "settle_test.rs"]
mod tests;
