//! Order, limits, barriers, and that nobody is left without an answer.

use std::sync::mpsc::{Receiver, TryRecvError};

use super::*;
use crate::event::{channel, completion};

fn queue(append_limit: u64, group_limit: u64) -> (Queue, Receiver<Event>) {
    let (sink, events) = channel();
    let options = Options { queue_bytes: append_limit, group_bytes: group_limit, ..Options::default() };
    let space = Space::new(Arc::new(crate::disk::FaultyDisk::new(1)), "/d".into(), 0);
    (Queue::new(sink, Arc::default(), &options, space), events)
}

fn entry() -> Operation {
    Operation::WalEntry(Bytes::from_static(b"x"))
}

fn tickets(group: &[Request]) -> Vec<u64> {
    group.iter().map(|request| request.reply.ticket.0).collect()
}

#[test]
fn groups_end_at_barriers_and_at_the_limit() {
    let (queue, events) = queue(1000, 100);
    for (operation, bytes) in
        [(entry(), 60), (entry(), 40), (entry(), 1), (Operation::WalReset(1), 0), (entry(), 5000), (entry(), 1)]
    {
        queue.push(operation, bytes, None).unwrap();
    }
    assert_eq!(queue.depth(), (6, 5102));
    let groups: Vec<Vec<Request>> = (0..6).map(|_| queue.take(false)).collect();
    let found: Vec<Vec<u64>> = groups.iter().map(|group| tickets(group)).collect();
    assert_eq!(found, [vec![1, 2], vec![3], vec![4], vec![5], vec![6], vec![]]);
    assert_eq!(queue.depth(), (0, 0));
    drop(groups);
    // Dropped unanswered, as by a panic: everybody is told.
    let told: Vec<Event> = events.try_iter().collect();
    assert_eq!(told.len(), 6);
    assert!(
        told.iter().all(|event| matches!(event, Event::Fatal { ticket: Some(_), reason: Error::WriterStopped(_) }))
    );
}

#[test]
fn consensus_does_not_wait_behind_leaves() {
    let rig = crate::notary::testkit::Rig::new(1);
    let (core, _) = rig.try_open(crate::Options { group_bytes: 1000, ..rig.options() }).unwrap();
    let log = core.notary_log(crate::notary::testkit::LOG).unwrap();
    for _ in 0..50 {
        log.append(vec![vec![1; 900]]).unwrap();
    }
    let (done, own) = completion();
    core.wal().reset_then(3, done).unwrap();
    let (done, mark) = completion();
    core.mark().put_then(Bytes::from_static(b"m"), done).unwrap();
    core.drive();
    assert!(own.try_recv().unwrap().durable().is_ok(), "with the first group of leaves");
    assert!(mark.try_recv().is_err(), "a mark after a barrier is in the next group");
    core.drive();
    assert!(mark.try_recv().unwrap().durable().is_ok());
    assert_eq!(log.size(), 2);
}

#[test]
fn closing_serves_what_waits_and_refuses_the_rest() {
    let (queue, _events) = queue(1000, 100);
    queue.push(entry(), 1, None).unwrap();
    queue.close();
    assert!(matches!(queue.push(entry(), 1, None), Err(Error::Closed)));
    assert_eq!(queue.take(true).len(), 1);
    assert!(queue.take(true).is_empty(), "does not wait once closed");
}

#[test]
fn a_failure_answers_everybody_and_stays() {
    let (queue, events) = queue(1000, 100);
    let (done, own) = completion();
    queue.push(entry(), 1, Some(done)).unwrap();
    queue.push(entry(), 1, None).unwrap();
    queue.fail(&Error::DiskFull { dir: "/d".into() });
    queue.fail(&Error::Closed);
    assert!(matches!(
        own.try_recv().unwrap(),
        Event::Fatal { ticket: Some(Ticket(1)), reason: Error::DiskFull { .. } }
    ));
    let told: Vec<Event> = events.try_iter().collect();
    assert!(matches!(told[0], Event::Fatal { ticket: Some(Ticket(2)), .. }));
    assert!(matches!(told[1], Event::Fatal { ticket: None, reason: Error::DiskFull { .. } }));
    assert_eq!(told.len(), 2);
    assert!(matches!(queue.push(entry(), 1, None), Err(Error::DiskFull { .. })));
    assert!(matches!(queue.failure(), Some(Error::DiskFull { .. })));
    assert_eq!(queue.depth(), (0, 0));
}

#[test]
fn a_completion_hears_instead_of_the_sink() {
    let (queue, events) = queue(1000, 100);
    let (done, own) = completion();
    queue.push(entry(), 1, Some(done)).unwrap();
    let request = queue.take(false).pop().unwrap();
    assert_eq!(own.try_recv().unwrap_err(), TryRecvError::Empty);
    request.reply.durable(3, 4);
    let event = own.try_recv().unwrap();
    assert_eq!(event.ticket(), Some(Ticket(1)));
    assert_eq!(event.durable().unwrap(), (3, 4));
    assert!(events.try_recv().is_err());
}

#[test]
fn a_waiting_writer_wakes_up() {
    let (queue, _events) = queue(1000, 100);
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queue.take(true).len());
        queue.push(entry(), 1, None).unwrap();
        assert_eq!(taken.join().unwrap(), 1);
        let taken = scope.spawn(|| queue.take(true).len());
        queue.close();
        assert_eq!(taken.join().unwrap(), 0);
    });
}
