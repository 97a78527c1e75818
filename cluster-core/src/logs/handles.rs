//! How many partitions may have their files open at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Error;

/// File handles of one open partition, those of the segment that was read last included.
const HANDLES: u64 = 11;

/// The partitions that have their files open, of those that may.
#[derive(Debug)]
pub(crate) struct Handles {
    pub(super) open: AtomicUsize,
    limit: usize,
}

/// The place of one open partition; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Handles>);

impl Handles {
    /// Two thirds of the handles that the process may have are for partitions.
    pub(crate) fn new() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = files.map_or(usize::MAX, |files| usize::try_from(files / 3 * 2 / HANDLES).unwrap_or(usize::MAX));
        Self { open: AtomicUsize::new(0), limit }
    }

    /// Refuses one more than may be.
    pub(super) fn take(self: &Arc<Self>) -> Result<Held, Error> {
        let free = |open| (open < self.limit).then_some(open + 1);
        match self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, free) {
            Ok(_) => Ok(Held(Arc::clone(self))),
            Err(_) => Err(Error::TooManyOpen { limit: self.limit }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_refused_and_given_back() {
        let handles = Arc::new(Handles { open: AtomicUsize::new(0), limit: 2 });
        let (one, two) = (handles.take().unwrap(), handles.take().unwrap());
        assert!(matches!(handles.take(), Err(Error::TooManyOpen { limit: 2 })));
        drop(one);
        let three = handles.take().unwrap();
        drop((two, three));
        assert_eq!(handles.open.load(Ordering::Acquire), 0);
    }
}
