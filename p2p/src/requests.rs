//! Request/response exchanges of opaque bytes, one stream each.

pub(crate) mod behaviour;
pub(crate) mod codec;
pub(crate) mod frame;
pub(crate) mod reply;

pub use frame::{check_request_frame, check_response_frame};
pub use reply::Reply;
