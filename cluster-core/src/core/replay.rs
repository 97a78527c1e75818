//! The journal at a start: what it holds goes to whom it belongs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use pyralog_crypto::LogId;

use super::notary_dir;
use crate::disk::Disk;
use crate::home::make_dir;
use crate::journal::{Entry, Journal, JournalOptions};
use crate::logs::Partitions;
use crate::options::{Backend, Options};
use crate::parts::CutTail;
use crate::registry::Registry;
use crate::replica::Replicas;
use crate::wal::{self, WalPlace, WalRecovery, WalReplay};
use crate::{Error, mark, notary};

/// What the journal held, beside what went to the logs.
pub(super) struct Replayed {
    pub(super) journal: Journal,
    pub(super) wal: WalRecovery,
    pub(super) place: WalPlace,
    /// Groups of the first entries that could not be given to their partitions, by stream.
    pub(super) pinned: BTreeMap<u64, u64>,
    pub(super) cut: Option<CutTail>,
    pub(super) damaged: Vec<Error>,
}

/// Opens the journal and gives what it holds to whom it belongs.
pub(super) fn replay(
    disk: &Arc<dyn Disk>,
    home: &Path,
    options: &Options,
    notary_logs: &mut BTreeMap<u64, notary::Opening>,
    partitions: &Partitions,
    replicas: &Replicas,
) -> Result<Replayed, Error> {
    let (mut pinned, mut damaged) = (BTreeMap::new(), BTreeMap::new());
    let replicas = replicas.table().resume(|stream, reason| {
        pinned.insert(stream, 0);
        damaged.insert(stream, reason);
    });
    let partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = home.join("journal");
    // The mark is made after the journal, so a home that has one without the other has lost it, and acknowledged writes with it.
    Journal::require(disk.as_ref(), &dir, disk.open(&mark::path(home)).is_ok())?;
    let journal_options = JournalOptions { file_bytes: options.journal_bytes, ..JournalOptions::default() };
    let mut wal = WalReplay::default();
    let (mut journal, found) = Journal::open(disk, &dir, journal_options, |group, entry| match entry.stream {
        wal::STREAM => wal.take(&dir, group.number, entry),
        // The files have it: none need be opened for that.
        _ if group.settled => Ok(()),
        stream => {
            if let Some(log) = notary_logs.get_mut(&stream) {
                return log.replay(entry.position, entry.bytes);
            }
            let replayed = match (partitions.get(&stream), replicas.get(&stream)) {
                (Some(partition), _) => partition.replay(entry.position, entry.bytes),
                (_, Some(replica)) => replica.replay(entry.position, entry.bytes),
                // Its log was deleted.
                _ => Ok(()),
            };
            // What one log suffers from must not keep the others and the chain from starting.
            if let Err(reason) = replayed {
                pinned.entry(stream).or_insert(group.number);
                damaged.insert(stream, reason);
            }
            Ok(())
        }
    })?;
    let (mut wal, mut place) = wal.finish(&dir, journal.next_group())?;
    if found.cut.is_some() && !wal.truncated {
        let bytes = wal::Record::Torn.encode();
        journal.append(&[Entry { stream: wal::STREAM, position: place.next, bytes: &bytes }])?;
        place.next += 1;
        wal.truncated = true;
    }
    Ok(Replayed { journal, wal, place, pinned, cut: found.cut, damaged: damaged.into_values().collect() })
}

/// Opens the files of every notary log of the home, by stream.
pub(super) fn open_logs(
    backend: &Backend,
    home: &Path,
    options: &Options,
    registry: &mut Registry,
) -> Result<BTreeMap<u64, notary::Opening>, Error> {
    let disk = &backend.disk;
    let dir = home.join("notary");
    make_dir(disk.as_ref(), &dir)?;
    let names = disk.list(&dir).map_err(|e| Error::io("list", &dir, e))?;
    let mut known: BTreeMap<LogId, u64> = registry.notary_logs()?.into_iter().collect();
    let mut logs = BTreeMap::new();
    // Other names are somebody else's.
    for id in names.iter().filter_map(|name| name.parse::<LogId>().ok()) {
        let dir = notary_dir(home, id);
        let Some(found) = notary::stream_of(disk.as_ref(), &dir)? else { continue };
        let entered = known.remove(&id);
        // Files of another stream are refused where they are opened.
        let stream = entered.unwrap_or(found);
        let log = notary::Opening::open(disk, dir, id, stream, entered.is_some(), options)?;
        if entered.is_none() {
            // The crash came before the log was entered, or the tables were lost.
            registry.put_notary(id, stream)?;
        }
        logs.insert(stream, log);
    }
    match known.into_keys().next() {
        Some(id) => Err(Error::damaged(&notary_dir(home, id), 0, "the files of the notary log are missing")),
        None => Ok(logs),
    }
}
