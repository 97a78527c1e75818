//! A shared allowance of bytes: what is taken comes back when its [`Hold`] is dropped.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(test)]
#[path = "budget_test.rs"]
mod tests;

/// Bytes of memory that peers may make this node hold. Taking never waits and takes no lock but the semaphore's own.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// Bytes taken from a [`Budget`].
#[derive(Debug)]
pub(crate) struct Hold {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes `bytes`, or nothing where fewer are left.
    pub(crate) fn take(&self, bytes: usize) -> Option<Hold> {
        let permit = Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        Some(Hold { _permit: permit })
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.0.available_permits()
    }
}
