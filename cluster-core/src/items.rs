//! Byte strings as one entry of the journal: what one caller appends survives a crash whole or not at all.
//!
//! ```text
//! journal entry = stream, position = number of the first item in the stream, bytes = item*          item = length:u32 bytes[length]
//! ```
//!
//! No item is empty, and each stream sets the most bytes of one: 1,024 for the leaves of a notary log, 1 MiB for records.

use crate::frame::u32_at;

/// Bytes before each item.
pub(crate) const ITEM_HEADER: usize = 4;

/// The items, in order.
pub(crate) fn encode<'a>(items: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.clone().map(|item| ITEM_HEADER + item.len()).sum());
    for item in items {
        bytes.extend((item.len() as u32).to_be_bytes());
        bytes.extend_from_slice(item);
    }
    bytes
}

/// The items of an entry; `None` for bytes that are not exactly one or more items of 1 to `max` bytes.
pub(crate) fn decode(mut bytes: &[u8], max: usize) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(ITEM_HEADER)?;
        let length = u32_at(header, 0) as usize;
        let (item, rest) = rest.split_at_checked(length).filter(|_| (1..=max).contains(&length))?;
        items.push(item);
        bytes = rest;
    }
    (!items.is_empty()).then_some(items)
}

#[cfg(test)]
mod tests;
