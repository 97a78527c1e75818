#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn what_is_taken_comes_back() {
    let budget = Budget::new(10);
    let first = budget.take(6).unwrap();
    assert!(budget.take(5).is_none());
    let second = budget.take(4).unwrap();
    assert_eq!(budget.left(), 0);
    assert!(budget.take(0).is_some());
    drop(first);
    assert_eq!(budget.left(), 6);
    drop(second);
    assert_eq!(budget.left(), 10);
}

#[test]
fn more_than_all_is_refused_not_awaited() {
    let budget = Budget::new(10);
    assert!(budget.take(11).is_none());
    assert!(budget.take(usize::MAX).is_none());
    assert_eq!(Budget::new(usize::MAX).left(), Semaphore::MAX_PERMITS);
}
