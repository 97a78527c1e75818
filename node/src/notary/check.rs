//! Whether the notary log and the log of the cluster that it is entered from say the same: record n is leaf n.

use pyralog_cluster_core::{Core, Error, NotaryLog, Partition};
use pyralog_crypto::Record;
use pyralog_crypto::codec::Decode;

use crate::cluster::OwnLogs;

/// Gives the first place at which both have something, and not the same, to `found`. One may be longer than the other. What cannot be read at all is
/// told by the store itself.
pub fn check_copies(core: &Core, found: &mut dyn FnMut(String)) {
    let Ok(names) = OwnLogs::new() else { return };
    let Ok(copy) = core.logs().open_log(names.notary.as_str()).and_then(|log| log.partition(0).cloned()) else {
        return;
    };
    let logs = core.log_ids().into_iter().filter_map(|id| core.notary_log(id).ok());
    let mut first = None;
    for log in logs.filter(|log| log.size() > 0) {
        match compare(&log, &copy) {
            // A home may hold further ones, of a time before its notary log had another name.
            Ok(None) => return,
            Ok(Some(place)) => {
                first.get_or_insert(format!(
                    "leaf {place} of the notary log {} is not record {place} of {}, which this member stores too: stop it, wipe its data/core and \
                     start it again, it then takes both from the other members; where this is the only member, restore the home from a copy",
                    log.id(),
                    names.notary
                ));
            }
            Err(_) => {}
        }
    }
    first.into_iter().for_each(found);
}

/// The first place where both differ.
fn compare(log: &NotaryLog, copy: &Partition) -> Result<Option<u64>, Error> {
    let (first, end) = copy.range()?;
    let end = end.min(log.size());
    let mut outcome = Ok(None);
    if first < end {
        copy.read(first, &mut |stored| {
            if stored.offset >= end {
                return false;
            }
            let same = log
                .leaf(stored.offset)
                .map(|leaf| Record::from_bytes(stored.bytes).is_ok_and(|record| record.value()[..] == leaf[..]));
            outcome = same.map(|same| (!same).then_some(stored.offset));
            matches!(outcome, Ok(None))
        })?;
    }
    outcome
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use pyralog_cluster_core::Options;
    use pyralog_crypto::{LogId, SigningKey};

    use super::*;

    /// A home whose notary log has these leaves, and the cluster's log these records.
    pub fn made(dir: &Path, leaves: &[&str], records: &[&str]) -> Core {
        let (core, _) = Core::open(dir, Options::default()).unwrap();
        let owner = SigningKey::from_seed([5; 32]).public_key();
        let (log, names) =
            (core.notary_log(LogId::derive("chain", &owner, "notary")).unwrap(), OwnLogs::new().unwrap());
        let (sender, done) = std::sync::mpsc::channel();
        let told = || {
            let sender = sender.clone();
            Box::new(move |event: pyralog_cluster_core::Event| sender.send(event.durable().is_ok()).unwrap())
        };
        if !leaves.is_empty() {
            log.append_then(leaves.iter().map(|leaf| leaf.as_bytes().to_vec()).collect(), told()).unwrap();
            assert!(done.recv().unwrap());
        }
        let copy =
            names.open_or_make(core.logs(), &names.notary, "chain", &owner).unwrap().partition(0).unwrap().clone();
        let records: Vec<Record> = records
            .iter()
            .map(|value| Record::new(0, None, value.as_bytes().to_vec().into(), Vec::new()).unwrap())
            .collect();
        if !records.is_empty() {
            copy.append_then(&records, told()).unwrap();
            assert!(done.recv().unwrap());
        }
        core
    }

    #[test]
    fn the_first_leaf_that_is_not_its_record_is_told_and_a_longer_one_is_not() {
        for (leaves, records, differs) in [
            (&["a", "b", "c"][..], &["a", "b", "c"][..], None),
            (&["a", "b", "c"], &["a"], None),
            (&["a"], &["a", "b"], None),
            (&[], &["a"], None),
            (&["a"], &[], None),
            (&["a", "b", "c", "d"], &["a", "b", "x", "y"], Some("leaf 2 ")),
            (&["b"], &["a", "b"], Some("leaf 0 ")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let core = made(dir.path(), leaves, records);
            let mut found = Vec::new();
            check_copies(&core, &mut |what| found.push(what));
            core.close().unwrap();
            assert_eq!(found.len(), usize::from(differs.is_some()), "{found:?}");
            assert!(found.iter().zip(differs).all(|(what, place)| what.starts_with(place)), "{found:?}");
        }
    }

    #[test]
    fn a_home_without_such_a_log_has_nothing_to_compare() {
        let dir = tempfile::tempdir().unwrap();
        let (core, _) = Core::open(dir.path(), Options::default()).unwrap();
        check_copies(&core, &mut |what| panic!("{what}"));
        core.close().unwrap();
    }
}
