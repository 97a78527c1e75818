//! The public interface end to end on the real disk.

use std::path::Path;

use bytes::Bytes;
use pyralog_cluster_core::{Core, Error, Event, LogId, Options, PutBlock, channel, completion};

const LOG: LogId = LogId([1; 32]);

fn open(dir: &Path) -> Core {
    Core::open(dir, Options::default()).unwrap().0
}

#[test]
fn a_life_of_a_home() {
    let home = tempfile::tempdir().unwrap();
    let (sink, events) = channel();
    let (core, report) = Core::open(home.path(), Options { events: sink, ..Options::default() }).unwrap();
    assert!(report.created && report.logs.is_empty());
    let log = core.notary_log(LOG).unwrap();
    for number in 0..100u8 {
        log.append(vec![vec![number; 10], vec![number; 20]]).unwrap();
    }
    core.wal().append(Bytes::from_static(b"vote")).unwrap();
    core.mark().put(Bytes::from_static(b"mark")).unwrap();
    core.chain().put_block(PutBlock { height: 1, block: Bytes::from_static(b"block"), ..PutBlock::default() }).unwrap();
    for event in events.iter().take(103) {
        assert!(matches!(event, Event::Durable { .. }), "{event:?}");
    }
    let stats = core.stats();
    assert_eq!((stats.leaves, stats.blocks, stats.durable, stats.queued), (200, 1, 103, 0));
    assert!(stats.groups <= 103 && stats.disk_free.is_some() && stats.write_time >= stats.write_time_max);
    let roots = log.roots(200).unwrap();
    drop(log);
    core.close().unwrap();

    let core = open(home.path());
    let log = core.notary_log(LOG).unwrap();
    assert_eq!((log.size(), log.roots(200).unwrap()), (200, roots));
    assert_eq!(log.leaf(199).unwrap(), [99; 20]);
    assert_eq!(core.wal().take_recovery().unwrap().entries, [Bytes::from_static(b"vote")]);
    assert_eq!(core.wal().take_recovery(), None);
    assert_eq!(core.mark().get(), Some(Bytes::from_static(b"mark")));
    assert_eq!(core.chain().block(1).unwrap(), Some(Bytes::from_static(b"block")));
}

#[test]
fn the_next_start_is_refused_while_one_runs_and_for_other_formats() {
    let home = tempfile::tempdir().unwrap();
    let core = open(home.path());
    let error = Core::open(home.path(), Options::default()).unwrap_err();
    assert!(matches!(&error, Error::InUse { pid, .. } if *pid == std::process::id().to_string()), "{error}");
    core.close().unwrap();
    std::fs::write(home.path().join("FORMAT"), "pyralog-data 0\n").unwrap();
    let error = Core::open(home.path(), Options::default()).unwrap_err();
    assert!(matches!(error, Error::OlderFormat { found: 0, .. }), "{error}");
}

#[test]
fn a_lost_table_store_is_made_again_for_the_logs() {
    let home = tempfile::tempdir().unwrap();
    let core = open(home.path());
    let (done, event) = completion();
    core.notary_log(LOG).unwrap().append_then(vec![b"leaf".to_vec()], done).unwrap();
    event.recv().unwrap().durable().unwrap();
    core.close().unwrap();
    std::fs::remove_dir_all(home.path().join("tables")).unwrap();
    let (core, report) = Core::open(home.path(), Options::default()).unwrap();
    assert_eq!(report.logs[0].reindexed, 1);
    assert_eq!(core.notary_log(LOG).unwrap().find_leaf(b"leaf").unwrap(), Some(0));
}
