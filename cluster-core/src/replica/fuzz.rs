//! What a replica writes, for fuzzers.

use bytes::Bytes;

use super::held::{Checked, Step};

/// An entry of the journal.
pub(crate) fn entry(bytes: &[u8]) -> bool {
    let Ok(step) = Step::from_bytes(&Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(step.to_bytes(), bytes, "two encodings of one entry");
    Checked::of(step).is_ok()
}
