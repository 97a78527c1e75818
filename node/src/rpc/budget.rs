//! What one request may cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use super::envelope::RpcError;

/// Bytes of a batch's answers behind which no further call of it is begun.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What the calls of one request have cost so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    bytes: AtomicUsize,
    turn: Mutex<()>,
}

impl Budget {
    /// Fails where nothing is left for a further call.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        if self.bytes.load(Ordering::Relaxed) < MAX_ANSWER_BYTES {
            return Ok(());
        }
        Err(RpcError::Internal("the batch is too large: send fewer calls".into()))
    }

    /// Counts the bytes of an answer.
    pub(super) fn spend(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The turn of one heavy call among those of the request.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
