//! `tunnel …`: peers that run stock WireGuard and Rosenpass.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;

use super::args::{ExportArgs, ImportArgs};
use super::commands::{out, print, resolve};
use crate::config::{PostQuantum, TunnelConfig, TunnelMode};
use crate::home::{Home, PUBLIC, SECRET, make_dir, write_atomic};
use crate::keys::passphrase;
use crate::tunnel::{
    Export, ImportedPeer, OwnKeys, PeerFiles, ROSENPASS_FILE, ROSENPASS_KEY_FILE, WIREGUARD_FILE, rosenpass_key,
};

#[cfg(test)]
#[path = "tunnel_test.rs"]
mod tests;

type Flags = BTreeMap<&'static str, String>;

/// `tunnel export-conf`.
pub fn export(home: &Home, args: &ExportArgs, flags: Flags) -> Result<()> {
    let (config, own) = open(home, flags)?;
    let export = Export { own: &own, endpoint: &args.endpoint, peer: args.peer_key };
    let (wireguard, rosenpass) = (export.wireguard(), export.rosenpass());
    let mut written = Vec::new();
    if let Some(dir) = &args.out {
        make_dir(dir, 0o755)?;
        let key = own.rosenpass.as_ref().map(|key| key.as_bytes().as_slice());
        let files = [
            // A secret key will stand in it.
            (WIREGUARD_FILE, Some(wireguard.as_bytes()), SECRET),
            (ROSENPASS_FILE, rosenpass.as_ref().map(String::as_bytes), PUBLIC),
            (ROSENPASS_KEY_FILE, key, PUBLIC),
        ];
        for (name, content, mode) in files {
            if let Some(content) = content {
                write_atomic(&dir.join(name), content, mode)?;
                written.push(dir.join(name));
            }
        }
    }
    if args.json.json {
        let document = json!({
            "wireguard_key": own.wireguard.to_string(),
            "overlay": own.wireguard.overlay(),
            "wireguard": wireguard,
            "rosenpass": rosenpass,
            "files": written,
        });
        return print(&document, &args.json);
    }
    match &args.out {
        None => out(&[Some(wireguard), rosenpass].into_iter().flatten().collect::<Vec<_>>().join("\n"))?,
        Some(_) => out(&written.iter().map(|path| format!("{}\n", path.display())).collect::<String>())?,
    }
    tell_next(args, &config, own.rosenpass.is_some());
    Ok(())
}

/// What the operator does now.
fn tell_next(args: &ExportArgs, config: &TunnelConfig, post_quantum: bool) {
    if post_quantum && args.out.is_none() {
        eprintln!(
            "Rosenpass also needs this node's public key, half a MiB: --out DIR writes it with the other two as {ROSENPASS_KEY_FILE}"
        );
    }
    eprintln!(
        "on the other machine: each file says on its first lines where it belongs and what makes the keys that it lacks"
    );
    let key = if post_quantum { " --rosenpass-key FILE" } else { "" };
    eprintln!("here: pyralogd tunnel import-peer --name NAME --wireguard-key KEY{key}, and start the node anew");
    if config.mode != TunnelMode::Tun || config.serve.is_empty() {
        eprintln!("the node serves it with tunnel.mode = \"tun\" and, for example, tunnel.serve = [\"rpc\"]");
    }
}

/// `tunnel import-peer`.
pub fn import(home: &Home, args: &ImportArgs, flags: Flags) -> Result<()> {
    let (config, own) = open(home, flags)?;
    let rosenpass = match &args.rosenpass_key {
        Some(path) => Some(rosenpass_key(path)?),
        None if config.post_quantum == PostQuantum::Off => None,
        None => bail!(
            "--rosenpass-key FILE is missing: this node requires post-quantum keys (`rosenpass gen-keys --public-key FILE` makes one there)"
        ),
    };
    let peer = ImportedPeer {
        name: args.name.clone(),
        key: args.wireguard_key,
        rosenpass,
        endpoint: args.endpoint.clone(),
        rosenpass_endpoint: args.rosenpass_endpoint.clone(),
    };
    let files = PeerFiles::new(home);
    files.add(&peer, &own)?;
    let document = json!({
        "name": peer.name,
        "wireguard_key": peer.key.to_string(),
        "overlay": peer.key.overlay(),
        "file": files.file(&peer.name),
    });
    print(&document, &args.json)?;
    if !args.json.json {
        eprintln!("next: Address = {}/128 in the peer's {WIREGUARD_FILE}, and start the node anew", peer.key.overlay());
    }
    Ok(())
}

/// The settings and public keys of a home whose node has tunnels.
fn open(home: &Home, flags: Flags) -> Result<(TunnelConfig, OwnKeys)> {
    let config = resolve(home, flags)?.config;
    require_node(home.root())?;
    if config.tunnel.mode == TunnelMode::Off {
        bail!("this node has no tunnels: set tunnel.mode = \"tun\" in {}", home.config().display());
    }
    let secret = passphrase(&config.keys.password_file, false)?;
    let own = OwnKeys::open(home, &config.tunnel, &secret)?;
    Ok((config.tunnel, own))
}

fn require_node(root: &Path) -> Result<()> {
    if !root.is_dir() {
        bail!("{}: there is no node; make one with `pyralogd init --home {0}`", root.display());
    }
    Ok(())
}
