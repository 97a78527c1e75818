//! Which peers exist, where they are, and when to dial them.

pub(crate) mod address;
pub(crate) mod address_book;
pub(crate) mod dialer;
