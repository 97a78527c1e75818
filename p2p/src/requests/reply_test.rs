#![allow(clippy::unwrap_used)]

use crate::budget::Budget;

use super::*;

fn reply(budget: &Budget) -> (Reply, oneshot::Receiver<Bytes>) {
    Reply::new(4, budget.take(10).unwrap())
}

#[test]
fn an_answer_arrives_and_frees_the_request() {
    let budget = Budget::new(10);
    let (reply, mut answer) = reply(&budget);
    assert_eq!((reply.max_response(), reply.is_expired(), budget.left()), (4, false, 0));
    reply.send(&b"four"[..]).unwrap();
    assert_eq!(answer.try_recv().unwrap(), "four");
    assert_eq!(budget.left(), 10);
}

#[test]
fn an_answer_over_the_limit_is_a_refusal() {
    let budget = Budget::new(10);
    let (reply, mut answer) = reply(&budget);
    assert!(matches!(reply.send(&b"fives"[..]), Err(Error::TooLarge { what: "response", size: 5, max: 4 })));
    assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    assert_eq!(budget.left(), 10);
}

#[test]
fn refusing_and_dropping_are_the_same() {
    let budget = Budget::new(20);
    let ((first, mut one), (second, mut two)) = (reply(&budget), reply(&budget));
    first.refuse();
    drop(second);
    assert_eq!(one.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    assert_eq!(two.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    assert_eq!(budget.left(), 20);
}

#[test]
fn a_requester_that_is_gone_is_noticed() {
    let budget = Budget::new(10);
    let (reply, answer) = reply(&budget);
    drop(answer);
    assert!(reply.is_expired());
    assert!(matches!(reply.send(Bytes::new()), Err(Error::ReplyExpired)));
}
