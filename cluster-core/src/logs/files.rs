//! The records of one partition and its trees, on disk or in memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use pyralog_crypto::{
    Decode, Encode, Hash, LogId, MAX_RECORD_BYTES, PartitionCheckpoint, PartitionConsistency, RecordProof,
};

use super::batch::RecordBatch;
use super::handles::Held;
use super::partition::Checked;
use super::{LogSpec, Place, Storage};
use crate::Error;
use crate::items;
use crate::registry::Made;
use crate::segment::{Item, MemoryLog, RecordLog, Retention, SegmentLog};
use crate::slot::SlotFile;
use crate::stub::leaf_of;
use crate::tree::{PartitionTree, TrimmedPrefix};

/// Bytes of batches that are appended at once, about; one batch is never larger. A replica may have much more that becomes due in one moment.
const APPLIED_BYTES: usize = 8 << 20;
/// The file of what was last handed out for signing.
pub(super) const SIGNED: &str = "signed";

/// The open files of a partition.
pub(super) struct PartitionFiles {
    stream: u64,
    id: LogId,
    number: u32,
    place: Place,
    retention: Retention,
    records: Arc<dyn RecordLog>,
    /// The same, where they are on disk.
    segments: Option<Arc<SegmentLog>>,
    tree: PartitionTree,
    /// What had to be made again of the trees when they were opened.
    remade: Vec<PathBuf>,
    /// Records that are durable. Those from `ready` on are in the journal, and on their way here.
    size: AtomicU64,
    /// Records that are here. Stored with Release when they are in the trees.
    ready: AtomicU64,
    /// Whether nothing comes any more.
    given_up: AtomicBool,
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
    /// Opens the files, or makes those that were not made yet.
    pub(super) fn open(
        place: &Place,
        stream: u64,
        spec: &LogSpec,
        number: u32,
        made: Option<Made>,
    ) -> Result<Self, Error> {
        let held = match spec.storage {
            Storage::Memory => None,
            Storage::Disk => Some(place.handles.take()?),
        };
        let (segments, records): (_, Arc<dyn RecordLog>) = match spec.storage {
            Storage::Memory => (None, Arc::new(MemoryLog::new(stream, spec.segment_bytes))),
            Storage::Disk => {
                if made.is_none() {
                    // The log's own directory, whose name must be as durable as what is in it.
                    crate::home::make_dir(place.disk.as_ref(), place.dir.parent().unwrap_or(&place.dir))?;
                } else if SegmentLog::stream_of(place.disk.as_ref(), &place.dir)?.is_none() {
                    return Err(Error::damaged(&place.dir, 0, "the segments of the partition are missing"));
                }
                let (segments, _) = SegmentLog::open_records(&place.disk, &place.dir, stream, spec.segment_bytes)?;
                let segments = Arc::new(segments);
                (Some(Arc::clone(&segments)), segments)
            }
        };
        let (tree, remade) = match spec.storage {
            Storage::Memory => (PartitionTree::in_memory(Arc::clone(&records))?, Vec::new()),
            Storage::Disk => {
                let (tree, recovery) = PartitionTree::open(&place.disk, &place.dir, stream, Arc::clone(&records))?;
                (tree, recovery.remade)
            }
        };
        let size = records.next_offset();
        let signed = Mutex::new(Signed::open(place, made == Some(Made::Signed))?);
        let (id, place, retention, verdict) = (spec.id, place.clone(), spec.retention, OnceLock::new());
        let this = Self {
            stream,
            id,
            number,
            place,
            retention,
            records,
            segments,
            tree,
            remade,
            size: AtomicU64::new(size),
            ready: AtomicU64::new(size),
            given_up: AtomicBool::new(false),
            signed,
            verdict,
            _held: held,
        };
        Ok(this)
    }

    pub(super) fn records(&self) -> &dyn RecordLog {
        self.records.as_ref()
    }

