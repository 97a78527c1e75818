//! What a member has of one replicated partition beside its files.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{CodecError, Decode, Encode, Hash, Reader, Writer};

use crate::Error;
use crate::items;
use crate::logs::RecordBatch;
use crate::replication::{Change, Content, Copies, Entry, Epoch, Folded, Lsn, MemberState, Payload, Producers};
use crate::stub::{Stub, is_stub};
use crate::tree::TrimmedPrefix;

/// First byte of records in the journal; that of changes is their version.
const RECORDS: u8 = 2;
/// First byte of a prefix.
const BEHIND: u8 = 3;

/// Bytes of records that take the places of stubs at once, about: one entry of the journal has them.
const FILLED_BYTES: usize = 8 << 20;

/// How far the records of a partition go, counted both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frontier {
    /// The last position whose record, if it is one, is there.
    pub lsn: Lsn,
    /// Offset behind the last record.
    pub offset: u64,
    /// The records go on behind the position: they are being taken over from another member, and only their last one will have a position.
    pub between: bool,
}

/// Copies, what the member knows, and how far its records go.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) state: MemberState,
    /// Those that are not in the files, and the records in them.
    pub(super) copies: BTreeMap<Lsn, (Entry, Option<Arc<RecordBatch>>)>,
    /// Bytes of their records.
    pub(super) bytes: usize,
    /// What is in the files.
    pub(super) applied: Frontier,
    /// What is on its way there.
    pub(super) handed: Frontier,
    /// The producers as of what was handed over.
    pub(super) producers: Producers,
    /// The producers as of what is in the files.
    pub(super) settled: Producers,
    /// Those that came with another member's records, which are not in the files yet, and how far those go.
    jumps: VecDeque<(Frontier, Producers)>,
    /// Number of the next entry of the journal.
    pub(super) next: u64,
    /// Of the records of other members that are not in the files yet: how far they go, and what was held before them. Only the journal has them, so
    /// nothing later may be written to the tables.
    coming: VecDeque<(Frontier, Box<Held>)>,
}

/// Where a member's records end, and who made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The position of the last one; of the first epoch that has none yet, number 0.
    pub lsn: Lsn,
    /// The producers as of there.
    pub producers: Producers,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// What a storing member asked for.
    Changes(Vec<Change>),
    /// Records from another member's files.
    Records {
        /// Offset of the first one.
        first: u64,
        /// Where the last one is, if that is known.
        reached: Option<Reached>,
        /// See [`crate::items`].
        items: Bytes,
    },
    /// The records go on behind these, which the other members have removed.
    Behind(Arc<TrimmedPrefix>),
}

/// An entry of the journal, and the records in it: of each change, or of another member.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) step: Step,
    batches: Vec<Option<Arc<RecordBatch>>>,
}

/// Records on their way to the files.
#[derive(Debug)]
pub(super) struct Due {
    /// What they stand behind, where those before it were removed by others.
    pub(super) behind: Option<Arc<TrimmedPrefix>>,
    pub(super) batches: Vec<Arc<RecordBatch>>,
    /// Offset of the first.
    pub(super) first: u64,
    /// How far they go.
    pub(super) to: Frontier,
}

impl Frontier {
    /// Before the first record of a partition that has so many from before it was replicated.
    pub(crate) fn behind(records: u64) -> Self {
        Self { lsn: Lsn::new(Epoch(1), 0), offset: records, between: false }
    }
}

impl Held {
    /// Of a partition whose records go that far.
    pub(super) fn new(frontier: Frontier) -> Self {
        let (applied, handed) = (frontier, frontier);
        let (state, copies, producers, settled, jumps, coming) = Default::default();
        Self { state, copies, bytes: 0, applied, handed, producers, settled, jumps, next: 0, coming }
    }

    /// What the tables may say: all that was taken before the first records that only the journal has.
    pub(super) fn sound(&self) -> &Self {
        self.coming.front().map_or(self, |(_, before)| before)
    }

    /// Takes an entry of the journal, durable or on its way there, and answers what it brings to the files.
    pub(super) fn step(&mut self, Checked { step, batches }: &Checked) -> Option<Due> {
        let before = matches!(step, Step::Records { .. } | Step::Behind(_)).then(|| {
            let coming = std::mem::take(&mut self.coming);
            let before = Box::new(self.clone());
            self.coming = coming;
            before
        });
        self.next += 1;
        let from = self.handed;
        let (mut due, mut behind) = (Vec::new(), None);
        match step {
            Step::Changes(changes) => {
                changes.iter().zip(batches).for_each(|(change, batch)| self.change(change, batch.as_ref()));
            }
            Step::Records { first, reached, .. } if *first == self.handed.offset => {
                due.extend(batches.iter().flatten().cloned());
                let records: u64 = due.iter().map(|batch| batch.len() as u64).sum();
                self.handed.offset += records;
                self.handed.between |= records > 0;
                if let Some(Reached { lsn, producers }) = reached.as_ref().filter(|to| to.lsn >= self.handed.lsn) {
                    (self.handed.lsn, self.handed.between) = (*lsn, false);
                    self.producers = producers.clone();
                    self.jumps.push_back((self.handed, producers.clone()));
                }
            }
            Step::Behind(prefix) if prefix.end() > self.handed.offset => {
                (self.handed.offset, self.handed.between) = (prefix.end(), true);
                behind = Some(Arc::clone(prefix));
            }
            // The records have come another way meanwhile.
            Step::Records { .. } | Step::Behind(_) => {}
        }
        let mut due = self.advance(from, due);
        if let Some(due) = &mut due {
            due.first = behind.as_ref().map_or(due.first, |prefix| prefix.end());
            due.behind = behind;
        }
        self.coming.extend(due.as_ref().map(|due| due.to).zip(before));
        due
    }

