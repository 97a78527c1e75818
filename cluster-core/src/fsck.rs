//! Checking a data directory that nobody uses: every byte that has a checksum, every tree, every index.
//!
//! Checking opens the store as a start does, on an [`Overlay`] that keeps every change to itself, and then reads all of it. So what it calls
//! repairable is what a start, or this with `repair`, puts right by itself: torn last writes that nobody was told of, derived files
//! and indexes, and what a crash left half done. Damage is reported and never touched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chain::{self, OverlayTables, RocksTables, Tables};
use crate::disk::{Disk, Overlay};
use crate::logs::Checked;
use crate::segment::SegmentLog;
use crate::slot::SlotFile;
use crate::{Backend, Core, Error, Options, RecoveryReport};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody is missing anything: put right, or it will be by the next start.
    Repairable,
    /// Something that was acknowledged is gone or changed: restore it from a copy or another member.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or directory.
    pub path: PathBuf,
    /// Where in it, where that is known.
    pub offset: Option<u64>,
    /// One sentence.
    pub what: String,
}

/// What was found, and how much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsckReport {
    /// Everything that is not as it should be; empty is clean.
    pub findings: Vec<Finding>,
    /// Notary logs, and their leaves.
    pub notary_logs: u64,
    /// Leaves of all notary logs.
    pub leaves: u64,
    /// Partitions of the other logs that have files.
    pub partitions: u64,
    /// Records of all of them.
    pub records: u64,
    /// Those of them whose bytes only other members have.
    pub stubs: u64,
    /// Blocks of the chain.
    pub blocks: u64,
    /// Entries of all tables.
    pub table_entries: u64,
    /// Entries of the consensus WAL.
    pub wal_entries: u64,
}

impl FsckReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Damage)
    }

    fn repairable(&mut self, path: &Path, offset: Option<u64>, what: impl Into<String>) {
        let finding = Finding { severity: Severity::Repairable, path: path.to_owned(), offset, what: what.into() };
        self.findings.push(finding);
    }

    /// Notes an error of a part once.
    fn damage(&mut self, part: &Path, error: &Error) {
        let (path, offset, what) = match error {
            Error::Damaged { file, offset, why } => (file.as_path(), Some(*offset), why.clone()),
            other => (part, None, other.to_string()),
        };
        let finding = Finding { severity: Severity::Damage, path: path.to_owned(), offset, what };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Checks the store in `dir`. `options` are those of its starts. With `repair` what is safe is put right, else nothing is written at all but
/// the name of this process into the lock file. `also` looks at what only the caller understands, where the store opens, and answers what is wrong. Memory: as
/// a start, and without `repair` what a start would write.
///
/// # Errors
/// What stands before any checking: [`Error::InUse`], [`Error::NotAHome`], [`Error::OlderFormat`], [`Error::NewerFormat`], and tables that
/// cannot be opened at all. Everything else is a finding.
pub fn fsck(
    dir: &Path,
    options: &Options,
    backend: Backend,
    repair: bool,
    also: impl FnOnce(&Core) -> Vec<Finding>,
) -> Result<FsckReport, Error> {
    let options = Options { manual: true, ..options.clone() };
    let backend = if repair { backend } else { overlaid(dir, &options, backend)? };
    let mut report = FsckReport::default();
    // Before a start writes them again.
    let torn = torn_records(dir, backend.disk.as_ref());
    match Core::open_with(dir, options.clone(), backend.clone()) {
        Ok((core, recovery)) => {
            opened(dir, &recovery, &mut report);
            core.check(&mut report);
            report.findings.extend(also(&core));
            if repair && let Err(error) = core.close() {
                report.damage(dir, &error);
            }
        }
        Err(
            error @ (Error::InUse { .. }
            | Error::NotAHome { .. }
            | Error::OlderFormat { .. }
            | Error::NewerFormat { .. }),
        ) => return Err(error),
        Err(error) => {
            report.damage(dir, &error);
            parts(dir, &options, &backend, &mut report)?;
        }
    }
    for path in torn {
        // Where both are broken that is said already.
        if report.findings.iter().all(|finding| finding.path != path) {
            let what = "one of the two copies of the record does not check: a crash cut its write before that was acknowledged, or it was \
                        damaged since; the other one stands";
            report.repairable(&path, None, what);
        }
    }
    report
        .findings
        .sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| (&a.path, a.offset).cmp(&(&b.path, b.offset))));
    Ok(report)
}

/// Disk and tables that take changes and keep them to themselves.
fn overlaid(dir: &Path, options: &Options, backend: Backend) -> Result<Backend, Error> {
    let below: Arc<dyn Tables> = match backend.tables {
        Some(tables) => tables,
        None => {
            let format = dir.join(crate::home::FORMAT_FILE);
            if let Err(error) = backend.disk.open_read(&format) {
                let why = format!("its file {} cannot be read: {error}", crate::home::FORMAT_FILE);
                return Err(Error::NotAHome { dir: dir.to_owned(), why });
            }
            Arc::new(RocksTables::open_read(&dir.join("tables"), options.table_cache_bytes)?)
        }
    };
    Ok(Backend { disk: Arc::new(Overlay::new(backend.disk)), tables: Some(Arc::new(OverlayTables::new(below))) })
}

