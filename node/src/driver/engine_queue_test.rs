use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use pyralog_consensus::engine::{Input, MessageId, PeerNumber};
use pyralog_consensus::tx::TxError;
use tokio::sync::oneshot;

use super::*;
use crate::driver::{EngineHandle, GossipGroup, Judged};

const NOW: Duration = Duration::ZERO;

fn height(height: u64) -> Input {
    Input::PeerHeight { peer: PeerNumber(1), height }
}

fn silent(count: usize) -> Arc<GossipGroup> {
    GossipGroup::new(count, |_| ())
}

fn bundles(count: usize) -> Vec<Vec<Bytes>> {
    (0..count).map(|n| vec![Bytes::from(n.to_string())]).collect()
}

fn first_txs(turn: &Turn) -> Vec<String> {
    turn.bundles.iter().map(|given| String::from_utf8(given.txs[0].to_vec()).unwrap()).collect()
}

#[test]
fn an_input_never_waits_behind_bundles() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    handle.gossip(bundles(1_000), &silent(1_000));
    unchecked.pass(unchecked.take(1_000).unwrap());
    handle.input(height(7));
    let turn = inbox.take_turn(NOW);
    assert!(matches!(turn.events[..], [LoopEvent::Input(Input::PeerHeight { height: 7, .. })]));
    assert_eq!(first_txs(&turn), ["0", "1", "2", "3", "4", "5", "6", "7"], "in their order, and few of them");
}

#[test]
fn a_flood_of_inputs_leaves_one_bundle_per_turn() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    drop(unchecked);
    handle.gossip(bundles(5), &silent(5));
    (0..130).for_each(|n| handle.input(height(n)));
    let turns: Vec<(usize, usize)> =
        (0..4).map(|_| inbox.take_turn(NOW)).map(|turn| (turn.events.len(), turn.bundles.len())).collect();
    assert_eq!(turns, [(64, 1), (64, 1), (2, 3), (0, 0)]);
}

#[tokio::test]
async fn each_origin_has_its_own_bounded_room() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    let judged = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&judged);
    let group = GossipGroup::new(9_000, move |judged| {
        assert_eq!(judged, Judged::NotTaken);
        told.fetch_add(1, Ordering::SeqCst);
    });
    handle.gossip(bundles(9_000), &group);
    let waiting = unchecked.take(usize::MAX).unwrap();
    assert_eq!(waiting.len(), 8_192);
    // Gossip fills no room of callers.
    let submitted = tokio::spawn({
        let handle = handle.clone();
        async move { handle.submit(vec![Bytes::from_static(b"mine")]).await }
    });
    let mine = tokio::task::spawn_blocking(move || (unchecked.take(1), unchecked)).await.unwrap();
    assert_eq!(mine.0.unwrap()[0].txs, [Bytes::from_static(b"mine")]);
    assert!(submitted.await.unwrap().is_err(), "its bundle was dropped unanswered");
    // What is answered and dropped makes room.
    assert_eq!(judged.load(Ordering::SeqCst), 0);
    for given in waiting {
        given.responder.answer(Err(TxError::MempoolFull));
    }
    assert_eq!(judged.load(Ordering::SeqCst), 1);
    handle.gossip(bundles(8_192), &silent(8_192));
    assert_eq!(mine.1.take(usize::MAX).unwrap().len(), 8_192);
    drop(inbox);
}

#[tokio::test]
async fn who_finds_no_room_is_told_so_at_once() {
    let (handle, _inbox, _unchecked) = EngineHandle::channel();
    let large = Bytes::from(vec![0; 1 << 20]);
    let mut waiting = Vec::new();
    for _ in 0..32 {
        waiting.push(Box::pin(handle.submit(vec![large.clone()])));
        assert!(futures::poll!(waiting.last_mut().unwrap()).is_pending());
    }
    let refused = handle.submit(vec![large.clone()]).await.unwrap_err();
    assert!(
        matches!(&refused, TxError::Unavailable { detail } if detail.starts_with("32 submissions wait")),
        "{refused}"
    );
    let own = Box::pin(handle.submit_own(vec![large.clone()]));
    assert!(futures::poll!(own).is_pending(), "our own anchor needs no room");
}

#[test]
fn our_own_bundles_come_before_those_of_others() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    drop(unchecked);
    handle.gossip(bundles(20), &silent(20));
    let own = handle.submit_own(vec![Bytes::from_static(b"anchor")]);
    let mut own = std::pin::pin!(own);
    let waker = futures::task::noop_waker();
    assert!(own.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    assert_eq!(first_txs(&inbox.take_turn(NOW))[..2], ["anchor", "0"]);
}

