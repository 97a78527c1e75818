//! Opening a log: which leaves are there, and trees that match them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use pyralog_crypto::{Frontier, Hash, LogId, MerkleHash, Roots, leaf_hashes, merkle};

use super::index::LeafIndex;
use super::leaves::{self, LeafFiles, Segment};
use super::log::{Growing, Log, LogWriter};
use super::nodes::{FlatFile, NodeFile, PlaceFile};
use super::record::{Signed, Synced};
use crate::Error;
use crate::chain::Tables;
use crate::disk::Disk;
use crate::frame::{FILE_HEADER, FrameFile, Kind, Torn};
use crate::options::{Options, Progress};
use crate::slot::SlotFile;
use crate::wal::CutTail;

const FLUSH_BYTES: usize = 1 << 20;
const PROGRESS_BYTES: u64 = 8 << 20;

/// What was found and done when a log was opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogRecovery {
    /// The log.
    pub log: LogId,
    /// Durable leaves.
    pub size: u64,
    /// A torn last group of leaves, never acknowledged, that was cut off.
    pub cut: Option<CutTail>,
    /// Leaves that were hashed again into the trees.
    pub rehashed: u64,
    /// Leaves that were entered again into the index.
    pub reindexed: u64,
    /// A write of one of the two small records was cut by a crash; it was never acknowledged.
    pub record_torn: bool,
    /// Why the log refuses appends, if it does.
    pub retracted: Option<Error>,
}

/// The files of a log while it is opened.
struct Opening<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    id: LogId,
    options: &'a Options,
    segments: Vec<Segment>,
    total: u64,
    blake3: NodeFile,
    sha256: NodeFile,
    places: PlaceFile,
}

/// What a replay of the leaf files gives.
struct Replayed {
    active: FrameFile,
    torn: Option<Torn>,
    trees: Growing,
    /// Leaves found, which is less than the trees have when synced leaves are gone.
    size: u64,
    rehashed: u64,
}

/// Opens a log, making it where there is none.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    tables: &Arc<dyn Tables>,
    dir: PathBuf,
    id: LogId,
    options: &Options,
) -> Result<(Log, LogRecovery), Error> {
    let segments = find_segments(disk.as_ref(), &dir)?;
    let signed = SlotFile::open(disk.as_ref(), &dir.join("signed"))?;
    let synced = SlotFile::open(disk.as_ref(), &dir.join("synced"))?;
    let flat = |name| FlatFile::open(disk.as_ref(), dir.join(name));
    let (blake3, sha256) = (NodeFile(flat("tree.blake3")?), NodeFile(flat("tree.sha256")?));
    let places = PlaceFile(flat("places")?);
    disk.sync_dir(&dir).map_err(|e| Error::sync(&dir, e))?;
    let mut opening = Opening { disk, dir: &dir, id, options, segments, total: 0, blake3, sha256, places };
    opening.check_sealed()?;

    let mark = synced.value().and_then(Synced::decode);
    let mut replayed = opening.replay(mark)?;
    let lost = mark.filter(|mark| replayed.size < mark.size);
    if lost.is_some() {
        replayed = opening.replay(None)?;
    }
    let Replayed { mut active, torn, trees, size, rehashed } = replayed;
    let cut = torn.map(|torn| CutTail { file: active.path().to_owned(), offset: torn.offset, bytes: torn.bytes });
    let given_out = signed.value().and_then(Signed::decode);
    let retracted = opening.find_retraction(given_out, lost, size)?;
    // What is missing from a retracted log may be in the bytes that look torn: they stay for whoever repairs it.
    if torn.is_some() && retracted.is_none() {
        active.cut()?;
    }
    let index = LeafIndex::new(Arc::clone(tables), id);
    let reindexed = index.catch_up(&opening.blake3, size)?;
    let record_torn = signed.torn() || synced.torn();
    let Opening { segments, blake3, sha256, places, .. } = opening;
    let writer = LogWriter {
        disk: Arc::clone(disk),
        dir: dir.clone(),
        active,
        trees,
        signed,
        synced,
        synced_size: mark.map_or(0, |mark| mark.size.min(size)),
        segment_bytes: options.segment_bytes,
        tree_sync_leaves: options.tree_sync_leaves,
    };
    let log = Log {
        id,
        retracted: retracted.clone(),
        blake3,
        sha256,
        places,
        leaves: LeafFiles::new(Arc::clone(disk), dir, segments),
        index,
        size: AtomicU64::new(size),
        signed: AtomicU64::new(given_out.map_or(0, |signed| signed.size)),
        writer: Mutex::new(writer),
    };
    Ok((log, LogRecovery { log: id, size, cut, rehashed, reindexed, record_torn, retracted }))
}

