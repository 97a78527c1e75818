//! The records of one partition and its trees, on disk or in memory.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyralog_crypto::{
    Blake3, Decode, Encode, Hash, LogId, MAX_RECORD_BYTES, MerkleHash, PartitionCheckpoint, PartitionConsistency,
    RecordProof,
};

use super::batch::RecordBatch;
use super::handles::Held;
use super::{LogSpec, Place, Storage};
use crate::Error;
use crate::items;
use crate::segment::{Item, MemoryLog, RecordLog, Retention, SegmentLog};
use crate::slot::SlotFile;
use crate::tree::PartitionTree;

/// The file of what was last handed out for signing.
const SIGNED: &str = "signed";

/// The open files of a partition.
pub(super) struct PartitionFiles {
    id: LogId,
    number: u32,
    place: Place,
    retention: Retention,
    records: Arc<dyn RecordLog>,
    /// The same, where they are on disk.
    segments: Option<Arc<SegmentLog>>,
    tree: PartitionTree,
    /// Records that had to be hashed again when the trees were opened.
    rehashed: u64,
    /// Records that readers may see. Stored with Release when they are in the trees.
    size: AtomicU64,
    signed: Mutex<Signed>,
    /// Whether what is there is what was signed; known when the journal was replayed.
    verdict: OnceLock<Option<Error>>,
    /// Of what is on disk.
    _held: Option<Held>,
}

/// What was last handed out for signing, and its file, which is made when there is something to be in it.
struct Signed {
    file: Option<SlotFile>,
    checkpoint: Option<PartitionCheckpoint>,
}

impl PartitionFiles {
    /// Opens the files, or makes them where they were not made yet.
    pub(super) fn open(place: &Place, stream: u64, spec: &LogSpec, number: u32, was_made: bool) -> Result<Self, Error> {
        let held = match spec.storage {
            Storage::Memory => None,
            Storage::Disk => Some(place.handles.take()?),
        };
        let (segments, records): (_, Arc<dyn RecordLog>) = match spec.storage {
            Storage::Memory => (None, Arc::new(MemoryLog::new(stream, spec.segment_bytes))),
            Storage::Disk => {
                if was_made && SegmentLog::stream_of(place.disk.as_ref(), &place.dir)?.is_none() {
                    return Err(Error::damaged(&place.dir, 0, "the segments of the partition are missing"));
                }
                // The log's own directory, whose name must be as durable as what is in it.
                crate::home::make_dir(place.disk.as_ref(), place.dir.parent().unwrap_or(&place.dir))?;
                let (segments, _) = SegmentLog::open(&place.disk, &place.dir, stream, spec.segment_bytes)?;
                let segments = Arc::new(segments);
                (Some(Arc::clone(&segments)), segments)
            }
        };
        let (tree, rehashed) = match spec.storage {
            Storage::Memory => (PartitionTree::in_memory(Arc::clone(&records))?, 0),
            Storage::Disk => {
                let (tree, recovery) = PartitionTree::open(&place.disk, &place.dir, stream, Arc::clone(&records))?;
                (tree, recovery.rehashed)
            }
        };
        let size = AtomicU64::new(records.next_offset());
        let signed = Mutex::new(Signed::open(place)?);
        let (id, place, retention, verdict) = (spec.id, place.clone(), spec.retention, OnceLock::new());
        Ok(Self { id, number, place, retention, records, segments, tree, rehashed, size, signed, verdict, _held: held })
    }

    pub(super) fn records(&self) -> &dyn RecordLog {
        self.records.as_ref()
    }

    pub(super) fn rehashed(&self) -> u64 {
        self.rehashed
    }

    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Appends what the journal holds durably.
    pub(super) fn append(&self, batches: &[RecordBatch]) -> Result<(), Error> {
        let records = batches.iter().flat_map(|batch| batch.times.iter().zip(&batch.records));
        let items: Vec<Item<'_>> = records.map(|(time, bytes)| Item { timestamp: *time, bytes }).collect();
        let hashes: Vec<Hash> = batches.iter().flat_map(|batch| &batch.hashes).copied().collect();
        self.add(&items, &hashes)?;
        // Memory is not lent until the next look.
        if self.segments.is_none() { self.retain(&self.retention, 0) } else { Ok(()) }
    }