#[test]
fn what_peers_send_is_bounded_and_what_we_tell_ourselves_always_arrives() {
    let (handle, inbox, _unchecked) = EngineHandle::channel();
    assert_eq!((0..20_000).filter(|n| handle.offer(height(*n))).count(), MAX_INPUTS);
    handle.send(LoopEvent::Stop);
    let mut last = None;
    while let Some(event) = { inbox.take_turn(NOW).events }.pop() {
        last = Some(event);
    }
    assert!(matches!(last, Some(LoopEvent::Stop)));
}

#[test]
fn what_peers_send_is_bounded_in_bytes() {
    let (handle, inbox, _unchecked) = EngineHandle::channel();
    let large = Bytes::from(vec![0; 16 << 20]);
    let block = || Input::SyncBlock { peer: PeerNumber(1), block: large.clone(), commit: Bytes::new() };
    let gossip = |bytes: &Bytes| Input::Gossip { id: MessageId(1), peer: PeerNumber(1), bytes: bytes.clone() };
    assert_eq!((0..6).filter(|_| handle.offer(block())).count(), 4);
    assert!(!handle.offer(gossip(&large.slice(..1))), "one budget for all inputs of peers");
    assert!(handle.offer(height(1)), "what has no bytes needs none of it");
    handle.input(height(2));
    assert_eq!(inbox.take_turn(NOW).events.len(), 6);
    // What was taken makes room, neither more nor less.
    assert_eq!((0..6).filter(|_| handle.offer(gossip(&large))).count(), 4);
    assert_eq!(inbox.take_turn(NOW).events.len(), 4);
    let commit =
        Input::SyncBlock { peer: PeerNumber(1), block: Bytes::new(), commit: vec![0; MAX_INPUT_BYTES + 1].into() };
    assert!(!handle.offer(commit), "commits count too");
}

#[test]
fn without_a_checker_bundles_go_straight_to_the_engine() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    handle.gossip(bundles(2), &silent(2));
    assert!(inbox.take_turn(NOW).bundles.is_empty(), "they wait for the check");
    drop(unchecked);
    handle.gossip(vec![vec![Bytes::from_static(b"late")]], &silent(1));
    assert_eq!(first_txs(&inbox.take_turn(NOW)), ["0", "1", "late"]);
}

#[tokio::test]
async fn when_the_engine_ends_everybody_hears_of_it() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    let (sender, receiver) = oneshot::channel();
    let given = QueuedBundle { txs: Vec::new(), responder: Responder::Local(sender), permit: None };
    handle.gossip(bundles(1), &silent(1));
    unchecked.pass(vec![given]);
    let checker = thread::spawn(move || {
        let first = unchecked.take(10).map(|some| some.len());
        (first, unchecked.take(10).is_none())
    });
    while !handle_is_idle(&inbox) {
        thread::yield_now();
    }
    drop(inbox);
    assert_eq!(checker.join().unwrap(), (Some(1), true), "the thread that checks ends too");
    assert!(receiver.await.is_err());
    assert!(matches!(handle.submit(Vec::new()).await, Err(TxError::Unavailable { .. })));
    assert!(!handle.offer(height(1)));
}

fn handle_is_idle(inbox: &EngineInbox) -> bool {
    lock(&inbox.0.waiting).unchecked.is_empty()
}

#[test]
fn a_waiting_engine_is_woken_by_each_class() {
    let (handle, inbox, unchecked) = EngineHandle::channel();
    let (goes, gone) = mpsc::channel();
    let (woken, wakes) = mpsc::channel();
    let engine = thread::spawn(move || {
        for _ in 0..6 {
            goes.send(()).unwrap();
            let turn = inbox.take_turn(Duration::from_secs(60));
            woken.send((turn.events.len(), turn.bundles.len())).unwrap();
        }
    });
    // It has nothing to do and time to fall asleep.
    let asleep = || {
        gone.recv_timeout(Duration::from_secs(20)).unwrap();
        thread::sleep(Duration::from_millis(50));
    };
    // Long before it would wake by itself.
    let woken = || wakes.recv_timeout(Duration::from_secs(20)).expect("nothing woke it");
    let given = || QueuedBundle { txs: Vec::new(), responder: Responder::Gossip(silent(1)), permit: None };
    asleep();
    handle.input(height(1));
    assert_eq!(woken(), (1, 0), "of our own");
    asleep();
    assert!(handle.offer(height(1)));
    assert_eq!(woken(), (1, 0), "of a peer");
    asleep();
    unchecked.pass(vec![given()]);
    assert_eq!(woken(), (0, 1), "a checked bundle");
    asleep();
    unchecked.0.push_own(given());
    assert_eq!(woken(), (0, 1), "a bundle of our own");
    asleep();
    handle.gossip(bundles(1), &silent(1));
    drop(unchecked);
    assert_eq!(woken(), (0, 1), "what the checker leaves behind");
    asleep();
    handle.gossip(bundles(1), &silent(1));
    assert_eq!(woken(), (0, 1), "a bundle that nobody checks");
    engine.join().unwrap();
}
