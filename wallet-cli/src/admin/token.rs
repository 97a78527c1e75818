//! The admin token of a node: found, read, and read again when the node has made a new one. It is never printed.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ureq::http::{HeaderValue, Uri};
use zeroize::Zeroizing;

use crate::error::{Failure, Result};
use crate::files;
use crate::output::shown;

/// Where the local network stands that `pyralog-testnet up` starts when no other directory is named.
const LOCAL_NETWORK: &str = ".localnet";
/// Largest token file read.
const MAX_TOKEN_FILE: u64 = 256;
/// Largest `endpoints.json` read.
const MAX_ENDPOINTS_FILE: u64 = 16 * 1024;
/// Which file it is, and how it is named.
const STEP: &str =
    "name it with --token-file HOME/data/admin.token (or PYRALOG_TOKEN_FILE), where HOME is the node's home";

/// A token and where it comes from.
#[derive(Debug)]
pub struct Token {
    file: PathBuf,
    bearer: Mutex<HeaderValue>,
}

impl Token {
    /// The token in the file that is `named`; else that of the node of the local network below `here` which listens at `url`.
    pub fn find(url: &str, named: Option<&Path>, here: &Path) -> Result<Self> {
        let file = match named {
            Some(file) => file.to_owned(),
            None => local(url, &here.join(LOCAL_NETWORK))
                .ok_or_else(|| Failure::usage(format!("this call to {url} needs the node's admin token")).next(STEP))?,
        };
        let bearer = Mutex::new(read(&file)?);
        Ok(Self { file, bearer })
    }

    /// Where it comes from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The header's value, marked as a secret.
    pub fn bearer(&self) -> HeaderValue {
        self.bearer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again: a node makes a new token at each start. Whether it is another one than `used`.
    pub fn renew(&self, used: &HeaderValue) -> bool {
        let Ok(new) = read(&self.file) else { return false };
        let changed = new != *used;
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = new;
        changed
    }
}

fn read(file: &Path) -> Result<HeaderValue> {
    let failed = |why: &str| Failure::error(format!("the admin token {}: {why}", shown(file))).next(STEP);
    let bytes = files::read_bounded(file, MAX_TOKEN_FILE)
        .map(Zeroizing::new)
        .map_err(|failure| Failure::error(format!("the admin token: {failure}")).next(STEP))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed("it holds no token"));
    }
    let header = Zeroizing::new(format!("Bearer {text}"));
    let mut bearer = HeaderValue::try_from(header.as_str()).map_err(|_| failed("it holds no token"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// The token file of the node that said, when it started, that it listens at `url`. Only a node on this machine is looked for: the
/// token of one is never sent to another.
fn local(url: &str, network: &Path) -> Option<PathBuf> {
    let wanted = endpoint(url).filter(|(host, _)| host.is_loopback())?;
    let mut homes: Vec<PathBuf> =
        std::fs::read_dir(network.join("nodes")).ok()?.flatten().map(|entry| entry.path().join("data")).collect();
    homes.sort();
    homes.into_iter().find(|data| api(data) == Some(wanted)).map(|data| data.join("admin.token"))
}

/// Where the node with this data directory serves the native API.
fn api(data: &Path) -> Option<(IpAddr, u16)> {
    let bytes = files::read_bounded(&data.join("endpoints.json"), MAX_ENDPOINTS_FILE).ok()?;
    let endpoints: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    endpoint(endpoints["api"].as_str()?)
}

/// Address and port of a URL. No name is taken for an address: which one it stands for is decided by others.
fn endpoint(url: &str) -> Option<(IpAddr, u16)> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.parse().ok()?, uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
#[path = "token_test.rs"]
mod tests;
