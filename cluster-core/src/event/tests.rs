//! Channels and completions carry every event once.

use super::*;

#[test]
fn a_channel_hears_events_and_outlives_its_receiver() {
    let (sink, events) = channel();
    sink(Event::Durable { ticket: Ticket(7), first_index: 1, size: 2 });
    let event = events.recv().unwrap();
    assert_eq!(event.ticket(), Some(Ticket(7)));
    assert_eq!(event.durable().unwrap(), (1, 2));
    drop(events);
    sink(Event::Fatal { ticket: None, reason: Error::Closed });
}

#[test]
fn a_completion_does_not_need_its_receiver() {
    let (done, event) = completion();
    drop(event);
    done(Event::Unavailable { ticket: Ticket(1), reason: Error::Closed });
}

#[test]
fn every_other_event_is_an_error_with_its_reason() {
    let busy = || Error::Busy { queued: 1 };
    let not_leader = Event::NotLeader { ticket: Ticket(3), leader: Some("b".into()) };
    assert_eq!(not_leader.ticket(), Some(Ticket(3)));
    assert!(not_leader.durable().is_err());
    let unavailable = Event::Unavailable { ticket: Ticket(4), reason: busy() };
    assert!(matches!(unavailable.durable(), Err(Error::Busy { queued: 1 })));
    let fatal = Event::Fatal { ticket: None, reason: busy() };
    assert_eq!(fatal.ticket(), None);
    assert!(matches!(fatal.durable(), Err(Error::Busy { queued: 1 })));
    assert_eq!(Ticket(9).to_string(), "9");
}
