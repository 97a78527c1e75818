//! What all links share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Lane, inbox::Inbox, limits::MemberLimits, metrics::MemberMetrics};

/// Limits, counters and the two inboxes.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) limits: MemberLimits,
    pub(crate) metrics: Arc<MemberMetrics>,
    /// The beginning of time for what is kept in atomics.
    pub(crate) began: Instant,
    inboxes: [Arc<Inbox>; 2],
}

impl Common {
    pub(crate) fn new(limits: MemberLimits, metrics: Arc<MemberMetrics>) -> Self {
        let inboxes = Lane::ALL.map(|lane| Arc::new(Inbox::new(lane, *limits.lane(lane), Arc::clone(&metrics))));
        Self { limits, metrics, began: Instant::now(), inboxes }
    }

    pub(crate) fn inbox(&self, lane: Lane) -> &Arc<Inbox> {
        &self.inboxes[lane.index()]
    }
}

/// No lock of this module is held while foreign code runs, so a poisoned one guards whole data all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
