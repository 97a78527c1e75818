//! Before anything is submitted: what stands at the places of the receipts already, and a pending receipt for all else.

use std::path::Path;

use pyralog_consensus::receipt::{NotarySubject, PendingReceipt, ReceiptError, ReceiptFile, Trust, Verified};
use pyralog_crypto::{Hash, Metadata};

use super::Problem;
use super::prepare::{Job, Member};
use super::settle;
use crate::error::{Context, Result};
use crate::files::Existing;
use crate::output::shown;
use crate::receipt_file;

/// What is to be committed to besides the document.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `--metadata`
    pub metadata: Option<&'a Metadata>,
    /// `--hidden`
    pub hidden: bool,
}

/// What stands at the place of a document's receipt.
#[derive(Debug)]
pub enum Standing {
    /// Nothing.
    Free,
    /// A complete receipt of this very document, which holds.
    Already(Box<Verified>),
    /// A pending receipt of this very document.
    Pending(Box<PendingReceipt>),
    /// Something that is not to be replaced unasked; the sentence says what.
    InTheWay(String),
}

impl Asked<'_> {
    /// What a receipt lacks of what was asked for. More than that it may hold: it proves the document all the same.
    fn lacking(&self, subject: &NotarySubject) -> Option<&'static str> {
        let held = subject.metadata.as_ref().map(|metadata| &metadata.values);
        if self.hidden && subject.hidden_salt.is_none() {
            return Some("shows the digests of the document, and is not --hidden");
        }
        (self.metadata.is_some() && self.metadata != held).then_some("commits to other --metadata")
    }
}

/// Looks at the place of `member`'s receipt.
pub fn standing(chain_id: &str, member: &Member, asked: Asked<'_>) -> Standing {
    let path = member.receipt.as_path();
    if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Standing::Free;
    }
    match receipt_file::read(path) {
        Err(_) => in_the_way(path, "is no receipt"),
        Ok(ReceiptFile::Complete(receipt)) => {
            if let Some(why) = foreign(chain_id, member, asked, &receipt.chain_id, &receipt.subject) {
                return in_the_way(path, &why);
            }
            match settle::holds(chain_id, &member.subject.digest(), &receipt) {
                Ok(verified) => Standing::Already(Box::new(verified)),
                Err(why) => in_the_way(path, &format!("is a receipt of this document that does not hold ({why})")),
            }
        }
        Ok(ReceiptFile::Pending(pending)) => {
            if let Some(why) = foreign(chain_id, member, asked, &pending.chain_id, &pending.subject) {
                return in_the_way(path, &why);
            }
            // Which header is trusted makes no difference to a receipt that proves nothing yet.
            let trust = Trust::Header { height: 1, hash: Hash::default() };
            match pending.verify(&member.subject.digest(), &trust) {
                ReceiptError::Pending(_) => Standing::Pending(pending),
                error => {
                    in_the_way(path, &format!("is a pending receipt of this document that does not hold ({error})"))
                }
            }
        }
    }
}

/// Why a receipt is not the one that `member` is to get.
fn foreign(
    chain_id: &str,
    member: &Member,
    asked: Asked<'_>,
    held_chain: &str,
    held: &NotarySubject,
) -> Option<String> {
    if held.digest() != member.subject.digest() {
        return Some("is the receipt of another document, or of this one before it was changed".to_owned());
    }
    if held_chain != chain_id {
        return Some(format!("is a receipt of the chain {held_chain}, not of {chain_id}"));
    }
    asked.lacking(held).map(|what| format!("is a receipt of this document that {what}"))
}

fn in_the_way(path: &Path, what: &str) -> Standing {
    Standing::InTheWay(format!(
        "{} exists and {what}; replace it with --force, or name another place with --out or --out-dir",
        shown(path)
    ))
}

/// Puts the pending receipts of new documents on disk. A document whose receipt cannot be written becomes a problem and is
/// left out of the batch; `None` when none is left.
pub fn claim(
    chain_id: &str,
    members: Vec<Member>,
    batch: bool,
    force: bool,
    asked: Asked<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Job>> {
    let Some(job) = job(members, batch)? else { return Ok(None) };
    let existing = if force { Existing::Replace } else { Existing::Keep };
    let outcomes = settle::write_pending(chain_id, &job.members, None, existing)?;
    if outcomes.iter().all(std::result::Result::is_ok) {
        return Ok(Some(job));
    }
    let mut kept = Vec::new();
    for (member, outcome) in job.members.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => kept.push(Member { batch: None, ..member }),
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::AlreadyExists => taken(chain_id, &member, asked),
                    _ => format!("cannot write its receipt {}: {error}", shown(&member.receipt)),
                };
                problems.push((member.file, why));
            }
        }
    }
    let Some(job) = self::job(kept, batch)? else { return Ok(None) };
    for (member, outcome) in
        job.members.iter().zip(settle::write_pending(chain_id, &job.members, None, Existing::Replace)?)
    {
        outcome.context(|| format!("cannot write the receipt {}", shown(&member.receipt)))?;
    }
    Ok(Some(job))
}

/// The sentence for a receipt that was not there a moment ago.
fn taken(chain_id: &str, member: &Member, asked: Asked<'_>) -> String {
    match standing(chain_id, member, asked) {
        Standing::InTheWay(why) => why,
        _ => format!(
            "another command writes its receipt {} at this moment; run this one again when that is done",
            shown(&member.receipt)
        ),
    }
}

fn job(members: Vec<Member>, batch: bool) -> Result<Option<Job>> {
    match <[Member; 1]>::try_from(members) {
        Ok([member]) if !batch => Ok(Some(Job::single(member))),
        Ok(one) => Job::batch(one.into()).map(Some),
        Err(none) if none.is_empty() => Ok(None),
        Err(members) => Job::batch(members).map(Some),
    }
}

#[cfg(test)]
#[path = "claim_test.rs"]
mod tests;
