//! Pending receipts: gathered by the leaf that they wait for, found below directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pyralog_consensus::receipt::{PendingPromise, PendingReceipt, ReceiptFile};
use pyralog_crypto::Encode;

use crate::error::{Failure, Result};
use crate::files;
use crate::node::{ANY_NODE, NodeArgs};
use crate::notarize::prepare::{Job, Member};
use crate::output::shown;
use crate::receipt_file::{self, quoted};

/// Most receipts, or directories, that a proposed command names one by one.
const NAMED: usize = 8;

/// Pending receipts that stand for one leaf.
#[derive(Debug)]
pub struct Group {
    /// The leaf and the receipts.
    pub job: Job,
    /// The promise that any of them holds.
    pub promise: Option<PendingPromise>,
    /// The chain that the leaf was, or is to be, submitted to.
    pub chain_id: String,
}

/// Groups by chain and leaf.
pub type Groups = BTreeMap<(String, Vec<u8>), Group>;

/// What lies below a directory.
#[derive(Debug, Default)]
pub struct Below {
    /// Pending receipts, in the order of their names.
    pub pending: Vec<(PathBuf, PendingReceipt)>,
    /// What could not be read, and why.
    pub problems: Vec<(PathBuf, String)>,
}

/// Puts the pending receipt of `file`, which lies at `receipt`, to those of the same leaf.
pub fn gather(groups: &mut Groups, file: &Path, receipt: &Path, pending: PendingReceipt) -> Result<()> {
    let leaf = pending.leaf().map_err(|fault| Failure::invalid(format!("{}: {fault}", shown(receipt))))?;
    let PendingReceipt { chain_id, subject, batch, promise, .. } = pending;
    let member = Member { file: file.to_owned(), receipt: receipt.to_owned(), subject, batch };
    let group = groups.entry((chain_id.clone(), leaf.to_bytes())).or_insert_with(|| Group {
        job: Job { leaf, members: Vec::new() },
        promise: None,
        chain_id,
    });
    group.job.members.push(member);
    group.promise = group.promise.take().or(promise);
    Ok(())
}

/// Every pending receipt below `dir`, by what the files hold: `.json` and `.cbor` files are looked into, all else is passed
/// over, and links to directories are not followed.
pub fn below(dir: &Path) -> Below {
    let mut found = Below::default();
    look(dir, &mut found);
    found
}

fn look(dir: &Path, found: &mut Below) {
    files::remove_stale(dir);
    let entries = match fs::read_dir(dir).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>()) {
        Ok(entries) => entries,
        Err(error) => return found.problems.push((dir.to_owned(), error.to_string())),
    };
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // What vanished meanwhile, and links that lead nowhere, hold no receipt.
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.is_dir() && !path.is_symlink() {
            look(&path, found);
        } else if meta.is_file()
            && path.extension().is_some_and(|kind| kind == "json" || kind == "cbor")
            && let Ok(ReceiptFile::Pending(pending)) = receipt_file::read(&path)
        {
            found.pending.push((path, *pending));
        }
    }
}

/// The command that completes these receipts: it names a few of them, or else the directories that hold them.
pub fn fetch_command<'a>(receipts: impl Iterator<Item = &'a Path>, node_flag: &str) -> String {
    let receipts: BTreeSet<&Path> = receipts.collect();
    let dirs: BTreeSet<&Path> = receipts.iter().map(|path| parent(path)).collect();
    let above = |dir: &Path| dirs.iter().any(|other| *other != dir && dir.starts_with(other));
    let highest: Vec<&Path> = dirs.iter().copied().filter(|dir| !above(dir)).collect();
    let common = common(&highest);
    let named: Vec<&Path> = match (&common, receipts.len()) {
        (_, 0..=NAMED) => receipts.iter().copied().collect(),
        (Some(common), _) if highest.len() > NAMED => vec![common.as_path()],
        _ => highest,
    };
    let words: String = named.iter().map(|path| format!(" {}", quoted(path))).collect();
    format!("pyralog receipt fetch{words}{node_flag}")
}

/// The same without the nodes that sent us elsewhere.
pub fn fetch_elsewhere<'a>(receipts: impl Iterator<Item = &'a Path>, node: &NodeArgs, sent_away: &[String]) -> String {
    let flag = node.flag_without(sent_away);
    let fetch = fetch_command(receipts, &flag);
    if flag == ANY_NODE { format!("{fetch} (another node than {})", sent_away.join(", ")) } else { fetch }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The directory that holds all of `dirs`, unless it is the root, which nobody means.
fn common(dirs: &[&Path]) -> Option<PathBuf> {
    let (first, others) = dirs.split_first()?;
    let shared = first.ancestors().find(|above| others.iter().all(|other| other.starts_with(above)))?;
    shared.file_name().map(|_| shared.to_owned())
}

#[cfg(test)]
#[path = "pending_test.rs"]
mod tests;
