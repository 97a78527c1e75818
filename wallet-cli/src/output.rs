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
    print_raw(document_text(document)?.as_bytes())
}

/// JSON with the control characters escaped too that it may hold as they are (DEL and those from 80 to 9f).
fn document_text(document: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(document).context(|| "cannot encode the result".to_owned())?;
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
    let mut stdout = io::stdout().lock();
    closed_is_fine(stdout.write_all(bytes).and_then(|()| stdout.flush()))
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
    let mut stdout = anstream::stdout().lock();
    closed_is_fine(writeln!(stdout, "{}", styled(text.trim_end_matches('\n'))).and_then(|()| stdout.flush()))
}

fn closed_is_fine(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to standard output".to_owned()),
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
        assert_eq!(document_text(&serde_json::json!("\u{9b}\u{7f}ü")).unwrap(), "\"\\u009b\\u007fü\"\n");
    }

    #[test]
    fn a_closed_reader_is_fine_and_a_full_disk_is_not() {
        assert!(closed_is_fine(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert_eq!(closed_is_fine(Err(io::ErrorKind::StorageFull.into())).unwrap_err().code(), 1);
    }
}