    /// Durable records.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Waits until the durable records below `wanted` are here, and answers how many are: fewer only where nothing comes any more.
    pub(super) fn wait_for(&self, wanted: u64) -> Result<u64, Error> {
        let wanted = wanted.min(self.size());
        let ready = || self.ready.load(Ordering::Acquire);
        if ready() < wanted {
            self.place.applied.wait(|| ready() >= wanted || self.given_up.load(Ordering::Acquire))?;
        }
        Ok(ready())
    }

    /// Nothing comes any more, though it may be durable.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.place.applied.changed();
    }

    /// Counts records that the journal holds durably.
    pub(super) fn accept(&self, records: u64) {
        self.size.fetch_add(records, Ordering::AcqRel);
    }

    /// Appends what was accepted.
    pub(super) fn append(&self, batches: &[Arc<RecordBatch>]) -> Result<(), Error> {
        let mut rest = batches;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |batch: &&Arc<RecordBatch>| {
                bytes += batch.bytes().len();
                bytes <= APPLIED_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (part, later) = rest.split_at(count);
            let items: Vec<Item<'_>> = part.iter().flat_map(|batch| batch.items()).collect();
            let first = self.records.append(&items)?;
            // Whoever appends them hashes them meanwhile.
            let hashes: Vec<Hash> = part.iter().flat_map(|batch| batch.hashes()).copied().collect();
            self.grow(first, &hashes)?;
            self.place.applied.changed();
            rest = later;
        }
        // Memory is not lent until the next look.
        if self.segments.is_none() { self.retain(&self.retention, 0, false) } else { Ok(()) }
    }

    /// What is left of the segments that were removed; `None` where they are too many to be passed on.
    pub(super) fn trimmed(&self) -> Option<TrimmedPrefix> {
        self.tree.trimmed()
    }

    /// Whether the records could go on behind a prefix: nothing here contradicts it.
    pub(super) fn begins(&self, prefix: &TrimmedPrefix) -> bool {
        self.tree.begins(prefix)
    }

    /// Counts the records of a prefix that the journal holds durably.
    pub(super) fn accept_prefix(&self, prefix: &TrimmedPrefix) {
        self.size.fetch_max(prefix.end(), Ordering::AcqRel);
    }

    /// Goes on behind a prefix, whose records others have removed. One that is here already is skipped.
    pub(super) fn begin_behind(&self, prefix: &TrimmedPrefix) -> Result<(), Error> {
        let Some(segments) = &self.segments else { return Ok(()) };
        self.tree.jump(prefix, |base| segments.jump(base))?;
        self.ready.fetch_max(prefix.end(), Ordering::AcqRel);
        self.place.applied.changed();
        Ok(())
    }

    /// Takes the hashes of the records from `first` on into the trees.
    fn grow(&self, first: u64, hashes: &[Hash]) -> Result<(), Error> {
        self.tree.append(first, hashes)?;
        self.ready.store(first + hashes.len() as u64, Ordering::Release);
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
        if fresh.is_empty() {
            return Ok(());
        }
        let hashes: Vec<Hash> = fresh.iter().map(|item| leaf_of(item.bytes)).collect();
        let first = self.records.append(fresh)?;
        self.accept(hashes.len() as u64);
        self.grow(first, &hashes)
    }

    /// Makes everything appended so far durable in the files. Appends go on meanwhile.
    pub(super) fn settle(&self) -> Result<(), Error> {
        self.records.sync().map(|_| ())
    }

    /// Lets whole segments go that need not be kept at `now_ms`. With `alike` they are those that any other member with these records lets go,
    /// whatever it has of them.
    pub(super) fn retain(&self, retention: &Retention, now_ms: u64, alike: bool) -> Result<(), Error> {
        let segments = match &self.segments {
            Some(segments) if alike => segments.counted_alike(),
            _ => self.records.segments(),
        };
        let up_to = retention.trim_to(&segments, now_ms);
        if segments.first().is_some_and(|first| first.first < up_to) { self.tree.trim(up_to) } else { Ok(()) }
    }

    /// Whether everything is here that was signed.
    pub(super) fn has_signed(&self) -> bool {
        // In the trees, too: what is only in the journal has no root yet.
        self.signed().checkpoint.is_none_or(|signed| signed.size <= self.ready.load(Ordering::Acquire))
    }

    /// Why appends are refused, if they are: the partition is shorter than, or differs from, what was signed.
    pub(super) fn retracted(&self) -> Option<Error> {
        if !self.has_signed() {
            // A replica may get it from others.
            return self.compare().err();
        }
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
            signed.put(&self.place, self.stream, present)?;
        }
        Ok(present)
    }

    /// A proof that a record is where `checkpoint` says.
    pub(super) fn prove(&self, offset: u64, checkpoint: &PartitionCheckpoint) -> Result<RecordProof, Error> {
        self.wait_for(checkpoint.size)?;
        self.tree.prove(offset, checkpoint.size)
    }

    /// A proof that the partition grew from `old` to `new` records.
    pub(super) fn prove_consistency(&self, old: u64, new: u64) -> Result<PartitionConsistency, Error> {
        self.wait_for(new)?;
        self.tree.prove_consistency(old, new)
    }

    /// Checks every byte and makes derived files again that are wrong; answers the names of all that were, also when the files were opened,
    /// and gives what is damaged to `damage`.
    pub(super) fn verify(&self, damage: &mut dyn FnMut(Error)) -> Checked {
        let (mut remade, mut stubs, mut none) = (self.remade.clone(), 0, None);
        remade.extend(self.segments.iter().flat_map(|segments| segments.verify(damage)));
        remade.extend(self.tree.verify_with(damage, &mut |stored| {
            stubs += u64::from(stored.stub().is_some());
            if RecordBatch::time_of(stored.bytes) != Some(stored.timestamp) {
                none.get_or_insert(stored.offset);
            }
        }));
        if let Some(offset) = none {
            let why = format!("record {offset} is neither a record nor the stub of one");
            damage(Error::damaged(&self.place.dir, 0, why));
        }
        Checked { records: self.size() - self.records.first_offset(), stubs, remade }
    }

    /// [`SegmentLog::fill`]; nothing where the records are in memory, where no stubs are.
    pub(super) fn fill(&self, records: &[(u64, Bytes)], may: &dyn Fn() -> Result<(), Error>) -> Result<usize, Error> {
        self.segments.as_ref().map_or(Ok(0), |segments| segments.fill(records, may))
    }

    fn signed(&self) -> MutexGuard<'_, Signed> {
        // Nothing in the locked sections panics.
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signed {
    /// Opens the file, which must be there where a checkpoint was ever handed out.
    fn open(place: &Place, given_out: bool) -> Result<Self, Error> {
        let path = place.dir.join(SIGNED);
        let Some(file) = SlotFile::find(place.disk.as_ref(), &path)? else {
            let missing = || Err(Error::damaged(&path, 0, "the record of what was signed is missing"));
            return if given_out { missing() } else { Ok(Self { file: None, checkpoint: None }) };
        };
        let damaged = |_| Error::damaged(&path, 0, "the record is no checkpoint of a partition");
        let checkpoint = file.value().map(PartitionCheckpoint::from_bytes).transpose().map_err(damaged)?;
        Ok(Self { file: Some(file), checkpoint })
    }

    fn put(&mut self, place: &Place, stream: u64, checkpoint: PartitionCheckpoint) -> Result<(), Error> {
        match &mut self.file {
            Some(file) => file.put(&checkpoint.to_bytes())?,
            none => {
                let file = none.insert(SlotFile::open(place.disk.as_ref(), &place.dir.join(SIGNED))?);
                file.put(&checkpoint.to_bytes())?;
            }
        }
        if self.checkpoint.is_none() {
            // From now on it is damage when it is not there.
            place.registry.lock().unwrap_or_else(PoisonError::into_inner).put_made(stream, Made::Signed)?;
        }
        self.checkpoint = Some(checkpoint);
        Ok(())
    }
}
