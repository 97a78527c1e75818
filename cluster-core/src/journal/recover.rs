//! Opening a journal: which files are in use, what stands in them, which ones are spare.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::file::{self, JournalFile};
use super::group::Entry;
use super::manifest::Manifest;
use super::scan::{self, End};
use super::{Group, InUse, Journal, JournalOptions, begin_file};
use crate::Error;
use crate::disk::Disk;
use crate::parts::CutTail;

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalRecovery {
    /// The journal was made by this start.
    pub created: bool,
    /// Number of the oldest group that is still there.
    pub first_group: u64,
    /// Number that the next group gets; the groups before it are durable.
    pub next_group: u64,
    /// A torn last group, never acknowledged, that will be overwritten. Where a crash lost its first sector, nothing is seen of it.
    pub cut: Option<CutTail>,
}

pub(super) fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    options: JournalOptions,
    mut visit: impl FnMut(Group, Entry<'_>) -> Result<(), Error>,
) -> Result<(Journal, JournalRecovery), Error> {
    crate::home::make_dir(disk.as_ref(), dir)?;
    let names = crate::home::clean_list(disk.as_ref(), dir)?;
    let numbers: Vec<u32> = names.iter().filter_map(|name| file::parse_name(name)).collect();
    let mut manifest = Manifest::open(disk.as_ref(), dir, !numbers.is_empty())?;
    let (_live, spares): (Vec<u32>, Vec<u32>) =
        numbers.into_iter().partition(|number| manifest.list.numbers.contains(number));
    require_listed(disk.as_ref(), dir, &manifest, &spares)?;
    let mut spares = sort_out(disk.as_ref(), dir, spares, options)?;

    let mut files = VecDeque::new();
    let mut last: Option<(JournalFile, End)> = None;
    for (generation, name) in manifest.list.files() {
        let path = dir.join(name);
        let file = JournalFile::open(disk.as_ref(), &path)?.map_err(|why| Error::damaged(&path, 0, why))?;
        if file.identity.generation != generation {
            let why = format!("the file is of generation {}, not {generation}", file.identity.generation);
            return Err(Error::damaged(&path, 0, why));
        }
        if let Some((before, end)) = &last
            && end.number != file.first
        {
            let why =
                format!("group {} does not check, and the next file begins with group {}", end.number, file.first);
            return Err(Error::damaged(&before.path, end.offset, why));
        }
        if generation + 1 == manifest.list.next_generation() {
            // What a killed process wrote and did not sync is shown only when it cannot be lost any more.
            file.file.sync().map_err(|e| Error::sync(&path, e))?;
        }
        files.push_back(InUse { first: file.first, size: file.size });
        let settled = manifest.list.settled;
        let end = scan::replay(&file, |number, entry| visit(Group { number, settled: number < settled }, entry))?;
        last = Some((file, end));
    }
    let created = last.is_none();
    let (active, end) = match last {
        Some(last) => last,
        None => {
            let size = options.file_bytes;
            let number = match spares.pop() {
                Some(number) => number,
                None => {
                    file::prewrite(disk.as_ref(), &dir.join(file::file_name(0)), size)?;
                    0
                }
            };
            let first = begin_file(disk.as_ref(), dir, &mut manifest, number, 1, size)?;
            files.push_back(InUse { first: 1, size });
            let end = End { offset: super::group::BLOCK, number: 1, broken: 0 };
            (first, end)
        }
    };
    scan::require_last(&active, end)?;
    if end.number < manifest.list.settled {
        let why = format!("group {} does not check, and group {} was there", end.number, manifest.list.settled - 1);
        return Err(Error::damaged(&active.path, end.offset, why));
    }
    let cut = (end.broken > 0).then(|| CutTail { file: active.path.clone(), offset: end.offset, bytes: end.broken });
    let first_group = files.front().map_or(end.number, |file| file.first);
    let journal = Journal {
        disk: Arc::clone(disk),
        dir: dir.to_owned(),
        options,
        manifest,
        files,
        spares,
        coming: None,
        begun: 0,
        active,
        end: end.offset,
        next: end.number,
        buffer: Vec::new(),
        failure: None,
    };
    Ok((journal, JournalRecovery { created, first_group, next_group: end.number, cut }))
}

/// A file that came into use after the last one of the list can hold no group: the list is written first.
fn require_listed(disk: &dyn Disk, dir: &Path, manifest: &Manifest, spares: &[u32]) -> Result<(), Error> {
    for number in spares {
        let path = dir.join(file::file_name(*number));
        let Ok(file) = JournalFile::open(disk, &path)? else { continue };
        if file.identity.generation >= manifest.list.next_generation() && scan::holds_groups(&file)? {
            let why = format!("the list of journal files does not name {}, which is newer", path.display());
            return Err(Error::damaged(manifest.path(), 0, why));
        }
    }
    Ok(())
}

/// Keeps the spare files that are of use and removes the others.
fn sort_out(disk: &dyn Disk, dir: &Path, spares: Vec<u32>, options: JournalOptions) -> Result<Vec<u32>, Error> {
    let mut kept = Vec::new();
    let mut removed = false;
    for number in spares {
        let path = dir.join(file::file_name(number));
        let file = disk.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        if size == options.file_bytes && kept.len() < options.spare_files {
            kept.push(number);
        } else {
            disk.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
            removed = true;
        }
    }
    if removed {
        disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
    }
    Ok(kept)
}