/// The leaf files in order; the first one is made where there is none.
fn find_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, Error> {
    crate::home::make_dir(disk, dir)?;
    let names = super::clean_list(disk, dir)?;
    let mut segments = Vec::new();
    for first in names.iter().filter_map(|name| leaves::parse_name(name)) {
        let path = dir.join(leaves::file_name(first));
        let frames = FrameFile::open(disk, &path, Kind::Leaves)?;
        if frames.first != first {
            return Err(Error::damaged(
                &path,
                32,
                format!("the file begins with leaf {}, not as its name says", frames.first),
            ));
        }
        segments.push(Segment { first, base: frames.base });
    }
    if segments.is_empty() {
        FrameFile::create(disk, &dir.join(leaves::file_name(0)), Kind::Leaves, 1, 0, 0)?;
        segments.push(Segment { first: 0, base: 0 });
    }
    if segments[0] != (Segment { first: 0, base: 0 }) {
        let path = dir.join(leaves::file_name(0));
        return Err(Error::damaged(&path, 0, "the first leaf file is missing"));
    }
    Ok(segments)
}

impl Opening<'_> {
    fn path(&self, segment: Segment) -> PathBuf {
        self.dir.join(leaves::file_name(segment.first))
    }

    /// Closed files must end exactly where the next one begins.
    fn check_sealed(&mut self) -> Result<(), Error> {
        let size = |path: &Path| -> Result<u64, Error> {
            let file = self.disk.open(path).map_err(|e| Error::io("open", path, e))?;
            file.size().map_err(|e| Error::io("measure", path, e))
        };
        for pair in self.segments.windows(2) {
            let path = self.path(pair[0]);
            let (found, expected) = (size(&path)?, (pair[1].base - pair[0].base).saturating_add(FILE_HEADER));
            if found != expected {
                let why = format!("the file has {found} bytes where the next leaf file says {expected}");
                return Err(Error::damaged(&path, found.min(expected), why));
            }
        }
        let last = self.segments[self.segments.len() - 1];
        self.total = last.base + size(&self.path(last))?.saturating_sub(FILE_HEADER);
        Ok(())
    }

    /// Reads the leaf files from the synced place on, and the whole last one, growing the trees from the synced size.
    fn replay(&self, mark: Option<Synced>) -> Result<Replayed, Error> {
        let mark = match mark {
            Some(mark) if self.trees_match(mark)? => mark,
            _ => Synced { size: 0, place: 0, roots: Roots::empty() },
        };
        self.blake3.0.cut(NodeFile::bytes(mark.size))?;
        self.sha256.0.cut(NodeFile::bytes(mark.size))?;
        self.places.0.cut(PlaceFile::bytes(mark.size))?;
        let mut trees = Growing::new(frontier(&self.blake3, mark.size)?, frontier(&self.sha256, mark.size)?);
        let last = self.segments.len() - 1;
        let mut end = (self.segments[0].first, None);
        let mut reported = mark.place;
        for (number, segment) in self.segments.iter().enumerate() {
            let next_base = self.segments.get(number + 1).map(|next| next.base);
            let needed = next_base.is_none_or(|next| next > mark.place) || self.options.verify_sealed;
            if !needed {
                continue;
            }
            let path = self.path(*segment);
            let mut frames = FrameFile::open(self.disk.as_ref(), &path, Kind::Leaves)?;
            let mut expected = segment.first;
            let torn = frames.replay(FILE_HEADER, |offset, payload| {
                let begin = segment.base + (offset - FILE_HEADER);
                let fresh = begin >= mark.place;
                let group = leaves::read_group(payload, |at, leaf| {
                    if fresh {
                        trees.push(leaf_hashes(leaf), begin + at);
                        if trees.waiting() >= FLUSH_BYTES {
                            trees.flush(&self.blake3, &self.sha256, &self.places)?;
                        }
                    }
                    Ok::<(), Error>(())
                })?;
                let follows = group.filter(|(first, _)| *first == expected);
                let Some((_, count)) = follows else {
                    return Err(Error::damaged(
                        &path,
                        offset,
                        format!("a group of leaves from {expected} on was expected here"),
                    ));
                };
                expected += count;
                if begin >= reported.saturating_add(PROGRESS_BYTES) {
                    reported = begin;
                    self.report(begin);
                }
                Ok(())
            })?;
            if let (Some(torn), true) = (torn, number < last) {
                return Err(Error::damaged(
                    &path,
                    torn.offset,
                    "a frame does not check, and a further leaf file follows",
                ));
            }
            if let Some(next) = self.segments.get(number + 1).filter(|next| next.first != expected) {
                let why = format!("the file ends before leaf {expected}, the next one begins with leaf {}", next.first);
                return Err(Error::damaged(&path, frames.end(), why));
            }
            end = (expected, Some((frames, torn)));
        }
        trees.flush(&self.blake3, &self.sha256, &self.places)?;
        let (size, Some((active, torn))) = end else {
            return Err(Error::damaged(self.dir, 0, "no leaf file could be read"));
        };
        let rehashed = trees.size() - mark.size;
        if rehashed > 0 {
            self.report(self.total);
        }
        Ok(Replayed { active, torn, trees, size, rehashed })
    }

    fn report(&self, done: u64) {
        if let Some(progress) = &self.options.progress {
            progress(Progress { log: self.id, done, total: self.total });
        }
    }

    /// Whether the derived files hold what was synced.
    fn trees_match(&self, mark: Synced) -> Result<bool, Error> {
        let long_enough = mark.size <= merkle::MAX_TREE_SIZE >> 6
            && self.blake3.0.len()? >= NodeFile::bytes(mark.size)
            && self.sha256.0.len()? >= NodeFile::bytes(mark.size)
            && self.places.0.len()? >= PlaceFile::bytes(mark.size);
        Ok(long_enough && self.roots(mark.size)? == mark.roots)
    }

    fn roots(&self, size: u64) -> Result<Roots, Error> {
        Ok(Roots {
            blake3: merkle::root_at::<pyralog_crypto::Blake3, _>(&self.blake3, size)?,
            sha256: self.sha256_root(size)?,
        })
    }

    fn sha256_root(&self, size: u64) -> Result<Hash, Error> {
        merkle::root_at::<pyralog_crypto::Sha256, _>(&self.sha256, size)
    }

    /// Compares the leaves found with what was given out for signing and with what was acknowledged.
    fn find_retraction(
        &self,
        given_out: Option<Signed>,
        lost: Option<Synced>,
        size: u64,
    ) -> Result<Option<Error>, Error> {
        let refuse =
            |signed, found| Error::LogRetracted { log: self.id, dir: self.dir.to_owned(), size, signed, found };
        if let Some(signed) = given_out {
            if signed.size > size {
                return Ok(Some(refuse(signed.size, "are fewer than were signed")));
            }
            if self.roots(signed.size)? != signed.roots {
                return Ok(Some(refuse(signed.size, "have other roots than were signed")));
            }
        }
        Ok(lost.map(|mark| refuse(mark.size, "are fewer than were acknowledged")))
    }
}

/// The frontier of a tree whose nodes are in a file.
fn frontier<H: MerkleHash>(nodes: &NodeFile, size: u64) -> Result<Frontier<H>, Error> {
    let mut peaks = Vec::new();
    let mut end = 0;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        end += 1 << level;
        peaks.push(nodes.read(level, (end >> level) - 1)?);
    }
    Frontier::from_parts(size, &peaks).map_err(|_| nodes.broken())
}

#[cfg(test)]
mod tests;
