//! Byte strings as one entry of the journal: what one caller appends survives a crash whole or not at all.
//!
//! ```text
//! journal entry = stream, position = number of the first item in the stream, bytes = item*          item = length:u32 bytes[length]
//! ```
//!
//! No item is empty, and each stream sets the most bytes of one: 1,024 for the leaves of a notary log, 1 MiB for records.

use std::path::Path;

use crate::Error;
use crate::parts::u32_at;

/// Bytes before each item.
pub(crate) const ITEM_HEADER: usize = 4;

/// The items, in order.
pub(crate) fn encode<'a>(items: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.clone().map(|item| ITEM_HEADER + item.len()).sum());
    for item in items {
        bytes.extend_from_slice(&(item.len() as u32).to_be_bytes());
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

/// The items of an entry that was made here.
pub(crate) fn iter(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (header, rest) = bytes.split_at_checked(ITEM_HEADER)?;
        let (item, rest) = rest.split_at_checked(u32_at(header, 0) as usize)?;
        bytes = rest;
        Some(item)
    })
}

/// What a stream that has `next` items lacks of these, the first of which has the number `first`; `dir` is the stream's.
///
/// # Errors
/// [`Error::Damaged`] where there are others in between.
pub(crate) fn lacking<'a, T>(items: &'a [T], first: u64, next: u64, dir: &Path) -> Result<&'a [T], Error> {
    let Some(known) = next.checked_sub(first) else {
        let why = format!("the files end before number {next}, and the journal goes on with number {first}");
        return Err(Error::damaged(dir, 0, why));
    };
    Ok(items.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
