//! Reading every entry of every table, and seeing that the chain's tables fit each other.

use super::block::{INITIAL, LATEST, decode_height, decode_place};
use super::tables::{Family, Tables};
use crate::Error;

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Entries of all tables.
    pub(crate) entries: u64,
    /// Blocks.
    pub(crate) blocks: u64,
}

/// Reads everything, so that every checksum of the store is checked, and gives each thing that is wrong to `found`.
///
/// # Errors
/// None of its own: what a table answers is found as well.
pub(crate) fn check(tables: &dyn Tables, found: &mut dyn FnMut(String)) -> Checked {
    let mut checked = Checked::default();
    for family in Family::ALL {
        let read = tables.scan(family, &[], &mut |_, _| {
            checked.entries += 1;
            true
        });
        if let Err(error) = read {
            found(format!("the table {} cannot be read: {error}", family.name()));
        }
    }
    match heights(tables) {
        Ok(Some((first, latest))) => {
            checked.blocks = blocks(tables, first, latest, found);
            places(tables, first, latest, found);
        }
        Ok(None) => {}
        Err(error) => found(error.to_string()),
    }
    checked
}

/// Heights of the first block, where the genesis says it, and of the latest.
fn heights(tables: &dyn Tables) -> Result<Option<(Option<u64>, u64)>, Error> {
    let height = |key: &[u8]| Ok::<_, Error>(tables.get(Family::Chain, key)?.as_deref().and_then(decode_height));
    let (initial, latest) = (height(INITIAL)?, height(LATEST)?);
    Ok(latest.map(|latest| (initial, latest)))
}

/// Every height has its block and what belongs to it, from the first one to the latest. Answers the number of blocks.
fn blocks(tables: &dyn Tables, initial: Option<u64>, latest: u64, found: &mut dyn FnMut(String)) -> u64 {
    let mut count = 0;
    for family in [Family::Block, Family::Commit, Family::Meta, Family::Results] {
        let mut due = initial;
        let read = tables.scan(family, &[], &mut |key, _| {
            let Some(height) = decode_height(key) else {
                found(format!("a key of the table {} is no height", family.name()));
                return true;
            };
            if let Some(due) = due.filter(|due| *due != height) {
                found(format!("the table {} goes on with height {height} where {due} is due", family.name()));
            }
            due = height.checked_add(1);
            count += u64::from(family == Family::Block);
            true
        });
        if read.is_ok() && due != latest.checked_add(1) {
            found(format!("the latest block is {latest}, and the table {} does not end there", family.name()));
        }
    }
    count
}

/// Every entry of an index names a block that is there.
fn places(tables: &dyn Tables, initial: Option<u64>, latest: u64, found: &mut dyn FnMut(String)) {
    let inside = |height: u64| (initial.unwrap_or(1)..=latest).contains(&height);
    for (family, what) in [(Family::Tx, "a transaction"), (Family::BlockHash, "a block hash")] {
        // What cannot be read was found above.
        let _read = tables.scan(family, &[], &mut |_, value| {
            let height = match family {
                Family::Tx => decode_place(value).map(|place| place.height),
                _ => decode_height(value),
            };
            match height {
                Some(height) if inside(height) => {}
                Some(height) => found(format!("the index of {what} names height {height}, where no block is")),
                None => found(format!("the index of {what} holds no place")),
            }
            true
        });
    }
}

#[cfg(test)]
mod tests;
