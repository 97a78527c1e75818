//! Ctrl-C, SIGTERM and a closed terminal, counted instead of fatal: the launcher stops its nodes before it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// How often the launcher was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the rest of the process.
    pub fn install() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot watch signals")?;
        let (mut int, mut term, mut hup) = {
            let _inside = runtime.enter();
            let watch = |kind| signal(kind).context("cannot watch signals");
            (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?)
        };
        let interrupt = Self::default();
        let counter = Arc::clone(&interrupt.0);
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! { _ = int.recv() => {}, _ = term.recv() => {}, _ = hup.recv() => {} }
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        Ok(interrupt)
    }

    /// How often so far: 1 asks for a graceful stop, more for a quick one.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_signal_is_counted_and_not_fatal() {
        let interrupt = Interrupt::install().unwrap();
        assert_eq!(interrupt.count(), 0);
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while interrupt.count() == 0 {
            assert!(Instant::now() < deadline, "the signal was not counted");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
