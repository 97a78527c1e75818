use std::sync::Arc;

use pyralog_cluster_core::Options;
use pyralog_cluster_core::replication::AckMode;

use super::super::kit::{CHAIN_ID, Opened, key, new_log, open, record};
use super::*;

const ALL: Question =
    Question { partition: 0, incarnation: None, from: Start::First, limit: 1_000, wait: Duration::ZERO, proof: false };
const LONG: Duration = Duration::from_secs(60);

async fn opened(dir: &std::path::Path) -> Opened {
    let opened = open(dir, Options::default());
    opened.records.create(new_log("orders", 1)).await.unwrap();
    opened
}

async fn append(opened: &Opened, timestamp: u64, value: Vec<u8>) {
    opened.records.append("orders".into(), None, vec![record(timestamp, None, value)], AckMode::Durable).await.unwrap();
}

/// Partition 0 of the log.
fn place(opened: &Opened) -> Place {
    let log = opened.core.logs().open_log("orders").unwrap();
    let (id, incarnation, partition) = (log.spec().id, log.incarnation(), log.partition(0).unwrap().clone());
    Place { log: "orders".into(), id, incarnation, partition }
}

fn offsets(page: &Page) -> Vec<u64> {
    page.records.iter().map(|found| found.offset).collect()
}

