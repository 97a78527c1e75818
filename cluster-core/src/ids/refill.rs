//! Raises a ceiling in the background, or by hand.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::ceiling::{Ceiling, Demand, Reserved};
use crate::Error;

/// The durable half of a generator.
pub(super) trait Reserve: Debug + Send {
    /// Makes at least all values below `demand.end` durable as used, and some more. After an error it is not called again.
    ///
    /// # Errors
    /// What the disk said, or that there are no more values.
    fn reserve(&mut self, demand: Demand) -> Result<Reserved, Error>;

    /// The generator ends in order, with every value that left below `used`.
    ///
    /// # Errors
    /// What the disk said; nothing is lost by it.
    fn finish(&mut self, used: u64) -> Result<(), Error>;
}

/// A ceiling and who raises it: a thread, or in manual mode those who draw and those who call [`Refill::drive`].
#[derive(Debug)]
pub(super) struct Refill {
    ceiling: Arc<Ceiling>,
    manual: Option<Mutex<Box<dyn Reserve>>>,
    thread: Option<JoinHandle<Box<dyn Reserve>>>,
}

impl Refill {
    /// Makes the first reservation, which covers what lies below `first` and more, and starts the thread.
    ///
    /// # Errors
    /// Those of the reservation, and [`Error::Io`] where there is no thread to be had.
    pub(super) fn start(mut reserve: Box<dyn Reserve>, first: u64, manual: bool, dir: &Path) -> Result<Self, Error> {
        let reserved = reserve.reserve(Demand { end: first, waited: false })?;
        let ceiling = Arc::new(Ceiling::new(reserved));
        if manual {
            return Ok(Self { ceiling, manual: Some(Mutex::new(reserve)), thread: None });
        }
        let named = std::thread::Builder::new().name("ids-refill".into());
        let shared = Arc::clone(&ceiling);
        let thread = named.spawn(move || serve(&shared, reserve));
        let thread = thread.map_err(|e| Error::io("start the refill thread for", dir, e))?;
        Ok(Self { ceiling, manual: None, thread: Some(thread) })
    }

    /// Whether all values below `end` may leave.
    #[inline]
    pub(super) fn admits(&self, end: u64) -> bool {
        self.ceiling.admits(end)
    }

    /// Tells that values below `end` have left.
    #[inline]
    pub(super) fn nudge(&self, end: u64) {
        self.ceiling.nudge(end);
    }

    /// Waits until all values below `end` may leave; in manual mode sees to it in the calling thread.
    ///
    /// # Errors
    /// Why the generator failed.
    #[cold]
    pub(super) fn wait(&self, end: u64) -> Result<(), Error> {
        let Some(manual) = &self.manual else { return self.ceiling.wait(end) };
        let mut reserve = manual.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.ceiling.covers(end)? {
            refill(&self.ceiling, &mut **reserve, Demand { end, waited: true });
        }
        Ok(())
    }

    /// Manual mode: does what the thread would do now; `false` where that is nothing, and always with a thread.
    pub(super) fn drive(&self) -> bool {
        let Some(manual) = &self.manual else { return false };
        let mut reserve = manual.lock().unwrap_or_else(PoisonError::into_inner);
        let demand = self.ceiling.try_take().filter(|_| self.failure().is_none());
        demand.is_some_and(|demand| refill(&self.ceiling, &mut **reserve, demand))
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.ceiling.failure()
    }

    pub(super) fn reserved(&self) -> u64 {
        self.ceiling.reserved()
    }

    /// Ends the thread and, unless something failed, leaves the files as a clean end does. Every value that left is below `used`.
    pub(super) fn close(&mut self, used: u64) {
        self.ceiling.close();
        let by_hand = self.manual.take().map(|manual| manual.into_inner().unwrap_or_else(PoisonError::into_inner));
        let reserve = self.thread.take().map_or(by_hand, |thread| thread.join().ok());
        if self.failure().is_some() {
            return;
        }
        if let Some(Err(reason)) = reserve.map(|mut reserve| reserve.finish(used)) {
            tracing::warn!(%reason, "the files of the ids were not closed in order; the next start goes on behind a gap");
        }
    }
}

/// The thread. Answers the durable half when it ends.
fn serve(ceiling: &Ceiling, mut reserve: Box<dyn Reserve>) -> Box<dyn Reserve> {
    let guard = PanicGuard(ceiling);
    while let Some(demand) = ceiling.take() {
        if !refill(ceiling, &mut *reserve, demand) {
            break;
        }
    }
    drop(guard);
    reserve
}

/// One reservation; `false` where it failed, and with it the generator.
fn refill(ceiling: &Ceiling, reserve: &mut dyn Reserve, demand: Demand) -> bool {
    match reserve.reserve(demand) {
        Ok(reserved) => {
            ceiling.raise(reserved);
            true
        }
        Err(reason) => {
            tracing::error!(%reason, "ids cannot be reserved; none leave any more");
            ceiling.fail(reason);
            false
        }
    }
}

/// Fails the generator when the thread panics, so that nobody waits for ever.
struct PanicGuard<'a>(&'a Ceiling);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::WriterStopped("the refill of the ids panicked".into()));
        }
    }
}

#[cfg(test)]
mod tests;
