//! Receipt files: either form read, the form that belongs to the name written.

use std::path::Path;

use pyralog_consensus::receipt::{MAX_CBOR_BYTES, MAX_JSON_BYTES, ReceiptError, ReceiptFile, ReceiptFormat};

use crate::error::{Context, Failure, Result};
use crate::files;

/// Mode of receipts and pending receipts: the salt of a hidden document lets anyone test guesses, so they are private
/// until their owner hands them out.
pub const MODE: u32 = files::SECRET;

/// Reads a receipt of any kind. Whatever is no receipt is an invalid proof (exit 3), an unreadable file an error (1).
pub fn read(path: &Path) -> Result<ReceiptFile> {
    let bytes = read_bytes(path)?;
    ReceiptFile::parse(&bytes).map_err(|error| match no_receipt(&bytes) {
        Some(why) => Failure::invalid(format!("{} is not a receipt: {why}", path.display())),
        None => failure(path, &error),
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

/// The bytes of a receipt file, bounded.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let limit = MAX_JSON_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .context(|| format!("cannot read the receipt {}", path.display()))?;
    Ok(bytes)
}

/// The bytes of `receipt` in the form that belongs to `path`: CBOR for `.cbor`, else JSON.
pub fn encode(path: &Path, receipt: &impl ReceiptFormat) -> Result<Vec<u8>> {
    let bytes = if is_cbor(path) { receipt.to_cbor() } else { receipt.to_json().map(String::into_bytes) };
    bytes.context(|| format!("cannot encode the receipt {}", path.display()))
}

/// Whether a receipt called `path` is written as CBOR.
pub fn is_cbor(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("cbor"))
}

/// The failure for a receipt that does not verify, with the exit code of its class.
pub fn failure(path: &Path, error: &ReceiptError) -> Failure {
    let message = format!("{}: {error}", path.display());
    match error {
        ReceiptError::Pending(_) => Failure::pending(message).next(format!("pyralog receipt fetch {}", quoted(path))),
        ReceiptError::Untrusted(_) => Failure::untrusted(message),
        // Invalid, and whatever else may be wrong with a receipt one day: never to be taken for a success.
        _ => Failure::invalid(message),
    }
}

/// A path as it can be typed into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
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
        fn a_shell_reads_a_quoted_path_back(name in "[^\0/]{1,40}") {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(Path::new(&name)))])
                .output()
                .unwrap();
            proptest::prop_assert_eq!(String::from_utf8_lossy(&output.stdout), name);
        }
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("a/b-1.json")), "a/b-1.json");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
    }
}
