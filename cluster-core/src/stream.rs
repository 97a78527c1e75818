//! What the one writer appends to, beside the WAL.

use std::borrow::Cow;

use crate::Error;
use crate::stats::Counters;

/// A stream of the journal, or one that is in memory only.
pub(crate) trait Stream: Send + Sync {
    /// What one caller appends: it is durable as a whole or not at all.
    type Submission;

    /// Number of the stream.
    fn stream(&self) -> u64;

    /// Whether the journal must have what is appended before it counts.
    fn is_durable(&self) -> bool;

    /// Why nothing can be appended, if so: nothing is written then.
    fn refusal(&self) -> Option<Error>;

    /// Number of the next item.
    fn next(&self) -> u64;

    /// Number of the items of a submission.
    fn items(submission: &Self::Submission) -> usize;

    /// Bytes of the items of a submission.
    fn bytes(submission: &Self::Submission) -> usize;

    /// The items of all submissions as one entry of the journal: see [`crate::items`].
    fn entry(submissions: &[Self::Submission]) -> Cow<'_, [u8]>;

    /// Takes what the journal holds durably. Any error is final for the store.
    fn apply(&self, submissions: Vec<Self::Submission>) -> Result<(), Error>;

    /// Makes everything taken so far durable in files of its own. Any error is final for the store.
    fn settle(&self) -> Result<(), Error>;

    /// Counts what was appended.
    fn count(counters: &Counters, items: usize, bytes: usize);
}
