//! One stream's place in a link.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Context,
};

use futures::task::AtomicWaker;

/// Held by a link and by the one stream that sits there. Whoever takes the place away wakes the stream's owner.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    stale: AtomicBool,
    waker: AtomicWaker,
}

impl Seat {
    /// To be called at the beginning of every poll: what happens from here on wakes the task.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Another stream sits here now, or none may.
    pub(crate) fn retire(&self) {
        self.stale.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::SeqCst)
    }
}
