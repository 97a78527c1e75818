//! Reading node logs: the tail after a failure, and `logs --follow`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// How much of the end of a log is ever read for a tail.
const TAIL_BYTES: u64 = 1024 * 1024;
/// How often a followed log is looked at again.
const POLL: Duration = Duration::from_millis(100);

/// The last `lines` lines of the file (of its last MiB); an absent or empty log gives an empty text.
pub fn tail(path: &Path, lines: usize) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Copies the log to `out`: all of it, or from the last `lines` lines on; with `follow`, for as long as `go_on` says.
/// A log that was replaced by a shorter one is read again from its beginning.
pub fn copy(
    path: &Path,
    lines: Option<usize>,
    follow: bool,
    out: &mut impl Write,
    go_on: impl Fn() -> bool,
) -> Result<()> {
    let mut position = match lines {
        None => 0,
        Some(lines) => {
            let text = tail(path, lines);
            if !text.is_empty() {
                writeln!(out, "{text}").context("cannot write the log")?;
            }
            std::fs::metadata(path).map_or(0, |meta| meta.len())
        }
    };
    loop {
        position = copy_from(path, position, out)?;
        if !follow || !go_on() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

fn copy_from(path: &Path, position: u64, out: &mut impl Write) -> Result<u64> {
    let context = || format!("cannot read the log {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let length = file.metadata().with_context(context)?.len();
    let start = if length < position { 0 } else { position };
    file.seek(SeekFrom::Start(start)).with_context(context)?;
    let copied = io::copy(&mut file, out).with_context(context)?;
    out.flush().context("cannot write the log")?;
    Ok(start + copied)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_and_a_missing_log_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        assert_eq!(tail(&path, 3), "");
        fs::write(&path, "a\nb\nc\nd\n").unwrap();
        assert_eq!(tail(&path, 2), "c\nd");
        assert_eq!(tail(&path, 9), "a\nb\nc\nd");
    }

    #[test]
    fn bytes_that_are_not_text_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        fs::write(&path, b"ok\n\xff\xfe\n").unwrap();
        assert!(tail(&path, 5).starts_with("ok\n"));
    }

    #[test]
    fn following_prints_what_is_added_and_starts_over_after_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        fs::write(&path, "one\ntwo\n").unwrap();
        let step = Cell::new(0);
        let mut out = Vec::new();
        copy(&path, Some(1), true, &mut out, || {
            step.set(step.get() + 1);
            match step.get() {
                1 => fs::write(&path, "one\ntwo\nthree\n").unwrap(),
                2 => fs::write(&path, "new\n").unwrap(),
                _ => return false,
            }
            true
        })
        .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "two\nthree\nnew\n");
    }

    #[test]
    fn a_missing_log_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = copy(&dir.path().join("gone.log"), None, false, &mut Vec::new(), || true).unwrap_err();
        assert!(format!("{error:#}").contains("gone.log"));
    }
}
