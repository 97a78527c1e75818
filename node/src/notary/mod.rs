//! Notarization on the node's side: admission and promises, anchors, receipts.

mod anchor;
mod check;
mod notary_leaves;
mod notary_receipts;
mod notary_submit;

pub use anchor::AnchorDriver;
pub use check::check_copies;
#[cfg(test)]
pub(crate) use check::tests::made as made_copies;
pub use notary_leaves::{InCluster, NotaryLeaves};
pub use notary_receipts::{NotaryReceipts, ReceiptState};
pub use notary_submit::{Admission, Refused, Submission};
