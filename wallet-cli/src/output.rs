//! What is printed where: the result on stdout, everything else on stderr.

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::error::{Context, Failure, Result};

/// Style of a success word.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of a failure word.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of a word that asks for patience or attention.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Style of what is worth less attention.
pub const DIM: Style = Style::new().dimmed();

/// What a command produced: one JSON document and the same as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// For `--json`.
    pub document: Value,
    /// For people; may hold ANSI styles, which are stripped where stdout is no terminal.
    pub text: String,
    /// A failure that came with a partial result (some files of many were not done): decides the exit code.
    pub failure: Option<Failure>,
}

impl Output {
    /// A complete success.
    pub fn new(document: Value, text: impl Into<String>) -> Self {
        Self { document, text: text.into(), failure: None }
    }
}

/// Prints the one result of the command.
pub fn print(output: &Output, json: bool) -> Result<()> {
    if json { print_document(&output.document) } else { print_text(&output.text) }
}

/// Prints one JSON document on stdout.
pub fn print_document(document: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(document).context(|| "cannot encode the result".to_owned())?;
    print_raw(format!("{text}\n").as_bytes())
}

/// Prints exactly `bytes` on stdout. A reader that has gone away (`| head`) is no error.
pub fn print_raw(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    closed_is_fine(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Prints a failure on stderr: the sentence, and what to type next.
pub fn print_failure(failure: &Failure) {
    let report = failure.report();
    let style = if matches!(failure, Failure::Pending(_)) { WARN } else { BAD };
    note(&format!("{style}{}:{style:#} {}", failure.class(), report.message));
    if let Some(next) = &report.next {
        note(&format!("  {DIM}next:{DIM:#} {next}"));
    }
}

/// Prints a line on stderr.
pub fn note(line: &str) {
    // stderr may be closed; there is nowhere left to say so.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn print_text(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut stdout = anstream::stdout().lock();
    closed_is_fine(writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()))
}

fn closed_is_fine(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to standard output".to_owned()),
    }
}

/// A path in a JSON document. Names that are not UTF-8 get replacement characters: JSON has no other way to hold them.
pub fn path_json(path: &Path) -> Value {
    path.to_string_lossy().into()
}

/// `text` with control characters made visible: file names and metadata come from others and may hold terminal escapes.
pub fn safe(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_are_made_visible_and_letters_kept() {
        assert_eq!(safe("naïve 文書.pdf"), "naïve 文書.pdf");
        assert_eq!(safe("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
    }

    #[test]
    fn a_path_that_is_not_utf8_has_a_json_form() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"d/f\xfe"));
        assert_eq!(path_json(path), "d/f\u{fffd}");
    }

    #[test]
    fn a_closed_reader_is_fine_and_a_full_disk_is_not() {
        assert!(closed_is_fine(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert_eq!(closed_is_fine(Err(io::ErrorKind::StorageFull.into())).unwrap_err().code(), 1);
    }
}
