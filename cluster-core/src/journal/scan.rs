//! Reading a journal file back, and telling a torn last group from damage.

use super::file::JournalFile;
use super::group::{BLOCK, Entry, Found, GROUP_HEADER, GroupHeader, read_entries};
use crate::Error;
use crate::window::Window;

/// Bytes read at once.
const AHEAD: usize = 256 << 10;

/// Where the groups of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Offset behind the last whole group.
    pub(super) offset: u64,
    /// Number of the group that is due there.
    pub(super) number: u64,
    /// Bytes of a group that stands there and does not check; 0 where there is none.
    pub(super) broken: u64,
}

/// Gives each entry of each whole group to `visit`, with the number of its group. Memory: one group and a 256 KiB window.
///
/// # Errors
/// [`Error::Damaged`] where bytes check that no writer writes, and what `visit` answers.
pub(super) fn replay(
    file: &JournalFile,
    mut visit: impl FnMut(u64, Entry<'_>) -> Result<(), Error>,
) -> Result<End, Error> {
    let mut window = Window::new(file.file.as_ref(), &file.path, AHEAD);
    let mut end = End { offset: BLOCK, number: file.first, broken: 0 };
    while let Some(bytes) = window.read(end.offset, GROUP_HEADER)? {
        let header = match GroupHeader::find(bytes, file.identity, end.offset, end.number) {
            Found::Header(header) => header,
            Found::Remains => return Ok(End { broken: BLOCK, ..end }),
            Found::Nothing => break,
        };
        let damaged = |why: &str| Error::damaged(&file.path, end.offset, why);
        if header.number != end.number {
            return Err(damaged(&format!("group {} stands where group {} is due", header.number, end.number)));
        }
        let Some(group) = window.read(end.offset, header.group_bytes() as usize)? else {
            return Err(damaged("a group is longer than the file"));
        };
        let Some(body) = header.body(group) else { return Ok(End { broken: header.group_bytes(), ..end }) };
        if read_entries(body, |entry| visit(end.number, entry))?.is_none() {
            return Err(damaged("a group does not consist of entries"));
        }
        end = End { offset: end.offset + header.group_bytes(), number: end.number + 1, broken: 0 };
    }
    Ok(end)
}

/// Accepts the end of the last file's groups, or names the damage: the writer syncs one group before it writes the next, so a header
/// of this use of the file behind a group that does not check says that this was not the last one.
pub(super) fn require_last(file: &JournalFile, end: End) -> Result<(), Error> {
    let mut window = Window::new(file.file.as_ref(), &file.path, AHEAD);
    let mut offset = end.offset + BLOCK;
    while let Some(bytes) = window.read(offset, GROUP_HEADER)? {
        if let Found::Header(later) = GroupHeader::find(bytes, file.identity, offset, 0) {
            let why = format!("group {} does not check, and group {} follows at {offset}", end.number, later.number);
            return Err(Error::damaged(&file.path, end.offset, why));
        }
        offset += BLOCK;
    }
    Ok(())
}

/// Whether the file holds a group of its present use.
pub(super) fn holds_groups(file: &JournalFile) -> Result<bool, Error> {
    let mut window = Window::new(file.file.as_ref(), &file.path, GROUP_HEADER);
    let first = window.read(BLOCK, GROUP_HEADER)?;
    Ok(first
        .is_some_and(|bytes| matches!(GroupHeader::find(bytes, file.identity, BLOCK, file.first), Found::Header(_))))
}
