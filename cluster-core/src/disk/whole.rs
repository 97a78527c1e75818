//! Small files that are there as a whole or not at all.

use std::path::Path;
use std::sync::Arc;

use super::{Disk, File};
use crate::Error;
use crate::parts::temporary;

/// Makes or replaces a file durably. Whatever crashes, its name stands for what it stood for before, or for all of `bytes`.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::SyncFailed`] and [`Error::Io`] from the disk.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<Arc<dyn File>, Error> {
    let temporary = temporary(path);
    let file = disk.create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    file.write_at(bytes, 0).map_err(|e| Error::io("write", &temporary, e))?;
    file.sync().map_err(|e| Error::sync(&temporary, e))?;
    disk.rename(&temporary, path).map_err(|e| Error::io("rename", &temporary, e))?;
    let dir = path.parent().unwrap_or(path);
    disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