    /// What is released and not in the files when a start has read the tables.
    pub(super) fn resume(&mut self) -> Option<Due> {
        self.advance(self.handed, Vec::new())
    }

    fn change(&mut self, change: &Change, batch: Option<&Arc<RecordBatch>>) {
        self.state.apply(change);
        match change {
            // What is in the files is final, and needs no copy.
            Change::Put { lsn, .. } if *lsn <= self.handed.lsn => {}
            Change::Put { lsn, entry } => {
                self.bytes += entry.content.len();
                let there = self.copies.insert(*lsn, (entry.clone(), batch.cloned()));
                self.bytes -= there.map_or(0, |(there, _)| there.content.len());
            }
            Change::Cut { epoch, above } => {
                let (above, last) = (Lsn::new(*epoch, *above), Lsn::new(*epoch, u64::MAX));
                let cut: Vec<Lsn> = self.copies.range(range(above, last)).map(|(lsn, _)| *lsn).collect();
                for lsn in cut {
                    self.bytes -= self.copies.remove(&lsn).map_or(0, |(entry, _)| entry.content.len());
                }
            }
            Change::Fence(_) | Change::Clean(_) | Change::Release(_) | Change::KnownGood { .. } => {}
        }
    }

    /// Takes the records that are released, behind those that were handed over, up to the first one that has no copy here; answers what was handed over
    /// since `from`.
    fn advance(&mut self, from: Frontier, mut due: Vec<Arc<RecordBatch>>) -> Option<Due> {
        while let Some((lsn, (entry, batch))) = self.due().and_then(|lsn| Some((lsn, self.copies.get(&lsn)?))) {
            let counts = self.producers.fold(lsn, &entry.content, self.handed.offset) != Folded::Void;
            if let Some(batch) = batch.as_ref().filter(|_| counts) {
                self.handed.offset += batch.len() as u64;
                due.push(Arc::clone(batch));
            }
            self.handed.lsn = match (&entry.content, lsn.epoch.next()) {
                // The next one is the first of the next epoch.
                (Content::Bridge, Some(next)) => Lsn::new(next, 0),
                _ => lsn,
            };
        }
        let to = self.handed;
        (to != from).then_some(Due { behind: None, batches: due, first: from.offset, to })
    }

    /// The position that is due: released, and next.
    pub(super) fn due(&self) -> Option<Lsn> {
        let Frontier { lsn, between, .. } = self.handed;
        let next = Lsn::new(lsn.epoch, lsn.number.checked_add(1)?);
        (next <= self.state.released() && !between).then_some(next)
    }

    /// Whether something is released that has no copy here.
    pub(super) fn lacks(&self) -> bool {
        self.handed.between || self.due().is_some_and(|lsn| !self.copies.contains_key(&lsn))
    }

    /// The same items, with the records in place of their stubs that there are copies of here: they were promised, and the copies go when these are in the
    /// files. Only the first of them where they become many bytes; whether it is all.
    pub(super) fn fill(&self, given: Bytes) -> (Bytes, bool) {
        if !items::iter(&given).any(is_stub) {
            return (given, true);
        }
        let mut own: BTreeMap<Hash, &[u8]> = BTreeMap::new();
        for batch in self.copies.values().filter_map(|(_, batch)| batch.as_ref()) {
            own.extend(batch.hashes().iter().copied().zip(items::iter(batch.bytes())));
        }
        let whole = |item| Stub::read(item).and_then(|stub| own.get(&stub.leaf).copied()).unwrap_or(item);
        let (mut bytes, mut all) = (0, true);
        let fits = |item: &&[u8]| {
            all = bytes < FILLED_BYTES;
            bytes += item.len();
            all
        };
        let filled: Vec<&[u8]> = items::iter(&given).map(whole).take_while(fits).collect();
        (items::encode(filled.into_iter()).into(), all)
    }

