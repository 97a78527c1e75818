//! Sealed keys of the node: made by `init`, opened at `start`.

use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pyralog_crypto::keystore::{self, KdfParams, NONCE_BYTES, SALT_BYTES};
use pyralog_crypto::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::home::{Home, SECRET, read_bounded, write_atomic};

#[cfg(test)]
mod tests;

const MAX_PASSWORD_BYTES: u64 = 4096;

/// The three keys of a node.
pub struct NodeKeys {
    /// Signs votes and blocks.
    pub validator: SigningKey,
    /// Signs checkpoints and promises of our notary log.
    pub log: SigningKey,
    /// The peer-to-peer identity.
    pub peer: SigningKey,
}

/// The public halves, for the genesis file of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PublicKeys {
    /// Of votes and blocks.
    pub validator: PublicKey,
    /// Of the notary log.
    pub log: PublicKey,
    /// Of the peer-to-peer identity.
    pub peer: PublicKey,
}

impl NodeKeys {
    /// Draws three keys from the system's randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self { validator: new_key()?, log: new_key()?, peer: new_key()? })
    }

    /// The public halves.
    pub fn public(&self) -> PublicKeys {
        PublicKeys { validator: self.validator.public_key(), log: self.log.public_key(), peer: self.peer.public_key() }
    }

    /// Seals all three under one passphrase and writes them, mode 0600. Existing files are never overwritten.
    pub fn save(&self, home: &Home, passphrase: &[u8], cost: KdfParams) -> Result<()> {
        let files =
            [(home.validator_key(), &self.validator), (home.log_key(), &self.log), (home.peer_key(), &self.peer)];
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(Error::key(path, "this key exists already and is never overwritten; use another --home"));
        }
        for (path, key) in &files {
            let sealed = keystore::seal(key, passphrase, cost, random::<SALT_BYTES>()?, random::<NONCE_BYTES>()?)
                .map_err(|e| Error::key(path, e.to_string()))?;
            write_atomic(path, &sealed, SECRET)?;
        }
        Ok(())
    }

    /// Opens all three.
    pub fn load(home: &Home, passphrase: &[u8]) -> Result<Self> {
        Ok(Self {
            validator: open(&home.validator_key(), passphrase)?,
            log: open(&home.log_key(), passphrase)?,
            peer: open(&home.peer_key(), passphrase)?,
        })
    }
}

impl PublicKeys {
    /// Reads the clear parts of the keystores; needs no passphrase.
    pub fn load(home: &Home) -> Result<Self> {
        let read = |path: &Path| -> Result<PublicKey> {
            let bytes = read_bounded(path, keystore::MAX_KEYSTORE_BYTES as u64)?;
            Ok(keystore::inspect(&bytes).map_err(|e| Error::key(path, e.to_string()))?.public_key)
        };
        Ok(Self { validator: read(&home.validator_key())?, log: read(&home.log_key())?, peer: read(&home.peer_key())? })
    }
}

/// Refuses keys, and a password file inside of the home, that others may use: whoever has read them signs in this node's name.
///
/// # Errors
/// The first such file, and the command that mends all of them.
pub fn refuse_readable(home: &Home, password_file: &Path) -> Result<()> {
    let mut files = vec![home.validator_key(), home.log_key(), home.peer_key(), home.tunnel_key()];
    // Elsewhere it is the operator's: a mounted secret has the mode of its mount.
    if std::path::absolute(password_file).is_ok_and(|path| path.starts_with(home.root())) {
        files.push(password_file.to_owned());
    }
    let open: Vec<(u32, PathBuf)> = files.into_iter().filter_map(|path| Some((open_mode(&path)?, path))).collect();
    let Some((mode, first)) = open.first() else { return Ok(()) };
    let names: Vec<String> = open.iter().map(|(_, path)| quoted(path)).collect();
    Err(Error::key(
        first,
        format!(
            "others than its owner may use this file (mode {mode:04o}), so its secret may be known already; close it with `chmod 600 {}`, \
             and think of new keys where strangers have accounts",
            names.join(" ")
        ),
    ))
}

/// Refuses a file with a secret that others than its owner may use.
///
/// # Errors
/// What mends it.
pub fn refuse_open(path: &Path) -> Result<()> {
    let Some(mode) = open_mode(path) else { return Ok(()) };
    let mend = quoted(path);
    Err(Error::key(
        path,
        format!(
            "others than its owner may use this file (mode {mode:04o}), so it is no secret; close it with `chmod 600 {mend}`"
        ),
    ))
}

/// The mode of a file that others than its owner may use. One that is missing is told where it is read.
fn open_mode(path: &Path) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// `N` bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Usage(format!("the system gives no randomness: {e}")))?;
    Ok(bytes)
}

/// The passphrase of the keystores: first line of `file`; without a file it is asked on the terminal, without echo.
pub fn passphrase(file: &Path, confirm: bool) -> Result<Zeroizing<Vec<u8>>> {
    if !file.as_os_str().is_empty() {
        let bytes = Zeroizing::new(read_bounded(file, MAX_PASSWORD_BYTES)?);
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Err(Error::key(file, "the first line, which is the passphrase, is empty"));
        }
        return Ok(Zeroizing::new(line.to_vec()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "the keystores need a passphrase: name a file that holds it with --password-file FILE or PYRALOG_PASSWORD_FILE".into(),
        ));
    }
    let first = ask("Passphrase of this node's keys")?;
    if confirm && ask("The same again")? != first {
        return Err(Error::Usage("the two passphrases differ".into()));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>> {
    let line = dialoguer::Password::new()
        .with_prompt(prompt)
        .interact()
        .map_err(|e| Error::Usage(format!("no passphrase could be read: {e}")))?;
    Ok(Zeroizing::new(Zeroizing::new(line).as_bytes().to_vec()))
}

fn new_key() -> Result<SigningKey> {
    Ok(SigningKey::from_seed(*Zeroizing::new(random::<32>()?)))
}

fn open(path: &Path, passphrase: &[u8]) -> Result<SigningKey> {
    let bytes = read_bounded(path, keystore::MAX_KEYSTORE_BYTES as u64)?;
    keystore::open(&bytes, passphrase).map_err(|e| Error::key(path, e.to_string()))
}
