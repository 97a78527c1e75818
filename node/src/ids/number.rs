//! The file `node`: it says that a directory was made, and which number its ids have.
//!
//! It is the last file to be made, before anything leaves. While there is none the directory was not used; once it is there the files
//! of both generators are too, or were deleted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pyralog_cluster_core::disk::{Disk, write_whole};
use pyralog_cluster_core::{self as core, NodeNumber, Scarabs};

use super::generators::scarab_dir;
use crate::error::{Error, Result};

/// Bytes that are read: so many are no number.
const MAX_BYTES: usize = 16;
const ANEW: &str = "start with an empty --dir and a --node number that was never used";

/// The number of a directory; `None` where there is no file.
///
/// # Errors
/// [`Error::Home`] for a file without a number; [`Error::Io`].
pub(super) fn read(dir: &Path, disk: &dyn Disk) -> Result<Option<NodeNumber>> {
    let path = path(dir);
    let file = match disk.open_read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", &path, error)),
    };
    let mut bytes = [0; MAX_BYTES];
    let read = file.read_at(&mut bytes, 0).map_err(|e| Error::io("read", &path, e))?;
    let text = std::str::from_utf8(&bytes[..read]).ok().filter(|text| text.len() < MAX_BYTES);
    let number = text.and_then(|text| text.trim().parse().ok());
    let number = number.and_then(|number| NodeNumber::new(number).ok());
    number.map(Some).ok_or_else(|| lost(dir, disk, "holds no node number"))
}

/// Writes the number, durably.
///
/// # Errors
/// Those of [`write_whole`].
pub(super) fn write(dir: &Path, node: NodeNumber, disk: &dyn Disk) -> Result<(), core::Error> {
    write_whole(disk, &path(dir), format!("{node}\n").as_bytes()).map(drop)
}

/// A directory that was used is opened, but its number is lost.
pub(super) fn lost(dir: &Path, disk: &dyn Disk, found: &str) -> Error {
    let remedy = match Scarabs::used_by(&scarab_dir(dir), disk) {
        Ok(Some(number)) => put_back(dir, number),
        _ => "restore it, and what else is missing, from a copy that was made after the last stop".into(),
    };
    Error::home(&path(dir), format!("{found}, but ids were given from this directory: {remedy}, or {ANEW}"))
}

/// The number was changed since ids left.
pub(super) fn changed(dir: &Path, used: NodeNumber, found: NodeNumber) -> Error {
    let remedy = put_back(dir, used);
    Error::home(&path(dir), format!("says {found}, but the ids of this directory have node number {used}: {remedy}"))
}

/// The directory is opened with another number than it has.
pub(super) fn other(dir: &Path, found: NodeNumber, asked: NodeNumber) -> Error {
    Error::home(
        &path(dir),
        format!(
            "the ids of this directory have node number {found}, not {asked}: start it with --node {found}, or {ANEW}"
        ),
    )
}

fn put_back(dir: &Path, number: NodeNumber) -> String {
    format!("put it back, echo {number} > {}", path(dir).display())
}

fn path(dir: &Path) -> PathBuf {
    dir.join("node")
}