    /// The files have what was handed over up to here. What the tables may say goes on with it: the journal does not tell again of what was taken before.
    pub(super) fn applied(&mut self, to: Frontier) {
        // That of the first record behind the ones that are settled.
        let mut offset = std::mem::replace(&mut self.applied, to).offset;
        while self.coming.front().is_some_and(|(coming, _)| (coming.offset, coming.lsn) <= (to.offset, to.lsn)) {
            self.coming.pop_front();
        }
        for (_, before) in &mut self.coming {
            before.applied(to);
        }
        while self.jumps.front().is_some_and(|(jump, _)| jump.lsn <= to.lsn) {
            let Some((jump, producers)) = self.jumps.pop_front() else { break };
            (self.settled, offset) = (producers, jump.offset);
        }
        while let Some(first) = self.copies.first_entry().filter(|first| *first.key() <= to.lsn) {
            let (lsn, (entry, batch)) = first.remove_entry();
            self.bytes -= entry.content.len();
            // What is before a jump is in its producers, and does not come next.
            if self.settled.fold(lsn, &entry.content, offset) == Folded::Counts {
                offset += batch.map_or(0, |batch| batch.len() as u64);
            }
        }
    }
}

impl Copies for Held {
    fn copy(&self, lsn: Lsn) -> Result<Option<Entry>, Error> {
        Ok(self.copies.get(&lsn).map(|(entry, _)| entry.clone()))
    }

    fn copies_after(&self, lsn: Lsn, most: usize) -> Result<Vec<(u64, Entry)>, Error> {
        let behind = self.copies.range(range(lsn, Lsn::new(lsn.epoch, u64::MAX)));
        Ok(behind.take(most).map(|(lsn, (entry, _))| (lsn.number, entry.clone())).collect())
    }
}

impl Step {
    /// The bytes in the journal.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Changes(changes) => Change::list_to_bytes(changes),
            Self::Records { first, reached, items } => {
                let mut out = Writer::with_capacity(64 + items.len());
                out.u8(RECORDS).u64(*first).option(reached.as_ref(), |out, reached| {
                    out.put(reached);
                });
                out.raw(items);
                out.into_bytes()
            }
            Self::Behind(prefix) => {
                let mut out = Writer::with_capacity(1 + prefix.encoded_len());
                out.u8(BEHIND).put(prefix.as_ref());
                out.into_bytes()
            }
        }
    }

    /// The entry of these bytes; what it holds is part of them.
    ///
    /// # Errors
    /// [`CodecError`] for others than [`Step::to_bytes`] gives.
    pub(super) fn from_bytes(bytes: &Bytes) -> Result<Self, CodecError> {
        match bytes.first() {
            Some(&RECORDS) => {}
            Some(&BEHIND) => {
                let mut input = Reader::new(&bytes[1..]);
                let prefix = input.get()?;
                return input.finish().map(|()| Self::Behind(Arc::new(prefix)));
            }
            _ => return Change::list_from_shared(bytes).map(Self::Changes),
        }
        let mut input = Reader::new(&bytes[1..]);
        let (first, reached) = (input.u64()?, input.option(Reader::get)?);
        let items = bytes.slice(bytes.len() - input.remaining()..);
        Ok(Self::Records { first, reached, items })
    }
}

impl Checked {
    /// The step, where the records in it are some.
    ///
    /// # Errors
    /// [`CodecError`] otherwise.
    pub(super) fn of(step: Step) -> Result<Self, CodecError> {
        let batch = |bytes: Bytes| RecordBatch::decode(bytes).map(|batch| Some(Arc::new(batch)));
        let batches = match &step {
            Step::Changes(changes) => {
                let batches = changes.iter().map(|change| match change {
                    Change::Put { entry: Entry { content: Content::Record(record), .. }, .. } => {
                        match records_in(record) {
                            Some(Some(records)) => batch(records),
                            Some(None) => Ok(None),
                            None => Err(CodecError::Invalid { what: "payload", why: "this is none" }),
                        }
                    }
                    _ => Ok(None),
                });
                batches.collect::<Result<_, _>>()?
            }
            Step::Behind(_) => Vec::new(),
            Step::Records { items, .. } if items.is_empty() => Vec::new(),
            Step::Records { items, .. } => vec![batch(items.clone())?],
        };
        Ok(Self { step, batches })
    }
}

/// The records of a payload, `None` in it for what opens a producer; `None` for what is no payload.
pub(super) fn records_in(payload: &Bytes) -> Option<Option<Bytes>> {
    match Payload::unwrap(payload)? {
        (Payload::Open, _) => Some(None),
        (Payload::Plain | Payload::Stamped(_), records) => Some(Some(records)),
    }
}

impl Encode for Reached {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.lsn).put(&self.producers);
    }
}

impl Decode for Reached {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { lsn: input.get()?, producers: input.get()? })
    }
}

/// Behind one position, and up to another one.
fn range(after: Lsn, last: Lsn) -> (Bound<Lsn>, Bound<Lsn>) {
    (Bound::Excluded(after), Bound::Included(last))
}
