//! The page cache.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise, syncfs};

/// How reads are made cold.
pub const COLD: &str = "posix_fadvise(DONTNEED) of all files after a sync, before each read";

/// The files of a store, open, so that their pages can be given up again and again.
#[derive(Debug)]
pub struct Cached(Vec<File>);

impl Cached {
    /// All files below a directory. Their pages are written out, since only clean ones can be given up.
    pub fn of(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(dir, &mut files).with_context(|| format!("cannot list {}", dir.display()))?;
        sync(dir)?;
        Ok(Self(files))
    }

    /// Gives their pages up. What the host of a virtual machine keeps, it keeps.
    pub fn forget(&self) -> Result<()> {
        for file in &self.0 {
            fadvise(file, 0, None, Advice::DontNeed).context("cannot drop pages from the cache")?;
        }
        Ok(())
    }
}

fn collect(dir: &Path, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            match File::open(entry.path()) {
                Ok(file) => files.push(file),
                // A background thread of the store may have removed it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Writes out every dirty page of the file system that holds `dir`.
pub fn sync(dir: &Path) -> Result<()> {
    syncfs(File::open(dir)?).with_context(|| format!("cannot sync the file system of {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_folders_are_found_and_keep_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for name in ["one", "a/two", "a/b/three"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let cached = Cached::of(dir.path()).unwrap();
        assert_eq!(cached.0.len(), 3);
        cached.forget().unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a/b/three")).unwrap(), "a/b/three");
        assert!(Cached::of(&dir.path().join("missing")).is_err());
    }
}
