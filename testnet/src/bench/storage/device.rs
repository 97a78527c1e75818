//! What a block device has written. The count of a process in `/proc/self/io` is of no use here: where the page cache holds a file in
//! large pieces, the kernel counts a whole piece for each block of it that becomes dirty, and writes the block only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{major, minor};

/// Bytes of a sector in the kernel's counts, whatever the device's own are.
const SECTOR: u64 = 512;
/// Place of the sectors written among the counts.
const WRITTEN: usize = 6;

/// The block device under a file system.
#[derive(Debug)]
pub struct Device {
    stat: PathBuf,
}

impl Device {
    /// That of a directory; `None` where it is on none, as in memory.
    pub fn under(dir: &Path) -> Result<Option<Self>> {
        let number = fs::metadata(dir).with_context(|| format!("cannot look at {}", dir.display()))?.dev();
        let stat = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", major(number), minor(number)));
        Ok(stat.is_file().then_some(Self { stat }))
    }

    /// One whose counts stand in a file.
    #[cfg(test)]
    pub fn at(stat: &Path) -> Self {
        Self { stat: stat.to_owned() }
    }

    /// Bytes written so far, by all programs and by the file system itself.
    pub fn written(&self) -> Result<u64> {
        let text = fs::read_to_string(&self.stat).with_context(|| format!("cannot read {}", self.stat.display()))?;
        parse(&text).with_context(|| format!("{} is not understood", self.stat.display()))
    }
}

fn parse(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(WRITTEN)?.parse::<u64>().ok()?.checked_mul(SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_written_are_the_seventh_count() {
        let stat = "  11 1  1001 5 21 2 3000 77 0 9 9 0 0 0 0 3 1\n";
        assert_eq!(parse(stat), Some(3_000 * 512));
        assert_eq!(parse("1 2 3"), None);
    }

    #[test]
    fn what_is_not_on_a_disk_has_no_device() {
        assert!(Device::under(Path::new("/proc")).unwrap().is_none());
        assert!(Device::under(Path::new("/no/such/folder")).is_err());
    }
}
