//! Notarization on the node's side: admission and promises, anchors, receipts.

mod anchor;
mod notary_leaves;
mod notary_receipts;
mod notary_submit;

pub use anchor::AnchorDriver;
pub use notary_leaves::{InCluster, NotaryLeaves};
pub use notary_receipts::{NotaryReceipts, ReceiptState};
pub use notary_submit::{Admission, Refused, Submission};
