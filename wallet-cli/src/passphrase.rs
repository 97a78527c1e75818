//! Passphrases: from a file, from a hidden prompt, or generated. Never from the command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::output::{note, shown};

/// Largest password file read.
const MAX_PASSWORD_FILE: u64 = 4096;
/// Shortest passphrase accepted for a new key.
const MIN_LENGTH: usize = 8;
/// Random bytes in a generated passphrase: 160 bits.
const GENERATED_BYTES: usize = 20;

/// Where the passphrase of an existing key comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct PassphraseArgs {
    /// Read the passphrase from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", env = "PYRALOG_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
}

/// Where the passphrase of a new key comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct NewPassphraseArgs {
    /// Read the passphrase from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", env = "PYRALOG_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Generate a strong passphrase and write it to FILE (mode 0600, never replacing one); keep FILE apart from the key
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    pub generate_passphrase: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase that opens `what`.
    pub fn obtain(&self, what: &str) -> Result<Zeroizing<String>> {
        match &self.password_file {
            Some(path) => from_file(path),
            None => prompt(&format!("Passphrase of {what}"), None),
        }
    }
}

impl NewPassphraseArgs {
    /// The passphrase that will seal `what`.
    pub fn obtain(&self, what: &str) -> Result<Zeroizing<String>> {
        let passphrase = match (&self.generate_passphrase, &self.password_file) {
            (Some(path), _) => return generate(path),
            (None, Some(path)) => from_file(path)?,
            (None, None) => prompt(&format!("New passphrase for {what}"), Some("Once more"))?,
        };
        if passphrase.chars().count() < MIN_LENGTH {
            return Err(Failure::error(format!("the passphrase has fewer than {MIN_LENGTH} characters"))
                .next("use a longer one, or let one be made with --generate-passphrase FILE"));
        }
        Ok(passphrase)
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(files::read_bounded(path, MAX_PASSWORD_FILE)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::error(format!("the password file {} is not UTF-8 text", shown(path))))?;
    let line = text.split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::error(format!("the first line of the password file {} is empty", shown(path))));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn prompt(question: &str, confirm: Option<&str>) -> Result<Zeroizing<String>> {
    if !std::io::stderr().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::error("a passphrase is needed and there is no terminal to ask on")
            .next("give it in a file: --password-file FILE"));
    }
    let mut dialog = dialoguer::Password::new().with_prompt(question);
    if let Some(again) = confirm {
        dialog = dialog.with_confirmation(again, "the two differ, try again");
    }
    dialog.interact().map(Zeroizing::new).context(|| "cannot read the passphrase".to_owned())
}

fn generate(path: &Path) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; GENERATED_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).context(|| "the system gives no randomness".to_owned())?;
    let encoded = Zeroizing::new(hex::encode(bytes.as_slice()));
    // Groups of five are read and typed with fewer mistakes.
    let groups: Vec<&str> = (0..encoded.len()).step_by(5).filter_map(|at| encoded.get(at..at + 5)).collect();
    let passphrase = Zeroizing::new(groups.join("-"));
    let line = Zeroizing::new(format!("{}\n", passphrase.as_str()));
    files::write(path, line.as_bytes(), files::SECRET, Existing::Keep)
        .context(|| format!("cannot write the passphrase to {}", shown(path)))?;
    note(&format!("the passphrase is in {}; keep it apart from the key", shown(path)));
    Ok(passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_first_line_counts_without_its_line_end() {
        for text in [b"open sesame".as_slice(), b"open sesame\n", b"open sesame\r\nsecond\n"] {
            let (_dir, path) = written(text);
            assert_eq!(from_file(&path).unwrap().as_str(), "open sesame");
        }
        let (_dir, path) = written(b" spaces stay \n");
        assert_eq!(from_file(&path).unwrap().as_str(), " spaces stay ");
    }

    #[test]
    fn empty_binary_and_huge_password_files_are_refused_by_name() {
        for text in [b"".to_vec(), b"\nsecond".to_vec(), vec![0xff, 0xfe], vec![b'a'; 5000]] {
            let (_dir, path) = written(&text);
            assert!(from_file(&path).unwrap_err().to_string().contains("password"), "{text:?}");
        }
    }

    #[test]
    fn a_short_new_passphrase_is_refused() {
        let (_dir, path) = written(b"1234567\n");
        let args = NewPassphraseArgs { password_file: Some(path), generate_passphrase: None };
        assert!(args.obtain("x").unwrap_err().to_string().contains("fewer than 8"));
    }

    #[test]
    fn a_generated_passphrase_is_strong_private_and_readable_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        let args = NewPassphraseArgs { password_file: None, generate_passphrase: Some(path.clone()) };
        let passphrase = args.obtain("x").unwrap();
        assert_eq!(passphrase.len(), 2 * GENERATED_BYTES + 7);
        assert_eq!(from_file(&path).unwrap(), passphrase);
        assert_eq!(args.obtain("x").unwrap_err().code(), 1, "an existing passphrase is never replaced");
    }
}