    fn add(&self, items: &[Item<'_>], hashes: &[Hash]) -> Result<(), Error> {
        let first = self.records.append(items)?;
        self.tree.append(first, hashes)?;
        self.size.store(first + items.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Takes an entry of the journal: records from offset `first` on. Those that are here are skipped.
    pub(super) fn replay(&self, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let dir = &self.place.dir;
        let item = |bytes| RecordBatch::time_of(bytes).map(|timestamp| Item { timestamp, bytes });
        let items = items::decode(bytes, MAX_RECORD_BYTES);
        let items: Option<Vec<Item<'_>>> = items.and_then(|items| items.into_iter().map(item).collect());
        let Some(items) = items else {
            return Err(Error::damaged(dir, 0, format!("the journal's records from {first} on are none")));
        };
        let fresh = items::lacking(&items, first, self.records.next_offset(), dir)?;
        let hashes: Vec<Hash> = fresh.iter().map(|item| Blake3::leaf(item.bytes)).collect();
        if fresh.is_empty() { Ok(()) } else { self.add(fresh, &hashes) }
    }

    /// Makes everything appended so far durable in the files. Appends go on meanwhile.
    pub(super) fn settle(&self) -> Result<(), Error> {
        self.records.sync().map(|_| ())
    }

    /// Lets whole segments go that need not be kept at `now_ms`.
    pub(super) fn retain(&self, retention: &Retention, now_ms: u64) -> Result<(), Error> {
        let segments = self.records.segments();
        let up_to = retention.trim_to(&segments, now_ms);
        if segments.first().is_some_and(|first| first.first < up_to) { self.tree.trim(up_to) } else { Ok(()) }
    }

    /// Why appends are refused, if they are: the partition is shorter than, or differs from, what was signed.
    pub(super) fn retracted(&self) -> Option<Error> {
        let verdict = self.verdict.get_or_init(|| self.compare().err());
        verdict.clone()
    }

    fn compare(&self) -> Result<(), Error> {
        let Some(signed) = self.signed().checkpoint else { return Ok(()) };
        let size = self.size();
        let refuse = |found| {
            let dir = self.place.dir.clone();
            Err(Error::LogRetracted { log: self.id, dir, size, signed: signed.size, found })
        };
        if signed.size > size {
            return refuse("are fewer than were signed");
        }
        match self.tree.root_at(signed.size) {
            Ok(root) if root.checkpoint(self.id, self.number) == signed => Ok(()),
            Ok(_) => refuse("have other roots than were signed"),
            // The retention let go what it would take to see.
            Err(Error::NoSuchRecord { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Records the present checkpoint as handed out for signing, durably, and answers it.
    pub(super) fn sign_present(&self) -> Result<PartitionCheckpoint, Error> {
        if let Some(reason) = self.retracted() {
            return Err(reason);
        }
        let present = self.tree.root()?.checkpoint(self.id, self.number);
        let mut signed = self.signed();
        if signed.checkpoint != Some(present) {
            signed.put(&self.place, present)?;
        }
        Ok(present)
    }

    /// A proof that a record is where `checkpoint` says.
    pub(super) fn prove(&self, offset: u64, checkpoint: &PartitionCheckpoint) -> Result<RecordProof, Error> {
        self.tree.prove(offset, checkpoint.size)
    }

    /// A proof that the partition grew from `old` to `new` records.
    pub(super) fn prove_consistency(&self, old: u64, new: u64) -> Result<PartitionConsistency, Error> {
        self.tree.prove_consistency(old, new)
    }

    /// Checks every byte and makes derived files again that are wrong; answers their names, and gives what is damaged to `damage`.
    pub(super) fn verify(&self, damage: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
        let mut remade = self.segments.as_ref().map_or_else(Vec::new, |segments| segments.verify(damage));
        remade.extend(self.tree.verify(damage));
        remade
    }

    fn signed(&self) -> MutexGuard<'_, Signed> {
        // Nothing in the locked sections panics.
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signed {
    fn open(place: &Place) -> Result<Self, Error> {
        let path = place.dir.join(SIGNED);
        match place.disk.open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { file: None, checkpoint: None }),
            Err(error) => return Err(Error::io("open", &path, error)),
        }
        let file = SlotFile::open(place.disk.as_ref(), &path)?;
        let damaged = |_| Error::damaged(&path, 0, "the record is no checkpoint of a partition");
        let checkpoint = file.value().map(PartitionCheckpoint::from_bytes).transpose().map_err(damaged)?;
        Ok(Self { file: Some(file), checkpoint })
    }

    fn put(&mut self, place: &Place, checkpoint: PartitionCheckpoint) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SlotFile::open(place.disk.as_ref(), &place.dir.join(SIGNED))?),
        };
        file.put(&checkpoint.to_bytes())?;
        self.checkpoint = Some(checkpoint);
        Ok(())
    }
}
