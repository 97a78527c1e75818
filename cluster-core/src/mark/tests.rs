//! The mark shows what is durable, never more.

use super::*;
use crate::event::completion;
use crate::notary::testkit::Rig;

#[test]
fn a_mark_is_shown_when_durable_and_comes_back() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    assert_eq!(core.mark().get(), None);
    core.mark().put(Bytes::from_static(b"1/0/prevote")).unwrap();
    assert_eq!(core.mark().get(), None);
    core.drive();
    assert_eq!(core.mark().get(), Some(Bytes::from_static(b"1/0/prevote")));
    core.mark().put(Bytes::new()).unwrap();
    core.drive();
    assert_eq!(core.mark().get(), Some(Bytes::new()), "an empty mark is a mark");
    drop(core);
    rig.crash();
    assert_eq!(rig.open().0.mark().get(), Some(Bytes::new()));
}

#[test]
fn of_marks_that_wait_together_the_last_is_written_once() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let mut events = Vec::new();
    for number in 0..10u8 {
        let (done, event) = completion();
        core.mark().put_then(Bytes::from(vec![number; 100]), done).unwrap();
        events.push(event);
    }
    let syncs = rig.disk.syncs();
    core.drive();
    assert_eq!(rig.disk.syncs() - syncs, 1);
    assert!(events.iter().all(|event| event.try_recv().unwrap().durable().is_ok()));
    rig.crash();
    drop(core);
    assert_eq!(rig.open().0.mark().get(), Some(Bytes::from(vec![9; 100])));
}

#[test]
fn a_mark_has_a_size() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    core.mark().put(Bytes::from(vec![1; MAX_SLOT_BYTES])).unwrap();
    let error = core.mark().put(Bytes::from(vec![1; MAX_SLOT_BYTES + 1])).unwrap_err();
    assert!(error.to_string().contains("a signer mark has 4073 bytes"), "{error}");
    core.drive();
    assert_eq!(core.mark().get().map(|mark| mark.len()), Some(MAX_SLOT_BYTES));
}

#[test]
fn a_torn_mark_is_told_and_the_one_before_stands() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    for mark in [&b"older"[..], b"newer"] {
        core.mark().put(Bytes::copy_from_slice(mark)).unwrap();
        core.drive();
    }
    drop(core);
    let file = std::path::Path::new("/member/mark/signer");
    let mut bytes = rig.disk.contents(file).unwrap();
    // "newer" is record 3, in the second copy.
    bytes[4096 + 21] ^= 1;
    rig.disk.overwrite(file, bytes);
    let (core, report) = rig.open();
    assert!(report.mark_torn);
    assert_eq!(core.mark().get(), Some(Bytes::from_static(b"older")));
}

#[test]
fn a_used_home_without_its_mark_is_refused_and_a_fresh_one_is_not() {
    use crate::chain::PutBlock;
    type Use = fn(&crate::Core);
    let uses: [(&str, Use, bool); 4] = [
        ("nothing", |_| (), false),
        ("an entry", |core| _ = core.wal().append(Bytes::from_static(b"vote")).unwrap(), true),
        ("a reset", |core| _ = core.wal().reset(2).unwrap(), true),
        ("a block", |core| _ = core.chain().put_block(PutBlock { height: 1, ..PutBlock::default() }).unwrap(), true),
    ];
    let file = std::path::Path::new("/member/mark/signer");
    for (what, used, refused) in uses {
        let rig = Rig::new(1);
        let (core, _) = rig.open();
        used(&core);
        while core.drive() {}
        core.close().unwrap();
        let kept = rig.disk.contents(file).unwrap();
        crate::disk::Disk::remove(&rig.disk, file).unwrap();
        if !refused {
            assert_eq!(rig.open().0.mark().get(), None, "{what}");
            continue;
        }
        // Twice: refusing must not make a new one.
        for _ in 0..2 {
            let error = rig.try_open(rig.options()).unwrap_err();
            assert!(matches!(&error, Error::MarkMissing { file: named } if named == file), "{what}: {error}");
        }
        crate::disk::Disk::create(&rig.disk, file).unwrap();
        rig.disk.overwrite(file, kept);
        rig.open();
    }
}