#[tokio::test]
async fn a_page_ends_at_its_limit_and_at_its_bytes_and_has_one_record_at_least() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    for n in 0..6 {
        append(&opened, n, vec![n as u8; 1_000_000]).await;
    }
    let read = |question| opened.records.read("orders".into(), question);
    let page = read(ALL).await.unwrap();
    assert_eq!((offsets(&page), page.next, page.end), (vec![0, 1, 2, 3], 4, 6));
    let page = read(Question { from: Start::Offset(page.next), ..ALL }).await.unwrap();
    assert_eq!((offsets(&page), page.next, page.end), (vec![4, 5], 6, 6));
    let page = read(Question { limit: 1, ..ALL }).await.unwrap();
    assert_eq!((offsets(&page), page.next, page.first), (vec![0], 1, 0));
    let page = read(Question { from: Start::Offset(6), ..ALL }).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![], 6));
    for asked in [7, u64::MAX] {
        let refused = read(Question { from: Start::Offset(asked), wait: LONG, ..ALL }).await;
        let Err(LogError::Store(Error::NoSuchRecord { first, next, .. })) = refused else { panic!("{refused:?}") };
        assert_eq!((first, next), (0, 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_time_waits_for_it_and_not_for_any_record() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    append(&opened, 100, vec![1]).await;
    let page = opened.records.read("orders".into(), Question { from: Start::Time(101), ..ALL }).await.unwrap();
    assert_eq!((offsets(&page), page.next), (vec![], 1));
    let records = Arc::clone(&opened.records);
    let question = Question { from: Start::Time(150), wait: LONG, ..ALL };
    let reading = tokio::spawn(async move { records.read("orders".into(), question).await });
    append(&opened, 120, vec![2]).await;
    tokio::time::sleep(3 * LOOK).await;
    assert!(!reading.is_finished(), "it was given an older record");
    append(&opened, 150, vec![3]).await;
    assert_eq!(offsets(&reading.await.unwrap().unwrap()), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_its_time_is_over_and_when_the_node_stops() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    let started = Instant::now();
    let question = Question { wait: Duration::from_millis(100), ..ALL };
    let page = opened.records.read("orders".into(), question).await.unwrap();
    assert!(page.records.is_empty() && started.elapsed() >= Duration::from_millis(100));
    let records = Arc::clone(&opened.records);
    let reading = tokio::spawn(async move { records.read("orders".into(), Question { wait: LONG, ..ALL }).await });
    tokio::time::sleep(3 * LOOK).await;
    assert!(!reading.is_finished());
    opened.stopping.send_replace(true);
    let page = tokio::time::timeout(LONG / 2, reading).await.expect("it goes on waiting").unwrap().unwrap();
    assert!(page.records.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_at_the_end_of_a_log_that_is_deleted_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    for made_again in [false, true] {
        let records = Arc::clone(&opened.records);
        let reading = tokio::spawn(async move { records.read("orders".into(), Question { wait: LONG, ..ALL }).await });
        tokio::time::sleep(3 * LOOK).await;
        assert!(!reading.is_finished());
        opened.records.delete("orders".into()).await.unwrap();
        if made_again {
            opened.records.create(new_log("orders", 1)).await.unwrap();
        }
        let told = tokio::time::timeout(LONG / 2, reading).await.expect("it goes on waiting").unwrap();
        let gone = matches!(told, Err(LogError::Store(Error::NoSuchLog { .. }) | LogError::Replaced { .. }));
        assert!(gone, "{told:?}");
        if !made_again {
            opened.records.create(new_log("orders", 1)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_waits_opens_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { journal_bytes: 24 << 10, ..Options::default() };
    let Opened { core, records, .. } = open(dir.path(), options());
    records.create(new_log("orders", 2)).await.unwrap();
    let append = |partition, bytes| {
        records.append("orders".into(), Some(partition), vec![record(1, None, vec![0; bytes])], AckMode::Durable)
    };
    append(0, 1).await.unwrap();
    // The journal forgets the first one, so that the next start need not look for it.
    for _ in 0..20 {
        append(1, 9_000).await.unwrap();
    }
    drop(records);
    core.close().unwrap();
    let again = open(dir.path(), options());
    let place = place(&again);
    let until = Instant::now() + 2 * LOOK;
    assert!(!again.records.grows(&place, 0, until).await.unwrap(), "it opened them in a thread that must not wait");
    assert_eq!(place.partition.range().unwrap(), (0, 1));
    assert!(again.records.grows(&place, 0, until).await.unwrap());
}

#[tokio::test]
async fn every_record_is_proven_against_the_checkpoint_of_its_page() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    let read = |question| opened.records.read("orders".into(), question);
    let proven = Question { proof: true, ..ALL };
    let empty = read(proven).await.unwrap().checkpoint.unwrap();
    empty.verify(CHAIN_ID, &key().public_key()).unwrap();
    assert_eq!((empty.checkpoint.size, empty.checkpoint.check()), (0, Ok(())));
    for n in 0..5 {
        append(&opened, n, vec![n as u8]).await;
    }
    let page = read(Question { from: Start::Offset(1), limit: 3, ..proven }).await.unwrap();
    let signed = page.checkpoint.unwrap();
    signed.verify(CHAIN_ID, &key().public_key()).unwrap();
    assert_eq!((signed.checkpoint.size, page.end, offsets(&page)), (5, 5, vec![1, 2, 3]));
    for found in &page.records {
        let proof = found.proof.as_ref().unwrap();
        assert_eq!(proof.offset, found.offset);
        proof.verify(&found.record.leaf_hash(), &signed.checkpoint).unwrap();
    }
    let other = page.records[0].proof.as_ref().unwrap();
    assert!(other.verify(&page.records[1].record.leaf_hash(), &signed.checkpoint).is_err());
}

#[tokio::test]
async fn a_page_that_was_empty_has_what_came_before_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    append(&opened, 100, vec![0]).await;
    let place = place(&opened);
    let asked = |from| Question { from, proof: true, ..ALL };
    let questions = [Start::Offset(1), Start::Time(150), Start::Time(500)].map(asked);
    let pages = questions.map(|question| place.look(question).unwrap());
    assert!(pages.iter().all(|page| page.records.is_empty() && page.next == 1));
    append(&opened, 120, vec![1]).await;
    append(&opened, 150, vec![2]).await;
    for (question, page, expected) in
        questions.into_iter().zip(pages).zip([vec![1, 2], vec![2], vec![]]).map(|((q, p), e)| (q, p, e))
    {
        let page = opened.records.prove(&place, question, page).await.unwrap();
        let checkpoint = page.checkpoint.unwrap().checkpoint;
        assert_eq!((offsets(&page), page.next, page.end, checkpoint.size), (expected, 3, 3, 3), "{question:?}");
        assert!(page.records.iter().all(|found| found.proof.is_some()));
    }
    let page = place.look(asked(Start::First)).unwrap().up_to(2);
    assert_eq!((offsets(&page), page.next), (vec![0, 1], 2));
    assert_eq!(place.look(asked(Start::Time(150))).unwrap().up_to(2).next, 2);
}

#[tokio::test]
async fn a_log_in_memory_has_no_proofs() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let new = super::super::NewLog { storage: Storage::Memory, ..new_log("orders", 1) };
    opened.records.create(new).await.unwrap();
    append(&opened, 1, vec![1]).await;
    assert_eq!(offsets(&opened.records.read("orders".into(), ALL).await.unwrap()), [0]);
    let refused = opened.records.read("orders".into(), Question { proof: true, ..ALL }).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoCheckpoints { .. }))), "{refused:?}");
}

#[tokio::test]
async fn who_asks_for_an_incarnation_is_not_given_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    let read = |question| opened.records.read("orders".into(), question);
    append(&opened, 1, vec![1]).await;
    let incarnation = Some(read(ALL).await.unwrap().incarnation);
    assert_eq!(offsets(&read(Question { incarnation, ..ALL }).await.unwrap()), [0]);
    opened.records.delete("orders".into()).await.unwrap();
    opened.records.create(new_log("orders", 1)).await.unwrap();
    for n in 0..3 {
        append(&opened, n, vec![n as u8]).await;
    }
    for from in [Start::First, Start::Offset(1), Start::Offset(9)] {
        let refused = read(Question { incarnation, from, wait: LONG, ..ALL }).await;
        let Err(LogError::Replaced { found, asked, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((Some(asked), found), (incarnation, read(ALL).await.unwrap().incarnation));
    }
}
