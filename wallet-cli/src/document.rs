//! Streams documents through both hash functions in constant memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyralog_crypto::{DocumentDigest, DocumentHasher};

/// Bytes read at a time.
const PIECE: usize = 1024 * 1024;
/// Below this many bytes a bar would only flash.
const WORTH_A_BAR: u64 = 64 * 1024 * 1024;

/// Digests documents and shows how far it is.
#[derive(Debug)]
pub struct Digester {
    bar: ProgressBar,
    piece: Vec<u8>,
    most: u64,
}

impl Digester {
    /// For documents of `total` bytes together; `None` where that is not known (standard input). A bar appears on
    /// stderr where that is a terminal and there is much to do.
    pub fn new(total: Option<u64>) -> Self {
        let bar = match total {
            Some(total) if total < WORTH_A_BAR => ProgressBar::hidden(),
            Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
        };
        let template = if total.is_some() {
            "{wide_msg} {bytes}/{total_bytes} {bar:24} {bytes_per_sec} {eta}"
        } else {
            "{wide_msg} {bytes} {bytes_per_sec} {spinner}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, piece: vec![0; PIECE], most: u64::MAX }
    }

    /// Refuses a document of more than `most` bytes with [`io::ErrorKind::FileTooLarge`] as soon as that many are read: what has no end is
    /// not read for ever.
    #[must_use]
    pub fn at_most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// Digests one file. A file that changes while it is read is refused: its digest would be of no state it ever had.
    pub fn file(&mut self, path: &Path) -> io::Result<DocumentDigest> {
        let mut file = File::open(path)?;
        let before = file.metadata()?;
        if before.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.bar.set_message(crate::output::shown(path));
        let digest = self.read(&mut file)?;
        if before.is_file() {
            let after = file.metadata()?;
            let same_time = before.modified().ok() == after.modified().ok();
            if !same_time || digest.size != after.len() || before.len() != after.len() {
                return Err(io::Error::other("it changed while it was read; try again when nothing writes to it"));
            }
        }
        Ok(digest)
    }

    /// Digests standard input up to its end.
    pub fn stdin(&mut self) -> io::Result<DocumentDigest> {
        self.bar.set_message("standard input");
        self.read(&mut io::stdin().lock())
    }

    fn read(&mut self, source: &mut dyn Read) -> io::Result<DocumentDigest> {
        let mut hasher = DocumentHasher::new();
        let mut left = self.most;
        loop {
            match source.read(&mut self.piece) {
                Ok(0) => return Ok(hasher.finalize()),
                Ok(count) => {
                    left = left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
                    hasher.update(&self.piece[..count]);
                    self.bar.inc(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Digester {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pyralog_crypto::{Blake3, MerkleHash, Sha256};

    use super::*;

    #[test]
    fn both_digests_and_the_size_are_those_of_the_whole_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ünï code.bin");
        let content: Vec<u8> = (0..3 * PIECE + 17).map(|i| (i % 251) as u8).collect();
        fs::write(&path, &content).unwrap();
        let digest = Digester::new(None).file(&path).unwrap();
        assert_eq!(digest.blake3, Blake3::digest(&content));
        assert_eq!(digest.sha256, Sha256::digest(&content));
        assert_eq!(digest.size, content.len() as u64);
    }

    #[test]
    fn an_empty_file_has_the_digests_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        fs::write(&path, b"").unwrap();
        assert_eq!(Digester::new(Some(0)).file(&path).unwrap(), DocumentDigest::of(b""));
    }

    #[test]
    fn reading_ends_where_a_document_is_longer_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(Digester::new(None).at_most(5).file(&path).unwrap(), DocumentDigest::of(b"12345"));
        assert_eq!(Digester::new(None).at_most(4).file(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let endless = Digester::new(None).at_most(3 * PIECE as u64).read(&mut io::repeat(7));
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_directory_and_a_missing_file_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let mut digester = Digester::new(None);
        assert!(digester.file(dir.path()).is_err());
        assert_eq!(digester.file(&dir.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn pieces_of_any_size_give_the_same_digest_and_errors_pass_through() {
        struct Dribble<'a>(&'a [u8], usize, bool);
        impl Read for Dribble<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1.is_multiple_of(3) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                if self.2 && self.0.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let count = self.0.len().min(5).min(out.len());
                out[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let text = b"the quick brown fox jumps over the lazy dog";
        let mut digester = Digester::new(None);
        assert_eq!(digester.read(&mut Dribble(text, 0, false)).unwrap(), DocumentDigest::of(text));
        assert!(digester.read(&mut Dribble(text, 0, true)).is_err());
    }
}