/// What a start put right.
fn opened(dir: &Path, recovery: &RecoveryReport, report: &mut FsckReport) {
    if let Some(cut) = &recovery.cut {
        let what = format!(
            "the last write, of {} bytes, does not check: a crash cut it before it was acknowledged, or it was damaged since",
            cut.bytes
        );
        report.repairable(&cut.file, Some(cut.offset), what);
    }
    recovery.damaged.iter().for_each(|error| report.damage(dir, error));
    report.wal_entries = recovery.wal_entries;
    for log in &recovery.logs {
        let path = crate::core::notary_dir(dir, log.log);
        let tree = path.join("tree.blake3");
        if let Some(reason) = &log.retracted {
            report.damage(&path, reason);
        }
        if log.rehashed > log.replayed {
            report.repairable(&tree, None, format!("{} leaves were hashed again into both trees", log.rehashed));
        }
        if log.reindexed > log.replayed {
            report.repairable(&dir.join("tables"), None, format!("{} leaves were indexed again", log.reindexed));
        }
    }
}

/// A store that does not open: checks each part that can be looked at alone, so that all damage is told at once.
fn parts(dir: &Path, options: &Options, backend: &Backend, report: &mut FsckReport) -> Result<(), Error> {
    let disk = &backend.disk;
    for segments in segment_dirs(disk.as_ref(), dir) {
        let checked = SegmentLog::stream_of(disk.as_ref(), &segments).and_then(|stream| {
            let Some(stream) = stream else { return Ok(()) };
            let (log, _) = SegmentLog::open(disk, &segments, stream, options.segment_bytes)?;
            log.verify(&mut |error| report.damage(&segments, &error));
            Ok(())
        });
        if let Err(error) = checked {
            report.damage(&segments, &error);
        }
    }
    let tables = backend.open_tables(dir, options)?;
    check_tables(dir, tables.as_ref(), report);
    Ok(())
}

/// Reads all tables.
pub(crate) fn check_tables(dir: &Path, tables: &dyn Tables, report: &mut FsckReport) {
    let path = dir.join("tables");
    let mut found = Vec::new();
    let checked = chain::check(tables, &mut |what| found.push(what));
    (report.blocks, report.table_entries) = (checked.blocks, checked.entries);
    // A table that is broken in one place is often broken in many.
    const MOST: usize = 100;
    let more = found.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("and {more} more of this kind"));
    for what in found.into_iter().take(MOST).chain(more) {
        let finding = Finding { severity: Severity::Damage, path: path.clone(), offset: None, what };
        report.findings.push(finding);
    }
}

/// The small records of which one copy does not check.
fn torn_records(home: &Path, disk: &dyn Disk) -> Vec<PathBuf> {
    let mut records = vec![crate::mark::path(home), home.join("journal/files")];
    for segments in segment_dirs(disk, home) {
        // Of a notary log, those beside them are one above.
        let above = segments.ends_with("leaves").then(|| segments.parent().unwrap_or(home).to_owned());
        let dirs = [Some(segments), above].into_iter().flatten();
        records.extend(dirs.flat_map(|dir| ["synced", "signed"].map(|name| dir.join(name))));
    }
    // What cannot be read is said where it is opened.
    records.retain(|path| SlotFile::is_torn(disk, path).unwrap_or(false));
    records
}

/// The directories that hold segments.
fn segment_dirs(disk: &dyn Disk, home: &Path) -> Vec<PathBuf> {
    let inside = |dir: &Path| -> Vec<PathBuf> {
        disk.list(dir).unwrap_or_default().into_iter().map(|name| dir.join(name)).collect()
    };
    let notary = inside(&home.join("notary")).into_iter().map(|log| log.join("leaves"));
    let logs = inside(&home.join("logs")).into_iter().flat_map(|log| inside(&log));
    notary.chain(logs).collect()
}

/// Notes what the check of a log found: derived files that had to be made again, or damage.
pub(crate) fn note(report: &mut FsckReport, part: &Path, damage: Vec<Error>, checked: Result<Vec<PathBuf>, Error>) {
    damage.iter().for_each(|error| report.damage(part, error));
    match checked {
        Ok(remade) => remade.iter().for_each(|path| {
            report.repairable(
                path,
                None,
                "it does not fit what it is derived from, and is made again where it is needed",
            );
        }),
        Err(error) => report.damage(part, &error),
    }
}

/// Notes what the check of a partition found.
pub(crate) fn note_partition(
    report: &mut FsckReport,
    part: &Path,
    damage: Vec<Error>,
    checked: Result<Option<Checked>, Error>,
) {
    let remade = checked.map(|checked| {
        let Some(Checked { records, stubs, remade }) = checked else { return Vec::new() };
        report.partitions += 1;
        report.records += records;
        report.stubs += stubs;
        remade
    });
    note(report, part, damage, remade);
}

#[cfg(test)]
pub(crate) mod tests;
