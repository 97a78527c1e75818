//! The data directory: one owner at a time, one format.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::disk::{Disk, Lock, write_whole};

/// The format this build reads and writes. It may still change until the replicated core lands; each change counts it up.
pub const FORMAT: u32 = 2;

pub(crate) const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
/// Also the names of format 1.
const OURS: [&str; 6] = ["journal", "wal", "mark", "notary", "logs", "tables"];

/// A locked data directory of the right format.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    /// Whether this start made it.
    pub(crate) created: bool,
    _lock: Box<dyn Lock>,
}

impl Home {
    /// Locks the directory, making it where there is none, and checks its format.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        disk.create_dir(dir).map_err(|e| Error::io("create", dir, e))?;
        let lock_file = dir.join(LOCK_FILE);
        let lock = match disk.lock(&lock_file).map_err(|e| Error::io("lock", &lock_file, e))? {
            Ok(lock) => lock,
            Err(pid) => return Err(Error::InUse { dir: dir.to_owned(), pid }),
        };
        let created = match read_format(disk, dir)? {
            Some(FORMAT) => false,
            Some(found) if found < FORMAT => {
                return Err(Error::OlderFormat { dir: dir.to_owned(), found, expected: FORMAT });
            }
            Some(found) => return Err(Error::NewerFormat { dir: dir.to_owned(), found, expected: FORMAT }),
            None => {
                let names = disk.list(dir).map_err(|e| Error::io("list", dir, e))?;
                if let Some(name) = names.iter().find(|name| OURS.contains(&name.as_str())) {
                    let why = format!("it holds {name} but no file {FORMAT_FILE}");
                    return Err(Error::NotAHome { dir: dir.to_owned(), why });
                }
                write_format(disk, dir)?;
                true
            }
        };
        Ok(Self { dir: dir.to_owned(), created, _lock: lock })
    }
}

/// Creates a directory durably.
pub(crate) fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    disk.create_dir(dir).map_err(|e| Error::io("create", dir, e))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.sync_dir(parent).map_err(|e| Error::sync(parent, e)),
        _ => Ok(()),
    }
}

/// Lists a directory and removes files that a crash left half made.
pub(crate) fn clean_list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = disk.list(dir).map_err(|e| Error::io("list", dir, e))?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = dir.join(name);
        disk.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    names.retain(|name| !name.ends_with(".tmp"));
    Ok(names)
}

fn read_format(disk: &dyn Disk, dir: &Path) -> Result<Option<u32>, Error> {
    let path = dir.join(FORMAT_FILE);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", &path, error)),
    };
    let mut text = [0; 64];
    let read = file.read_at(&mut text, 0).map_err(|e| Error::io("read", &path, e))?;
    match parse_format(&text[..read]) {
        Some(format) => Ok(Some(format)),
        None => Err(Error::NotAHome { dir: dir.to_owned(), why: format!("its file {FORMAT_FILE} is not readable") }),
    }
}

/// The format file: `pyralog-data N` and a line feed.
pub(crate) fn parse_format(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.strip_prefix("pyralog-data ")?.strip_suffix('\n')?.parse().ok()
}

fn write_format(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    write_whole(disk, &dir.join(FORMAT_FILE), format!("pyralog-data {FORMAT}\n").as_bytes()).map(drop)
}

#[cfg(test)]
mod tests;
