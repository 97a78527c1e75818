//! Peers that run stock WireGuard and Rosenpass: `HOME/peers/NAME.toml`, and `NAME.rosenpass` with the Rosenpass key.

use std::fs;
use std::path::{Path, PathBuf};

use pyralog_crypto::kem::{STATIC_PUBLIC_KEY_BYTES, StaticPublicKey};
use pyralog_p2p::{StockPeer, TunnelKey};
use serde::{Deserialize, Serialize};

use super::HostPort;
use super::keys::OwnKeys;
use crate::error::{Error, Result};
use crate::home::{Home, SECRET, make_dir, read_bounded, write_atomic};

#[cfg(test)]
#[path = "peers_test.rs"]
mod tests;

/// Most such peers; each costs half a MiB of memory.
const MAX_PEERS: usize = 256;
/// Longest name.
const MAX_NAME: usize = 32;
/// Longest `NAME.toml`, bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// A peer as the operator named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPeer {
    /// Its name: 1 to 32 small letters, digits and dashes.
    pub name: String,
    /// Its WireGuard public key.
    pub key: TunnelKey,
    /// Its Rosenpass public key.
    pub rosenpass: Option<StaticPublicKey>,
    /// Where its WireGuard listens.
    pub endpoint: Option<HostPort>,
    /// Where its Rosenpass listens.
    pub rosenpass_endpoint: Option<HostPort>,
}

/// `NAME.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerFile {
    wireguard_key: String,
    endpoint: Option<String>,
    rosenpass_endpoint: Option<String>,
}

impl ImportedPeer {
    /// The peer for the mesh. A name of a host that leads nowhere is logged: the peer has to speak first.
    pub(super) async fn located(self, ipv6: bool) -> StockPeer {
        let endpoint = locate(&self.name, self.endpoint, ipv6).await;
        let rosenpass_endpoint = locate(&self.name, self.rosenpass_endpoint, ipv6).await;
        StockPeer { name: self.name, key: self.key, rosenpass: self.rosenpass, endpoint, rosenpass_endpoint }
    }
}

async fn locate(name: &str, at: Option<HostPort>, ipv6: bool) -> Option<std::net::SocketAddr> {
    let at = at?;
    let found = at.resolve(ipv6).await;
    if found.is_none() {
        tracing::warn!(peer = name, %at, "the peer's host has no address that our socket reaches: we wait for the peer to begin");
    }
    found
}

/// The directory of these peers.
#[derive(Debug)]
pub struct PeerFiles {
    dir: PathBuf,
}

impl PeerFiles {
    /// That of a home.
    pub fn new(home: &Home) -> Self {
        Self { dir: home.peers() }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// A file that cannot be read or understood, and what to do with it.
    pub fn load(&self) -> Result<Vec<ImportedPeer>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let unreadable = |error| Error::io("read", &self.dir, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            // Hidden files are those of a write that was broken off.
            names.extend(
                name.filter(|name| path.extension().is_some_and(|end| end == "toml") && !name.starts_with('.')),
            );
        }
        if names.len() > MAX_PEERS {
            return Err(Error::home(&self.dir, format!("there are more than {MAX_PEERS} peers; remove some")));
        }
        names.sort();
        names.iter().map(|name| self.read(name)).collect()
    }

    /// Stores a peer, for the next start.
    ///
    /// # Errors
    /// What of it cannot be, or is taken.
    pub fn add(&self, peer: &ImportedPeer, own: &OwnKeys) -> Result<()> {
        check_name(&peer.name).map_err(Error::Usage)?;
        if peer.key == own.wireguard || own.rosenpass.is_some() && peer.rosenpass == own.rosenpass {
            return Err(Error::Usage("this is the node's own key: the keys of the other machine are wanted".into()));
        }
        if peer.key == TunnelKey([0; 32]) {
            return Err(Error::Usage("--wireguard-key: 32 zeros are nobody's key".into()));
        }
        let known = self.load()?;
        if let Some(taken) = known.iter().find_map(|other| taken(other, peer)) {
            return Err(Error::Usage(format!(
                "{taken}; to replace that peer, remove its two files in {}",
                self.dir.display()
            )));
        }
        if known.len() >= MAX_PEERS {
            return Err(Error::home(&self.dir, format!("there are {MAX_PEERS} peers, which is the limit; remove one")));
        }
        make_dir(&self.dir, 0o700)?;
        // The key first: a peer is there once its other file is.
        if let Some(key) = &peer.rosenpass {
            write_atomic(&self.key_file(&peer.name), key.as_bytes(), SECRET)?;
        }
        let text = |at: &Option<HostPort>| at.as_ref().map(ToString::to_string);
        let file = PeerFile {
            wireguard_key: peer.key.to_string(),
            endpoint: text(&peer.endpoint),
            rosenpass_endpoint: text(&peer.rosenpass_endpoint),
        };
        let path = self.file(&peer.name);
        let encoded = toml::to_string(&file).map_err(|error| Error::home(&path, error.to_string()))?;
        write_atomic(&path, encoded.as_bytes(), SECRET)
    }

    /// `NAME.toml`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.toml"))
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.rosenpass"))
    }

    fn read(&self, name: &str) -> Result<ImportedPeer> {
        let path = self.file(name);
        let wrong = |why: String| {
            Error::home(
                &path,
                format!("{why}; mend it, or remove it and import the peer again with `pyralogd tunnel import-peer`"),
            )
        };
        check_name(name).map_err(wrong)?;
        let text = String::from_utf8(read_bounded(&path, MAX_FILE_BYTES)?).map_err(|error| wrong(error.to_string()))?;
        let file: PeerFile = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        let place = |text: Option<String>| text.map(|text| text.parse::<HostPort>()).transpose().map_err(wrong);
        let key = self.key_file(name);
        Ok(ImportedPeer {
            name: name.to_owned(),
            key: file.wireguard_key.parse().map_err(wrong)?,
            rosenpass: key.exists().then(|| rosenpass_key(&key)).transpose()?,
            endpoint: place(file.endpoint)?,
            rosenpass_endpoint: place(file.rosenpass_endpoint)?,
        })
    }
}

/// What of a new peer another one has already.
fn taken(other: &ImportedPeer, peer: &ImportedPeer) -> Option<String> {
    let name = &other.name;
    if other.name == peer.name {
        return Some(format!("--name: there is a peer {name}"));
    }
    if other.key == peer.key {
        return Some(format!("--wireguard-key: this is the key of the peer {name}"));
    }
    let same = peer.rosenpass.is_some() && other.rosenpass == peer.rosenpass;
    same.then(|| format!("--rosenpass-key: this is the key of the peer {name}"))
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-');
    if good {
        Ok(())
    } else {
        Err(format!("the name {name:?} of a peer is not 1 to {MAX_NAME} small letters, digits and dashes"))
    }
}

/// Reads a Rosenpass public key as `rosenpass gen-keys` writes it.
///
/// # Errors
/// The file cannot be read, or is none.
pub fn rosenpass_key(path: &Path) -> Result<StaticPublicKey> {
    let length = fs::metadata(path).map_err(|error| Error::io("read", path, error))?.len();
    let wrong = || {
        let why = format!(
            "it has {length} bytes, and a Rosenpass public key has {STATIC_PUBLIC_KEY_BYTES}: name the file that `rosenpass gen-keys --public-key FILE` made"
        );
        Error::key(path, why)
    };
    if length != STATIC_PUBLIC_KEY_BYTES as u64 {
        return Err(wrong());
    }
    StaticPublicKey::from_bytes(read_bounded(path, STATIC_PUBLIC_KEY_BYTES as u64)?).map_err(|_| wrong())
}
