//! Opening a stream: which segments are there, and that they follow each other.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::super::Weigh;
use super::super::active::{Active, Opened};
use super::super::file;
use super::super::index::IndexKind;
use super::super::recent::Recent;
use super::super::sealed::Sealed;
use super::{SegmentLog, SegmentRecovery, View};
use crate::Error;
use crate::disk::Disk;
use crate::parts::{CutTail, u64_at};
use crate::slot::SlotFile;

const SYNCED: &str = "synced";

pub(super) fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    stream: u64,
    segment_bytes: u64,
    weigh: Weigh,
) -> Result<(SegmentLog, SegmentRecovery), Error> {
    let path = dir.join(SYNCED);
    let slot = SlotFile::find(disk.as_ref(), &path)?;
    if slot.is_none() {
        // Its name is durable before there is a record in it.
        crate::home::make_dir(disk.as_ref(), dir)?;
    }
    let names = crate::home::clean_list(disk.as_ref(), dir)?;
    let mut bases: Vec<u64> = names.iter().filter_map(|name| file::parse_name(name)).collect();
    bases.sort_unstable();
    let slot = match slot {
        Some(slot) => slot,
        None if bases.is_empty() => SlotFile::open(disk.as_ref(), &path)?,
        None => return Err(Error::damaged(&path, 0, "the record of what was synced is missing")),
    };
    let (first, synced) = match (slot.value(), read_mark(&slot)) {
        (None, _) => (0, 0),
        (Some(_), Some(mark)) => mark,
        (Some(_), None) => return Err(Error::damaged(&path, 0, "the record of what was synced is none")),
    };
    finish_trim(disk.as_ref(), dir, &mut bases, first)?;
    // Where the newer copy of the record is lost, the older one may name a first segment that was removed since.
    let first = if slot.torn() { bases.first().map_or(first, |base| first.max(*base)) } else { first };
    if bases.first().map_or((first, synced) != (0, 0), |base| *base != first) {
        return Err(Error::damaged(&file::path(dir, first), 0, "the file is missing"));
    }
    let place = Place { disk: disk.as_ref(), dir, stream, weigh, synced, torn: slot.torn() };
    let (view, cut) = match bases.is_empty() {
        true => {
            let active = place.begin(0)?;
            (View { sealed: Vec::new(), active, unsynced: Vec::new(), unnamed: false }, None)
        }
        false => place.view(&bases)?,
    };
    let recovery = SegmentRecovery { first: view.first(), next: view.active.next(), cut };
    let log = SegmentLog {
        disk: Arc::clone(disk),
        dir: dir.to_owned(),
        stream,
        segment_bytes,
        weigh,
        fills: Mutex::default(),
        appends: Mutex::default(),
        synced: Mutex::new(slot),
        view: RwLock::new(view),
        recent: Recent::default(),
        failure: OnceLock::new(),
    };
    Ok((log, recovery))
}

/// Where the segments are, and how far they certainly go.
struct Place<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    stream: u64,
    weigh: Weigh,
    synced: u64,
    /// Whether a copy of the record of that does not check.
    torn: bool,
}

impl Place<'_> {
    /// The first segment that there is, without records, for certain.
    fn begin(&self, base: u64) -> Result<Active, Error> {
        let active = Active::create(self.disk, self.dir, self.stream, base)?;
        active.unsynced().sync()?;
        self.disk.sync_dir(self.dir).map_err(|e| Error::sync(self.dir, e))?;
        Ok(active)
    }

    /// The segments that begin with these records, of which some of the last may never have been synced.
    fn view(&self, bases: &[u64]) -> Result<(View, Option<CutTail>), Error> {
        let certain = bases.partition_point(|base| *base < self.synced).saturating_sub(1);
        let mut sealed = Vec::with_capacity(bases.len());
        for (base, next) in bases[..certain].iter().zip(&bases[1..]) {
            let segment = Sealed::open(self.disk, self.dir, self.stream, *base)?;
            if segment.footer.next != *next {
                let missing = file::path(self.dir, segment.footer.next);
                let why = format!(
                    "the file is missing, or has another name: the one before it ends there, the next begins with {next}"
                );
                return Err(Error::damaged(&missing, 0, why));
            }
            sealed.push(Arc::new(segment));
        }
        let mut unsynced = Vec::new();
        for (place, base) in bases.iter().enumerate().skip(certain) {
            let Opened { active, sealed: seal, cut } = self.active(*base, bases.get(place + 1), place == certain)?;
            if let Some(seal) = seal {
                unsynced.push(active.unsynced());
                sealed.push(Arc::new(seal));
                continue;
            }
            // The journal has what they hold.
            for base in &bases[place + 1..] {
                remove(self.disk, &file::path(self.dir, *base))?;
            }
            let unnamed = *base >= self.synced || place + 1 < bases.len();
            return Ok((View { sealed, active, unsynced, unnamed }, cut));
        }
        // The last one is never taken for sealed, since none follows it.
        Err(Error::damaged(self.dir, 0, "there is no segment"))
    }

    /// A segment of which not all was synced.
    fn active(&self, base: u64, next: Option<&u64>, certain: bool) -> Result<Opened, Error> {
        let opened = Active::open(self.disk, self.dir, self.stream, base, self.synced, next.copied(), self.weigh);
        match opened {
            // Nothing of it was synced, not even its header.
            Err(Error::Damaged { .. }) if base >= self.synced && !(certain && self.torn) => {
                let active = match certain {
                    true => self.begin(base)?,
                    false => Active::create(self.disk, self.dir, self.stream, base)?,
                };
                Ok(Opened { active, sealed: None, cut: None })
            }
            opened => opened,
        }
    }
}

pub(super) fn stream_of(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, Error> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("list", dir, error)),
    };
    let first = names.iter().filter_map(|name| file::parse_name(name)).min();
    first.map(|base| file::stream_of(disk, &file::path(dir, base))).transpose()
}

/// Removes what a trim wanted to remove when the power went.
fn finish_trim(disk: &dyn Disk, dir: &Path, bases: &mut Vec<u64>, first: u64) -> Result<(), Error> {
    let gone = bases.partition_point(|base| *base < first);
    for base in bases.drain(..gone) {
        remove(disk, &file::path(dir, base))?;
    }
    if gone > 0 { disk.sync_dir(dir).map_err(|e| Error::sync(dir, e)) } else { Ok(()) }
}

/// Removes a segment and its indexes.
pub(super) fn remove(disk: &dyn Disk, segment: &Path) -> Result<(), Error> {
    let indexes = IndexKind::BOTH.map(|kind| kind.path(segment));
    for path in indexes.iter().map(|path| path.as_path()).chain([segment]) {
        match disk.remove(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove", path, error)),
        }
    }
    Ok(())
}

/// The record of what is certainly there: offsets of the first record and behind the last one.
pub(super) fn mark(first: u64, next: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    bytes[8..].copy_from_slice(&next.to_be_bytes());
    bytes
}

/// Reads [`mark`] back.
pub(super) fn read_mark(slot: &SlotFile) -> Option<(u64, u64)> {
    slot.value().and_then(decode)
}

pub(in crate::segment) fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    (bytes.len() == 16).then(|| (u64_at(bytes, 0), u64_at(bytes, 8))).filter(|(first, next)| first <= next)
}
