//! Receipt files: either form read, the form that belongs to the name written.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use pyralog_consensus::receipt::{MAX_CBOR_BYTES, MAX_JSON_BYTES, ReceiptError, ReceiptFile, ReceiptFormat};

use crate::error::{Context, Failure, Result};
use crate::files;
use crate::output::{shown, steers};

/// Mode of receipts and pending receipts: the salt of a hidden document lets anyone test guesses, so they are private
/// until their owner hands them out.
pub const MODE: u32 = files::SECRET;
/// How standard input is called in messages.
pub const STDIN: &str = "standard input";

/// Reads a receipt of any kind. Whatever is no receipt is an invalid proof (exit 3), an unreadable file an error (1).
pub fn read(path: &Path) -> Result<ReceiptFile> {
    let read = std::fs::File::open(path).and_then(bounded);
    parse(&shown(path), &read.context(|| format!("cannot read the receipt {}", shown(path)))?)
}

/// The same, with - for standard input.
pub fn read_or_stdin(path: &Path) -> Result<ReceiptFile> {
    if !is_stdin(path) {
        return read(path);
    }
    let bytes = bounded(std::io::stdin().lock()).context(|| "cannot read standard input".to_owned())?;
    parse(STDIN, &bytes)
}

/// Whether a path is the word for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The bytes of a receipt, and one more where it is longer than any receipt.
fn bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_JSON_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(name: &str, bytes: &[u8]) -> Result<ReceiptFile> {
    // Where reading stopped is not where the file ends.
    if bytes.len() > MAX_JSON_BYTES {
        return Err(Failure::invalid(format!("{name} is not a receipt: it is longer than {MAX_JSON_BYTES} bytes")));
    }
    ReceiptFile::parse(bytes).map_err(|error| {
        Failure::invalid(match no_receipt(bytes) {
            Some(why) => format!("{name} is not a receipt: {why}"),
            None => format!("{name}: {error}"),
        })
    })
}

/// What bytes that do not parse are instead of a receipt, where the parser's own words would not help: it takes everything
/// that is no JSON object for CBOR, whose decoder speaks of its own types.
fn no_receipt(bytes: &[u8]) -> Option<&'static str> {
    const NO_OBJECT: &str = "a receipt in JSON is an object and begins with {";
    let text = bytes.trim_ascii_start();
    match text.first() {
        None => Some("it is empty"),
        Some(b'{') => None,
        _ if bytes.len() > MAX_CBOR_BYTES => None,
        Some(b'[') => Some(NO_OBJECT),
        _ if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() => Some(NO_OBJECT),
        _ => Some("neither JSON nor the deterministic CBOR of one"),
    }
}

/// The bytes of `receipt` in the form that belongs to `path`: CBOR for `.cbor`, else JSON.
pub fn encode(path: &Path, receipt: &impl ReceiptFormat) -> Result<Vec<u8>> {
    let bytes = if is_cbor(path) { receipt.to_cbor() } else { receipt.to_json().map(String::into_bytes) };
    bytes.context(|| format!("cannot encode the receipt {}", shown(path)))
}

/// Whether a receipt called `path` is written as CBOR.
pub fn is_cbor(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("cbor"))
}

/// The failure for a receipt that does not verify, with the exit code of its class.
pub fn failure(path: &Path, error: &ReceiptError) -> Failure {
    let name = if is_stdin(path) { STDIN.to_owned() } else { shown(path) };
    let message = format!("{name}: {error}");
    match error {
        ReceiptError::Pending(_) if is_stdin(path) => {
            Failure::pending(message).next("write it to a file, and complete it there: pyralog receipt fetch FILE")
        }
        ReceiptError::Pending(_) => Failure::pending(message).next(format!("pyralog receipt fetch {}", quoted(path))),
        ReceiptError::Untrusted(_) => Failure::untrusted(message),
        // Invalid, and whatever else may be wrong with a receipt one day: never to be taken for a success.
        _ => Failure::invalid(message),
    }
}

/// A path as it can be typed into a shell, and is not taken for an option.
pub fn quoted(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return word(Path::new(".").join(path).as_os_str());
    }
    word(path.as_os_str())
}

/// A word as it can be typed into a shell: bare, in quotes, or as `$'…'` where it holds what cannot be shown.
pub fn word(text: &OsStr) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "./_-+=:,@%".contains(c);
    match text.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(bare) => text.to_owned(),
        Some(text) if !text.chars().any(steers) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => ansi_c(text),
    }
}

