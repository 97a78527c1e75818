//! The refill asks the durable half once, and never after a failure.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Counts its calls; what it does at the second is the test's.
#[derive(Debug)]
struct Scripted {
    calls: Arc<AtomicU64>,
    second: fn() -> Result<(), Error>,
}

impl Reserve for Scripted {
    fn reserve(&mut self, demand: Demand) -> Result<Reserved, Error> {
        if self.calls.fetch_add(1, Ordering::Relaxed) == 1 {
            (self.second)()?;
        }
        Ok(Reserved { end: demand.end + 4, wake_at: demand.end + 2 })
    }

    fn finish(&mut self, used: u64) -> Result<(), Error> {
        self.calls.fetch_add(1_000 * used, Ordering::Relaxed);
        Ok(())
    }
}

fn start(manual: bool, second: fn() -> Result<(), Error>) -> (Refill, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let reserve = Box::new(Scripted { calls: Arc::clone(&calls), second });
    (Refill::start(reserve, 0, manual, Path::new("/d")).unwrap(), calls)
}

#[test]
fn by_hand_nothing_happens_unasked() {
    let (mut refill, calls) = start(true, || Ok(()));
    refill.nudge(2);
    assert!(!refill.drive());
    refill.nudge(3);
    assert!(refill.drive() && !refill.drive());
    assert!(refill.admits(7) && !refill.admits(8));
    refill.wait(20).unwrap();
    assert!(refill.admits(24) && !refill.admits(25));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    refill.close(9);
    assert_eq!(calls.load(Ordering::Relaxed), 9_003);
}

#[test]
fn a_demand_that_was_met_is_not_met_again() {
    let (refill, calls) = start(true, || Ok(()));
    refill.nudge(3);
    refill.wait(10).unwrap();
    assert!(!refill.drive());
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn after_a_failure_the_durable_half_is_left_alone() {
    for manual in [true, false] {
        let (mut refill, calls) = start(manual, || Err(Error::DiskFull { dir: "/d".into() }));
        assert!(refill.wait(10).is_err() && refill.wait(1).is_err() && !refill.admits(1));
        refill.nudge(100);
        assert!(!refill.drive());
        assert_eq!(refill.reserved(), 4);
        refill.close(9);
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_panic_of_the_thread_fails_who_waits() {
    let (mut refill, _) = start(false, || panic!("planted"));
    assert!(matches!(refill.wait(10), Err(Error::WriterStopped(_))));
    refill.close(9);
}
