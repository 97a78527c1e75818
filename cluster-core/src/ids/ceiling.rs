//! The ceiling below which values may leave. The hand-written atomics of the ids stand here; `loom_tests.rs` explores them.

use std::sync::PoisonError;

use super::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};
use crate::Error;

/// Values below it are durably reserved. Those who draw look at it without a lock; one refill raises it.
#[derive(Debug)]
pub(super) struct Ceiling {
    /// 0 once the generator has failed: nothing is admitted then, though it stays reserved.
    admitted: AtomicU64,
    /// A draw that ends beyond this wakes the refill; `u64::MAX` while that is awake or has no more to give.
    wake_at: AtomicU64,
    state: Mutex<State>,
    raised: Condvar,
    wanted: Condvar,
}

/// What the refill is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    /// Everything below is needed, or will be soon.
    pub(super) end: u64,
    /// Whether a draw waits for it.
    pub(super) waited: bool,
}

/// What the refill made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reserved {
    /// Everything below may leave.
    pub(super) end: u64,
    /// A draw that ends beyond this asks for more.
    pub(super) wake_at: u64,
}

#[derive(Debug, Default)]
struct State {
    reserved: u64,
    demand: Option<Demand>,
    failure: Option<Error>,
    closed: bool,
}

impl Ceiling {
    pub(super) fn new(reserved: Reserved) -> Self {
        Self {
            admitted: AtomicU64::new(reserved.end),
            wake_at: AtomicU64::new(reserved.wake_at),
            state: Mutex::new(State { reserved: reserved.end, ..State::default() }),
            raised: Condvar::new(),
            wanted: Condvar::new(),
        }
    }

    /// Whether all values below `end` may leave.
    #[inline]
    pub(super) fn admits(&self, end: u64) -> bool {
        // Acquire pairs with the Release of `raise`: who sees the ceiling comes after the sync that made it true.
        end <= self.admitted.load(Ordering::Acquire)
    }

    /// Wakes the refill when a draw has ended beyond the wake-up level.
    #[inline]
    pub(super) fn nudge(&self, end: u64) {
        // A level, not an edge: the draw that crosses it may look too early, any later one makes up for it.
        if end > self.wake_at.load(Ordering::Relaxed) {
            self.wake(end);
        }
    }

    #[cold]
    fn wake(&self, end: u64) {
        if self.wake_at.swap(u64::MAX, Ordering::Relaxed) != u64::MAX {
            self.lock().ask(Demand { end, waited: false });
            self.wanted.notify_one();
        }
    }

    /// Waits until all values below `end` may leave.
    ///
    /// # Errors
    /// Why the generator failed.
    #[cold]
    pub(super) fn wait(&self, end: u64) -> Result<(), Error> {
        let mut state = self.lock();
        while !state.covers(end)? {
            state.ask(Demand { end, waited: true });
            self.wanted.notify_one();
            state = self.raised.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// [`Ceiling::wait`] without waiting.
    pub(super) fn covers(&self, end: u64) -> Result<bool, Error> {
        self.lock().covers(end)
    }

    /// For the refill: waits for a demand; `None` once closed.
    pub(super) fn take(&self) -> Option<Demand> {
        let mut state = self.lock();
        while !state.closed {
            if let Some(demand) = state.demand.take() {
                return Some(demand);
            }
            state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// [`Ceiling::take`] without waiting.
    pub(super) fn try_take(&self) -> Option<Demand> {
        self.lock().demand.take()
    }

    /// Publishes what is durable now, and never before it is.
    pub(super) fn raise(&self, reserved: Reserved) {
        let mut state = self.lock();
        state.reserved = reserved.end;
        state.demand = state.demand.filter(|demand| demand.end > reserved.wake_at);
        self.admitted.store(reserved.end, Ordering::Release);
        self.wake_at.store(reserved.wake_at, Ordering::Relaxed);
        drop(state);
        self.raised.notify_all();
    }

    /// Fails every draw from now on. The first reason stays.
    pub(super) fn fail(&self, reason: Error) {
        let mut state = self.lock();
        state.failure.get_or_insert(reason);
        self.admitted.store(0, Ordering::Relaxed);
        self.wake_at.store(u64::MAX, Ordering::Relaxed);
        drop(state);
        self.raised.notify_all();
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.lock().failure.clone()
    }

    /// Everything below is durably reserved, also where nothing leaves any more.
    pub(super) fn reserved(&self) -> u64 {
        self.lock().reserved
    }

    /// Ends the waiting of [`Ceiling::take`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wanted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn covers(&self, end: u64) -> Result<bool, Error> {
        match &self.failure {
            Some(reason) => Err(reason.clone()),
            None => Ok(end <= self.reserved),
        }
    }

    fn ask(&mut self, demand: Demand) {
        let old = self.demand.unwrap_or(demand);
        self.demand = Some(Demand { end: old.end.max(demand.end), waited: old.waited || demand.waited });
    }
}
