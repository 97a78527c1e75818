//! `join-cluster`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::args::JoinArgs;
use super::commands::{env, print};
use crate::cluster::{JoinPlan, join};
use crate::config::{Resolved, Sources};
use crate::home::{Home, read_bounded};
use crate::keys::passphrase;

/// Longest admin token, bytes.
const MAX_TOKEN_BYTES: u64 = 256;

/// Makes the home.
pub fn run(home: &Home, args: &JoinArgs, flags: BTreeMap<&'static str, String>) -> Result<()> {
    let resolved = Resolved::load(&Sources { file: None, env: &env, flags: flags.clone() })?;
    let settings = settings_of(flags)?;
    let token = String::from_utf8(read_bounded(&args.token_file, MAX_TOKEN_BYTES)?)
        .with_context(|| format!("{} is not text", args.token_file.display()))?;
    let plan = JoinPlan {
        api: args.api.clone(),
        token: token.trim().to_owned(),
        name: args.name.clone(),
        settings,
        passphrase: passphrase(&resolved.config.keys.password_file, false)?,
        cheap_kdf: args.cheap_kdf,
    };
    let joined = join(home, &plan)?;
    let document = json!({
        "home": home.root(),
        "member": joined.member,
        "chain_id": joined.chain_id,
        "peer": {"id": joined.peer_id},
    });
    print(&document, &args.json)?;
    if !args.json.json {
        eprintln!("next: pyralogd start --home {}", home.root().display());
    }
    Ok(())
}

/// The flags as the new home keeps them. A path that was typed is meant from the current directory; in the file it would be one below the home.
pub(super) fn settings_of(mut flags: BTreeMap<&'static str, String>) -> Result<BTreeMap<&'static str, String>> {
    if let Some(file) = flags.get_mut("keys.password_file").filter(|file| !file.is_empty()) {
        let whole = std::path::absolute(&*file).with_context(|| format!("--password-file {file}"))?;
        *file = whole.into_os_string().into_string().map_err(|path| {
            anyhow!("--password-file {}: the path is not UTF-8, and cannot stand in pyralog.toml", path.display())
        })?;
    }
    Ok(flags)
}
