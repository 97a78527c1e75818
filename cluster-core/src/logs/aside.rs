//! Files of a partition that are damaged, and whose records others have.

use std::path::{Path, PathBuf};

use super::files::SIGNED;
use super::{LogSpec, Place};
use crate::Error;
use crate::disk::Disk;
use crate::segment::SegmentLog;

/// Where such files are, in the home of the store.
const DIR: &str = "damaged";
/// Says that all are there.
const ALL: &str = "all";

/// Moves the files of a partition out of the way, but not what was signed: that must hold for the records that come instead. Then makes empty
/// ones. A start that was cut does it again, with the same number.
pub(super) fn set_aside(place: &Place, stream: u64, spec: &LogSpec, number: u64) -> Result<(), Error> {
    let (disk, dir) = (place.disk.as_ref(), &place.dir);
    let aside = aside_of(place, number);
    for made in [aside.parent(), Some(aside.as_path())].into_iter().flatten() {
        crate::home::make_dir(disk, made)?;
    }
    let there = list(disk, &aside)?;
    // The damage may be that it is missing.
    if let Some(log) = dir.parent() {
        crate::home::make_dir(disk, log)?;
    }
    crate::home::make_dir(disk, dir)?;
    if !there.iter().any(|name| name == ALL) {
        for name in list(disk, dir)? {
            if name != SIGNED {
                let (from, to) = (dir.join(&name), aside.join(&name));
                disk.rename(&from, &to).map_err(|e| Error::io("rename", &from, e))?;
            }
        }
        for of in [&aside, dir] {
            disk.sync_dir(of).map_err(|e| Error::sync(of, e))?;
        }
        let all = aside.join(ALL);
        let file = disk.create(&all).map_err(|e| Error::io("create", &all, e))?;
        file.sync().map_err(|e| Error::sync(&all, e))?;
        disk.sync_dir(&aside).map_err(|e| Error::sync(&aside, e))?;
    }
    SegmentLog::open(&place.disk, dir, stream, spec.segment_bytes)?;
    tracing::warn!(log = %spec.name, kept = %aside.display(), "the damaged files of a partition were put aside: its records are taken from the other members");
    Ok(())
}

/// The first number under which nothing was put aside of the partition.
pub(super) fn next_number(place: &Place) -> Result<u64, Error> {
    let number = (0..).find_map(|number| match list(place.disk.as_ref(), &aside_of(place, number)) {
        Ok(names) => names.is_empty().then_some(Ok(number)),
        Err(reason) => Some(Err(reason)),
    });
    number.unwrap_or(Ok(0))
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, Error> {
    match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|e| Error::io("list", dir, e)),
    }
}

/// `HOME/damaged/LOG.INCARNATION.PARTITION.NUMBER`
fn aside_of(place: &Place, number: u64) -> PathBuf {
    let name = |path: Option<&Path>| path.and_then(|path| path.file_name()).unwrap_or_default().to_owned();
    let log = place.dir.parent();
    let (of, part) = (name(log), name(Some(&place.dir)));
    let home = log.and_then(|log| log.parent()).and_then(|logs| logs.parent()).unwrap_or(&place.dir);
    home.join(DIR).join(format!("{}.{}.{number}", of.display(), part.display()))
}
