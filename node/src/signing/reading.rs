//! Reads a copy of the signer's log.

use bytes::Bytes;
use pyralog_cluster_core::{self as core, Partition};
use pyralog_crypto::Record;
use pyralog_crypto::codec::Decode;

use super::SignerLog;
use crate::cluster::unreadable;

/// Bytes of records that are read at once, about.
const READ_BYTES: usize = 4 << 20;

/// Reads what is new in a copy of the log.
pub(super) async fn read_on(copy: &Partition, log: &mut SignerLog) -> std::result::Result<(), core::Error> {
    while log.next() == 0 || copy.end() > log.next() {
        let (copy, from) = (copy.clone(), log.next());
        let read = tokio::task::spawn_blocking(move || read(&copy, from));
        let records = read.await.map_err(|_| core::Error::Closed)??;
        if records.is_empty() {
            return Ok(());
        }
        for (place, record) in records {
            log.take(place, &record).map_err(|error| unreadable("pyralog.signer", place, &error))?;
        }
    }
    Ok(())
}

/// Records from a place on, or from the first one that is still there, as many as are read at once.
fn read(copy: &Partition, from: u64) -> std::result::Result<Vec<(u64, Bytes)>, core::Error> {
    let (first, end) = copy.range()?;
    let from = from.max(first);
    let (mut records, mut bytes, mut outcome) = (Vec::new(), 0, Ok(()));
    if from < end {
        copy.read(from, &mut |stored| {
            match Record::from_bytes(stored.bytes) {
                Ok(record) => {
                    bytes += record.value().len();
                    records.push((stored.offset, record.value().clone()));
                }
                Err(error) => outcome = Err(unreadable("pyralog.signer", stored.offset, &error)),
            }
            outcome.is_ok() && bytes < READ_BYTES
        })?;
    }
    outcome.map(|()| records)
}
