//! What `notarize` was asked to notarize: files, directories, standard input; and where each receipt goes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};
use crate::files;
use crate::output::shown;
use crate::receipt_file::{self, is_stdin};

/// What our receipts' names end in.
pub const SUFFIX_JSON: &str = ".receipt.json";
/// The same for CBOR.
pub const SUFFIX_CBOR: &str = ".receipt.cbor";
/// Why a receipt in a directory is skipped.
pub const RECEIPT: &str = "a receipt";

/// One document to notarize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `None` is standard input.
    pub path: Option<PathBuf>,
    /// Where its receipt goes; `None` until the digest of standard input names it.
    pub receipt: Option<PathBuf>,
}

/// Everything one command notarizes.
#[derive(Debug, Default)]
pub struct Plan {
    /// The documents, in the order of their leaves.
    pub sources: Vec<Source>,
    /// Whether they become one sub-tree batch even if there is only one: a directory was named, or several files.
    pub batch: bool,
    /// What could not be planned, by path: `(path, why)`.
    pub problems: Vec<(PathBuf, String)>,
    /// What is no document of its own: other things in a directory, and documents that were named before.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// Where receipts go.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// `--out`: the one receipt.
    pub out: Option<PathBuf>,
    /// `--out-dir`: a directory for all receipts; else each goes beside its document.
    pub out_dir: Option<PathBuf>,
    /// CBOR instead of JSON names.
    pub cbor: bool,
    /// Existing receipts may be replaced.
    pub force: bool,
}

impl Source {
    /// The document's path; - is standard input.
    pub fn file(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| "-".into())
    }

    /// The name to show.
    pub fn name(&self) -> String {
        self.path.as_deref().map_or_else(|| receipt_file::STDIN.to_owned(), shown)
    }
}

impl Plan {
    /// Expands the arguments. Problems with single files are collected, not returned: the others are still done.
    pub fn make(inputs: &[PathBuf], to: &Destination) -> Result<Self> {
        let mut plan = Self::default();
        let stdin = inputs.iter().filter(|input| is_stdin(input)).count();
        if stdin > 1 {
            return Err(Failure::usage("standard input (-) can be named only once"));
        }
        plan.batch = inputs.len() > 1 || inputs.iter().any(|input| !is_stdin(input) && input.is_dir());
        if plan.batch && to.out.is_some() {
            return Err(Failure::usage("--out names one receipt, but there are several documents")
                .next("use --out-dir DIR, or neither: each receipt then goes beside its document"));
        }
        for input in inputs {
            if is_stdin(input) {
                plan.sources.push(Source { path: None, receipt: to.out.clone() });
            } else if input.is_dir() {
                plan.walk(input, input, to);
            } else if fs::metadata(input).is_ok_and(|meta| !meta.is_file()) {
                // A pipe or a device may have no end.
                let why = "it is no regular file; give its content on standard input, which is -";
                plan.problems.push((input.clone(), why.to_owned()));
            } else {
                let name = input.file_name().map(PathBuf::from).unwrap_or_default();
                plan.sources.push(Source { path: Some(input.clone()), receipt: Some(to.place(input, &name)) });
            }
        }
        plan.refuse_collisions();
        if plan.sources.is_empty() && plan.problems.is_empty() {
            return Err(Failure::error("the directory holds no files to notarize"));
        }
        Ok(plan)
    }

    /// Adds every file below `dir`, in the order of their names. Links to directories are not followed.
    fn walk(&mut self, root: &Path, dir: &Path, to: &Destination) {
        let entries = match fs::read_dir(dir).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>()) {
            Ok(entries) => entries,
            Err(error) => return self.problems.push((dir.to_owned(), error.to_string())),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let link = path.is_symlink();
            match fs::metadata(&path) {
                Err(error) => self.problems.push((path, error.to_string())),
                Ok(meta) if meta.is_dir() && link => self.skipped.push((path, "a link to a directory")),
                Ok(meta) if meta.is_dir() => self.walk(root, &path, to),
                Ok(meta) if !meta.is_file() => self.skipped.push((path, "neither a file nor a directory")),
                // Ours, of another command or of one that was killed: nothing to tell anybody.
                Ok(_) if files::temporary_of(&path).is_some() => {}
                Ok(_) if is_receipt(&path) => self.skipped.push((path, RECEIPT)),
                Ok(_) => {
                    let inside = path.strip_prefix(root).unwrap_or(&path);
                    let receipt = to.place(&path, inside);
                    self.sources.push(Source { path: Some(path), receipt: Some(receipt) });
                }
            }
        }
    }

    /// Two documents with one receipt, and a receipt in the place of a document, become problems. One document that was named
    /// twice is done once.
    fn refuse_collisions(&mut self) {
        let mut first: BTreeMap<PathBuf, Source> = BTreeMap::new();
        let mut kept = Vec::with_capacity(self.sources.len());
        let documents: BTreeSet<PathBuf> =
            self.sources.iter().filter_map(|source| source.path.as_deref().map(plain)).collect();
        for source in std::mem::take(&mut self.sources) {
            let Some(receipt) = source.receipt.clone() else {
                kept.push(source);
                continue;
            };
            let path = source.file();
            let place = plain(&receipt);
            if let Some(other) = first.get(&place) {
                if source.path.is_some() && source.path.as_deref().map(plain) == other.path.as_deref().map(plain) {
                    self.skipped.push((path, "it is named twice"));
                } else {
                    let other = other.name();
                    self.problems.push((path, format!("its receipt {} would be that of {other}", shown(&receipt))));
                }
            } else if documents.contains(&place) {
                // Also with --force: a document is never replaced by a receipt.
                let document = shown(&receipt);
                let why =
                    format!("its receipt would replace the document {document}; name another place with --out-dir");
                self.problems.push((path, why));
            } else {
                first.insert(place, source.clone());
                kept.push(source);
            }
        }
        self.sources = kept;
    }
}

impl Destination {
    /// The receipt's path for the document `path`, called `inside` relative to what was named.
    fn place(&self, path: &Path, inside: &Path) -> PathBuf {
        if let Some(out) = &self.out {
            return out.clone();
        }
        let base = self.out_dir.as_ref().map_or_else(|| path.to_owned(), |dir| dir.join(inside));
        let mut name = OsString::from(base);
        name.push(self.suffix());
        name.into()
    }

    /// The receipt's path for standard input, named after the digest unless `--out` names it.
    pub fn place_stdin(&self, digest: &str) -> PathBuf {
        let name = format!("stdin-{}{}", digest.get(..16).unwrap_or(digest), self.suffix());
        self.out
            .clone()
            .unwrap_or_else(|| self.out_dir.as_ref().map_or_else(|| name.clone().into(), |dir| dir.join(&name)))
    }

    fn suffix(&self) -> &'static str {
        if self.cbor { SUFFIX_CBOR } else { SUFFIX_JSON }
    }
}

/// The path from the root on and without `./`, so that two spellings of one place are equal.
fn plain(path: &Path) -> PathBuf {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.components().collect())
}

/// Whether a file is a receipt, complete or pending: by its name and by what it holds, since others may use the name too.
fn is_receipt(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (name.ends_with(SUFFIX_JSON) || name.ends_with(SUFFIX_CBOR)) && receipt_file::read(path).is_ok()
}

#[cfg(test)]
mod tests;
