//! A moving view of a file, so that small things in it do not cost a system call each.

use std::path::Path;

use crate::Error;
use crate::disk::File;

/// Bytes of the first read: who wants one thing does not pay for the next.
const FIRST: usize = 4 << 10;

/// Reads more at once the longer it is read on. Memory: the largest range that was asked for, or what is read ahead.
pub(crate) struct Window<'a> {
    file: &'a dyn File,
    path: &'a Path,
    /// Bytes of the next read, at least, and of any.
    ahead: usize,
    most: usize,
    bytes: Vec<u8>,
    start: u64,
}

impl<'a> Window<'a> {
    /// Nothing is read yet; `path` is for messages. In the end `most` bytes are read at once, or what is asked for.
    pub(crate) fn new(file: &'a dyn File, path: &'a Path, most: usize) -> Self {
        Self { file, path, ahead: FIRST.min(most), most, bytes: Vec::new(), start: 0 }
    }

    /// Exactly `length` bytes at `offset`, or `None` where the file ends before.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error> {
        let inside = offset >= self.start && offset + length as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.bytes.resize(length.max(self.ahead), 0);
            let read = self.file.read_at(&mut self.bytes, offset).map_err(|e| Error::io("read", self.path, e))?;
            self.bytes.truncate(read);
            self.start = offset;
            self.ahead = (self.ahead * 4).min(self.most);
        }
        let begin = (offset - self.start) as usize;
        Ok(self.bytes.get(begin..begin + length))
    }
}