/// `$'…'`, which bash, zsh and ksh read. Bytes stand in hexadecimal, so that no locale changes what they mean.
fn ansi_c(text: &OsStr) -> String {
    let mut quoted = String::from("$'");
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                c if steers(c) => quoted.push_str(&hexadecimal(c.encode_utf8(&mut [0; 4]).as_bytes())),
                c => quoted.push(c),
            }
        }
        quoted.push_str(&hexadecimal(chunk.invalid()));
    }
    quoted.push('\'');
    quoted
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_an_invalid_proof_and_a_missing_file_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        assert_eq!(read(&path).unwrap_err().code(), 1);
        for nonsense in [&b""[..], b"{}", b"{\"type\":\"x\"}", b"\xff\xff", b"[1,2"] {
            std::fs::write(&path, nonsense).unwrap();
            assert_eq!(read(&path).unwrap_err().code(), 3, "{nonsense:?}");
        }
    }

    #[test]
    fn what_is_no_receipt_is_said_in_plain_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contract.txt");
        for (bytes, why) in [
            (&b""[..], "is not a receipt: it is empty"),
            (b" \n", "is not a receipt: it is empty"),
            (b"the contract", "is not a receipt: neither JSON nor the deterministic CBOR of one"),
            (b"\xa1\x61a\x01", "is not a receipt: neither JSON nor the deterministic CBOR of one"),
            (b"[1,2]", "is not a receipt: a receipt in JSON is an object"),
            (b"[1,", "is not a receipt: a receipt in JSON is an object"),
            (b" \"x\"", "is not a receipt: a receipt in JSON is an object"),
            (b"{\"a\":", "is not a receipt in JSON"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(why), "{bytes:?}: {message}");
            assert!(!message.contains("Semantic") && !message.contains("Io("), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_said_to_end_where_reading_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        for begin in [&b"{"[..], b"x"] {
            std::fs::write(&path, begin).unwrap();
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.code(), 3);
            assert!(failure.to_string().contains("longer than 8388608 bytes"), "{failure}");
        }
    }

    #[test]
    fn a_name_cannot_steer_the_terminal_and_its_command_can_be_pasted() {
        let path = Path::new("a\u{1b}[2J.json");
        let pending = failure(path, &ReceiptError::Pending("not yet".to_owned()));
        assert!(pending.to_string().starts_with("a\\u{1b}[2J.json: "), "{pending}");
        assert_eq!(pending.report().next.as_deref(), Some("pyralog receipt fetch $'a\\x1b[2J.json'"));
        let stdin = failure(Path::new("-"), &ReceiptError::Pending("not yet".to_owned()));
        assert!(stdin.to_string().starts_with("standard input: "), "{stdin}");
    }

    #[test]
    fn classes_keep_their_exit_codes_and_pending_names_the_next_command() {
        let path = Path::new("my receipt.json");
        let pending = failure(path, &ReceiptError::Pending("not yet".to_owned()));
        assert_eq!(pending.code(), 4);
        assert_eq!(pending.report().next.as_deref(), Some("pyralog receipt fetch 'my receipt.json'"));
        assert_eq!(failure(path, &ReceiptError::Untrusted("old".to_owned())).code(), 5);
    }

    #[test]
    fn the_name_decides_the_form() {
        assert!(is_cbor(Path::new("a.receipt.cbor")) && is_cbor(Path::new("a.CBOR")));
        assert!(!is_cbor(Path::new("a.json")) && !is_cbor(Path::new("cbor")));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn random_bytes_are_an_invalid_proof_and_never_a_panic(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("r");
            std::fs::write(&path, &bytes).unwrap();
            proptest::prop_assert_eq!(read(&path).unwrap_err().code(), 3);
        }

        #[test]
        fn every_shell_reads_a_word_that_can_be_shown_back(name in "[^\0/]{1,40}") {
            let name: String = name.chars().filter(|c| !steers(*c)).collect();
            let quoted = word(OsStr::new(&name));
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {quoted}")]).output().unwrap();
            proptest::prop_assert_eq!(String::from_utf8_lossy(&output.stdout), name);
        }

        #[test]
        fn bash_reads_any_word_back(name in proptest::collection::vec(1u8.., 1..40)) {
            use std::os::unix::ffi::OsStrExt;
            let quoted = word(OsStr::from_bytes(&name));
            proptest::prop_assert!(!quoted.chars().any(steers), "{}", quoted);
            let Ok(output) = std::process::Command::new("bash").args(["-c", &format!("printf %s {quoted}")]).output() else {
                return Ok(());
            };
            proptest::prop_assert_eq!(output.stdout, name);
        }
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("a/b-1.json")), "a/b-1.json");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
        assert_eq!(quoted(Path::new("")), "''");
        assert_eq!(quoted(Path::new("-r")), "./-r", "not an option");
        assert_eq!(quoted(Path::new("a\u{1b}[2J\n'\\ü")), "$'a\\x1b[2J\\n\\'\\\\ü'");
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(quoted(Path::new(OsStr::from_bytes(b"f\xfe e"))), "$'f\\xfe e'");
    }
}
