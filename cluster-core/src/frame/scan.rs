//! Reading a frame file back, and telling a torn last frame from damage.

use super::{FRAME_HEADER, FRAME_MAGIC, FrameFile, MAX_FRAME_BYTES, u32_at};
use crate::Error;

/// A last frame that a crash left incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Torn {
    /// Where it begins.
    pub(crate) offset: u64,
    /// Bytes from there to the end of the file.
    pub(crate) bytes: u64,
}

impl FrameFile {
    /// Gives each whole frame to `visit` as (offset of the payload, payload), from offset `from`, and sets the end for appending.
    /// Answers the torn last frame, if there is one; the file is not changed. Memory: one frame and a 256 KiB window.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a frame does not check and whole frames, or more bytes than one frame can have, follow it.
    pub(crate) fn replay(
        &mut self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<Option<Torn>, Error> {
        let size = self.file.size().map_err(|e| Error::io("measure", &self.path, e))?;
        if size < from {
            return Err(Error::damaged(
                &self.path,
                size,
                format!("the file ends before offset {from}, where a frame begins"),
            ));
        }
        let mut window = Window { frames: self, bytes: Vec::new(), start: 0 };
        let mut offset = from;
        let mut torn = None;
        while offset < size {
            match window.frame(offset, size)? {
                Found::Whole { payload } => {
                    let at = offset + FRAME_HEADER;
                    visit(at, payload)?;
                    offset = at + payload.len() as u64;
                }
                Found::Broken { claimed_end } => {
                    window.require_torn(offset, claimed_end, size)?;
                    torn = Some(Torn { offset, bytes: size - offset });
                    break;
                }
            }
        }
        self.end = offset;
        Ok(torn)
    }
}

enum Found<'a> {
    Whole {
        payload: &'a [u8],
    },
    /// The frame does not check. `claimed_end` is where it says it ends, if its header does check.
    Broken {
        claimed_end: Option<u64>,
    },
}

/// A moving view of the file, so that small frames do not cost a system call each.
struct Window<'a> {
    frames: &'a FrameFile,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    const AHEAD: usize = 256 << 10;

    /// Exactly `length` bytes at `offset`, or `None` where the file ends before.
    fn read(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error> {
        let inside = offset >= self.start && offset + length as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.bytes.resize(length.max(Self::AHEAD), 0);
            let FrameFile { file, path, .. } = self.frames;
            let read = file.read_at(&mut self.bytes, offset).map_err(|e| Error::io("read", path, e))?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        let begin = (offset - self.start) as usize;
        Ok(self.bytes.get(begin..begin + length))
    }

    /// The frame at `offset` of a file of `size` bytes.
    fn frame(&mut self, offset: u64, size: u64) -> Result<Found<'_>, Error> {
        let identity = self.frames.identity;
        let Some(header) = self.read(offset, FRAME_HEADER as usize)? else {
            return Ok(Found::Broken { claimed_end: None });
        };
        let (length, payload_crc) = (u32_at(header, 4), u32_at(header, 8));
        let checks = header[..4] == FRAME_MAGIC
            && u32_at(header, 12) == identity.header_crc(offset, length, payload_crc)
            && (1..=MAX_FRAME_BYTES).contains(&(length as usize));
        if !checks {
            return Ok(Found::Broken { claimed_end: None });
        }
        let claimed_end = offset + FRAME_HEADER + u64::from(length);
        if claimed_end > size {
            return Ok(Found::Broken { claimed_end: Some(claimed_end) });
        }
        match self.read(offset + FRAME_HEADER, length as usize)? {
            Some(payload) if crc32c::crc32c(payload) == payload_crc => Ok(Found::Whole { payload }),
            _ => Ok(Found::Broken { claimed_end: Some(claimed_end) }),
        }
    }

    /// Accepts the broken frame at `offset` as the torn last one, or names the damage.
    fn require_torn(&mut self, offset: u64, claimed_end: Option<u64>, size: u64) -> Result<(), Error> {
        let path = &self.frames.path;
        if let Some(end) = claimed_end {
            return if end >= size {
                Ok(())
            } else {
                Err(Error::damaged(path, offset, format!("a frame does not check, and {} bytes follow it", size - end)))
            };
        }
        if size - offset > FRAME_HEADER + MAX_FRAME_BYTES as u64 {
            let why =
                format!("a frame does not check, and the {} bytes from it on are more than one frame", size - offset);
            return Err(Error::damaged(path, offset, why));
        }
        // The header itself is broken: if a whole frame stands anywhere behind it, this was not the last one.
        let tail = self.read(offset, (size - offset) as usize)?.unwrap_or_default().to_vec();
        let candidates = tail.windows(FRAME_MAGIC.len()).enumerate().skip(1).filter(|(_, word)| *word == FRAME_MAGIC);
        for (distance, _) in candidates {
            let later = offset + distance as u64;
            if let Found::Whole { .. } = self.frame(later, size)? {
                let path = &self.frames.path;
                return Err(Error::damaged(
                    path,
                    offset,
                    format!("a frame does not check, and a whole one follows at {later}"),
                ));
            }
        }
        Ok(())
    }
}
