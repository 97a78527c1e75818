//! Files of the wallet: read with a bound, written whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Context, Failure, Result};
use crate::interrupt;
use crate::output::shown;

/// Mode of files that hold secrets or salts.
pub const SECRET: u32 = 0o600;
/// Mode of files anyone may read (the umask still applies).
pub const PUBLIC: u32 = 0o666;

/// Age from which a temporary file may be one that nobody finishes: writing one takes moments.
const STALE: Duration = Duration::from_secs(60);

/// How many files `write_many` writes at a time: an fsync waits for the journal, and waiting together costs one wait.
const WRITERS: usize = 16;

/// What to do when the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Fail, also when another process makes the file at the same moment.
    Keep,
    /// Replace it in one step.
    Replace,
}

/// Writes `bytes` to `path` so that after a crash the file is complete, or as it was: temporary file, fsync, rename
/// (or link, when an existing file must stay), fsync of the directory.
pub fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    place(path, bytes, mode, existing)?;
    sync_dir(parent(path))
}

/// Writes many files like [`write`], several at a time, and syncs each directory once at the end. Returns the
/// outcome of each, in order.
pub fn write_many(files: &[(PathBuf, Vec<u8>)], mode: u32, existing: Existing) -> Vec<io::Result<()>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((path, bytes)) = files.get(index) else { return done };
            done.push((index, place(path, bytes, mode, existing)));
        }
    };
    let mut outcomes: BTreeMap<usize, io::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS.min(files.len())).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let dirs: BTreeSet<&Path> = files.iter().map(|(path, _)| parent(path)).collect();
    let unsynced: BTreeMap<&Path, io::Error> =
        dirs.into_iter().filter_map(|dir| sync_dir(dir).err().map(|error| (dir, error))).collect();
    let outcome = |(index, (path, _)): (usize, &(PathBuf, Vec<u8>))| {
        // An index is missing only when its thread ended early.
        outcomes.remove(&index).unwrap_or_else(|| Err(io::Error::other("the writing thread ended early")))?;
        unsynced.get(parent(path)).map_or(Ok(()), |error| Err(io::Error::new(error.kind(), error.to_string())))
    };
    files.iter().enumerate().map(outcome).collect()
}

/// Reads a file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .context(|| format!("cannot read {}", shown(path)))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::error(format!("{} is larger than {limit} bytes, which no such file is", shown(path))));
    }
    Ok(bytes)
}

/// Removes what crashed processes of this program left in `dir` while they wrote: those that are gone, and only after a
/// minute, since a directory may be shared with machines whose processes cannot be seen from here.
pub fn remove_stale(dir: &Path) {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Some(process) = temporary_of(&entry.path()) else { continue };
        let written = entry.metadata().and_then(|meta| meta.modified()).ok();
        let old = written.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > STALE);
        if old && is_gone(process) {
            // Whoever may not remove it is not troubled with it either.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process whose temporary file this is, by its name.
pub fn temporary_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let (process, number) = name.strip_prefix(".pyralog-")?.strip_suffix(".tmp")?.split_once('-')?;
    number.parse::<u64>().ok()?;
    process.parse().ok()
}

/// Whether a process is known to have ended; where the system shows none, it is not known.
fn is_gone(process: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self").exists() && !processes.join(process.to_string()).exists()
}

fn place(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    let _writing = interrupt::writing();
    let temporary = temporary_beside(path)?;
    let result = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match existing {
            Existing::Replace => fs::rename(&temporary, path),
            Existing::Keep => link_new(&temporary, path),
        }
    })();
    if result.is_err() || existing == Existing::Keep {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Gives `temporary` the name `path` unless that exists. Where the file system has no hard links, the name is claimed
/// by an exclusive create first, which leaves an empty file for an instant.
fn link_new(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            OpenOptions::new().write(true).create_new(true).open(path)?;
            fs::rename(temporary, path)
        }
        other => other,
    }
}

/// Names are unique per process and per call. A leftover of a crashed process with the same pid is replaced.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file name"));
    }
    // Not derived from the target's name: that may be as long as the file system allows already.
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary = parent(path).join(format!(".pyralog-{}-{number}.tmp", std::process::id()));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(temporary),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn listing(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_existing_file_is_kept_unless_replacement_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipt.json");
        write(&path, b"one", PUBLIC, Existing::Keep).unwrap();
        let error = write(&path, b"two", PUBLIC, Existing::Keep).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"three", PUBLIC, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(listing(dir.path()), ["receipt.json"], "no temporary file is left");
    }

    #[test]
    fn secrets_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        write(&path, b"k", SECRET, Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn many_files_are_written_and_each_failure_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut files: Vec<_> =
            (0..100).map(|i| (dir.path().join(format!("{i}.json")), format!("{i}").into_bytes())).collect();
        files.push((dir.path().join("missing/x.json"), b"x".to_vec()));
        files.push((dir.path().join("7.json"), b"again".to_vec()));
        let outcomes = write_many(&files, PUBLIC, Existing::Keep);
        assert_eq!(outcomes.len(), 102);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 2, "{outcomes:?}");
        assert!(outcomes[100].is_err());
        assert_eq!(listing(dir.path()).len(), 100);
    }

    #[test]
    fn names_as_long_as_the_file_system_allows_still_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n".repeat(255));
        write(&path, b"x", PUBLIC, Existing::Keep).unwrap();
        write(&path, b"y", PUBLIC, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y");
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let own = format!(".pyralog-{}-7.tmp", std::process::id());
        // Above the largest number that a process gets.
        let dead = ".pyralog-4194999-0.tmp";
        let others = [own.as_str(), ".pyralog-4194999-1.tmp", ".pyralog-x-0.tmp", "notes.tmp"];
        for name in others.iter().chain([&dead]) {
            let file = File::create(dir.path().join(name)).unwrap();
            let age = if name.ends_with("-1.tmp") { 0 } else { 3_600 };
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        assert_eq!(temporary_of(Path::new(dead)), Some(4_194_999));
        assert_eq!(temporary_of(Path::new("d/.pyralog-x-0.tmp")), None);
        remove_stale(dir.path());
        let mut left = others.map(str::to_owned);
        left.sort();
        assert_eq!(listing(dir.path()), left, "the living, the young and the foreign stay");
    }

    #[test]
    fn a_file_over_the_limit_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, vec![0; 101]).unwrap();
        assert_eq!(read_bounded(&path, 101).unwrap().len(), 101);
        assert!(read_bounded(&path, 100).unwrap_err().to_string().contains("larger than 100 bytes"));
    }
}
