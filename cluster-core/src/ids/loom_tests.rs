//! Every interleaving, and every reordering that the memory model allows, of the ceiling with two who draw and one who refills.
//! The module is built a second time for this, on loom's atomics, so that it runs in the ordinary tests.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "ceiling.rs"]
#[expect(clippy::duplicate_mod, reason = "on other atomics")]
#[allow(dead_code)]
mod ceiling;

use ceiling::{Ceiling, Reserved};

use crate::Error;

/// The ceiling, a counter below it, and what the "disk" holds.
struct World {
    ceiling: Ceiling,
    next: AtomicU64,
    durable: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let ceiling = Ceiling::new(Reserved { end: 1, wake_at: 0 });
        Arc::new(Self { ceiling, next: AtomicU64::new(0), durable: AtomicU64::new(1) })
    }

    /// As the Obelisk draws.
    fn draw(&self) -> Result<u64, Error> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        self.ceiling.nudge(first + 1);
        if !self.ceiling.admits(first + 1) {
            self.ceiling.wait(first + 1)?;
        }
        assert!(self.durable.load(Ordering::Relaxed) > first, "{first} left before it was durable");
        Ok(first)
    }

    /// As the thread refills, one at a time. The canary is the ceiling published before the sync.
    fn serve(&self, canary: bool) {
        while let Some(demand) = self.ceiling.take() {
            let end = demand.end.max(self.ceiling.reserved()) + 1;
            if !canary {
                self.durable.store(end, Ordering::Relaxed);
            }
            self.ceiling.raise(Reserved { end, wake_at: end - 1 });
            self.durable.store(end, Ordering::Relaxed);
        }
    }
}

/// Preemptions are bounded, which finds what is to be found and ends in seconds.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn two_draw(canary: bool) {
    let world = World::new();
    let refill = thread::spawn({
        let world = Arc::clone(&world);
        move || world.serve(canary)
    });
    let other = thread::spawn({
        let world = Arc::clone(&world);
        move || world.draw().unwrap()
    });
    let mine = world.draw().unwrap();
    assert_ne!(mine, other.join().unwrap());
    world.ceiling.close();
    refill.join().unwrap();
}

#[test]
fn what_is_drawn_is_durable_and_nobody_waits_for_ever() {
    explore(|| two_draw(false));
}

#[test]
#[should_panic(expected = "before it was durable")]
fn a_ceiling_published_before_the_sync_is_caught() {
    explore(|| two_draw(true));
}

#[test]
fn a_failure_reaches_who_waits_and_who_comes_later() {
    explore(|| {
        let world = World::new();
        let refill = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let _demand = world.ceiling.take();
                world.ceiling.fail(Error::Closed);
            }
        });
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.draw()
        });
        let results = [world.draw(), other.join().unwrap()];
        assert!(results.iter().any(Result::is_err), "two cannot draw what one byte holds");
        refill.join().unwrap();
        assert!(matches!(world.draw(), Err(Error::Closed)));
    });
}
