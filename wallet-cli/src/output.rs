//! What is printed where: the result on stdout, everything else on stderr.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether each document is one line.
static LINES: AtomicBool = AtomicBool::new(false);

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

/// From now on each JSON document is one line, the last one too: for commands that print many.
pub fn document_per_line() {
    LINES.store(true, Ordering::SeqCst);
}

/// Prints one JSON document on stdout.
pub fn print_document(document: &Value) -> Result<()> {
    print_raw(document_text(document, LINES.load(Ordering::SeqCst))?.as_bytes())
}

/// A JSON document on one line, with its line feed.
pub fn document_line(document: &Value) -> Result<String> {
    document_text(document, true)
}

/// JSON with the control characters escaped too that it may hold as they are (DEL and those from 80 to 9f).
fn document_text(document: &Value, one_line: bool) -> Result<String> {
    let text = if one_line { serde_json::to_string(document) } else { serde_json::to_string_pretty(document) };
    let text = text.context(|| "cannot encode the result".to_owned())?;
    let mut result = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            result.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            result.push(c);
        }
    }
    result.push('\n');
    Ok(result)
}

/// Prints exactly `bytes` on stdout. A reader that has gone away (`| head`) is no error.
pub fn print_raw(bytes: &[u8]) -> Result<()> {
    stream_raw(bytes).map(drop)
}

/// The same, and whether the reader is still there: who has more to print need not go on without one.
pub fn stream_raw(bytes: &[u8]) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    still_read(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Prints lines of the result before its end, and says whether the reader is still there.
pub fn stream_text(text: &str) -> Result<bool> {
    let mut stdout = anstream::stdout().lock();
    still_read(write!(stdout, "{}", styled(text)).and_then(|()| stdout.flush()))
}

/// Prints a failure on stderr: the sentence, and what to type next.
pub fn print_failure(failure: &Failure) {
    let report = failure.report();
    let style = if matches!(failure, Failure::Pending(_)) { WARN } else { BAD };
    note(&format!("{style}{}:{style:#} {}", failure.class(), safe(&report.message)));
    if let Some(next) = &report.next {
        print_next(next);
    }
}

/// Prints on stderr what to type next.
pub fn print_next(next: &str) {
    note(&format!("  {DIM}next:{DIM:#} {}", safe(next)));
}

/// Prints a line on stderr.
pub fn note(line: &str) {
    // stderr may be closed; there is nowhere left to say so.
    let _ = writeln!(anstream::stderr().lock(), "{}", styled(line));
}

fn print_text(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    stream_text(&format!("{}\n", text.trim_end_matches('\n'))).map(drop)
}

fn still_read(result: io::Result<()>) -> Result<bool> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).context(|| "cannot write to standard output".to_owned()),
    }
}

/// Adds the path of a file to a JSON document: as it is where it is UTF-8; else with replacement characters, and its bytes
/// in hexadecimal digits beside it as `KEY_hex`, since JSON has no other way to hold them.
pub fn with_path(mut document: Value, key: &str, path: &Path) -> Value {
    document[key] = path.to_string_lossy().into();
    if path.to_str().is_none() {
        document[format!("{key}_hex")] = hex::encode(path.as_os_str().as_encoded_bytes()).into();
    }
    document
}

/// A path for people: [`safe`], with bytes that are not UTF-8 as `\xNN`.
pub fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&safe(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// `text` with control characters made visible: file names and metadata come from others and may hold terminal escapes.
pub fn safe(text: &str) -> String {
    text.chars().flat_map(|c| if steers(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Whether a character steers a terminal instead of being shown: controls, and those that turn the direction of writing.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of several lines with our own styles in it; all other control characters are made visible.
fn styled(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = style_length(rest);
        let kept = if style > 0 { style } else { c.len_utf8() };
        let (head, tail) = rest.split_at(kept);
        if style > 0 || matches!(c, '\n' | '\t') {
            result.push_str(head)
        } else {
            result.push_str(&safe(head))
        }
        rest = tail;
    }
    result
}

/// The length of the colour or weight that `text` begins with (`ESC [ digits m`), 0 if it begins with none.
fn style_length(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return 0 };
    match inner.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(end) if inner[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
    }
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
    fn a_path_keeps_its_bytes_in_json_and_shows_them_to_people() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"d/f\xfe"));
        let document = with_path(serde_json::json!({}), "file", path);
        assert_eq!(document, serde_json::json!({ "file": "d/f\u{fffd}", "file_hex": "642f66fe" }));
        assert_eq!(shown(path), "d/f\\xfe");
        let plain = with_path(serde_json::json!({}), "file", Path::new("a\u{1b}\nü"));
        assert_eq!(plain, serde_json::json!({ "file": "a\u{1b}\nü" }), "the real characters, and no second form");
        assert_eq!(shown(Path::new("a\u{1b}\nü\u{202e}")), "a\\u{1b}\\nü\\u{202e}");
    }

    #[test]
    fn what_is_printed_keeps_our_styles_and_no_other_control() {
        let text = format!("{GOOD}good{GOOD:#}\n\tnext");
        assert_eq!(styled(&text), text);
        for (raw, printed) in [
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{1b}", "\\u{1b}"),
            ("\u{1b}[1", "\\u{1b}[1"),
            ("a\rb\u{9b}2J", "a\\rb\\u{9b}2J"),
        ] {
            assert_eq!(styled(raw), printed);
        }
        assert_eq!(document_text(&serde_json::json!("\u{9b}\u{7f}ü"), false).unwrap(), "\"\\u009b\\u007fü\"\n");
    }

    #[test]
    fn a_closed_reader_is_fine_and_a_full_disk_is_not() {
        assert!(still_read(Ok(())).unwrap());
        assert!(!still_read(Err(io::ErrorKind::BrokenPipe.into())).unwrap());
        assert_eq!(still_read(Err(io::ErrorKind::StorageFull.into())).unwrap_err().code(), 1);
    }

    #[test]
    fn a_document_of_many_is_one_line() {
        let document = serde_json::json!({ "a": "x\ny", "b": [1, 2] });
        assert_eq!(document_line(&document).unwrap(), "{\"a\":\"x\\ny\",\"b\":[1,2]}\n");
        assert_eq!(document_text(&document, false).unwrap().lines().count(), 7);
    }
}
