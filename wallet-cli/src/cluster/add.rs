//! `pyralog cluster add`: what to type on the machine of a new member. Only there are its disk and its keys, so nothing is done here.

use std::net::IpAddr;
use std::path::Path;

use clap::Args;
use serde_json::json;
use ureq::http::Uri;

use super::client::one;
use crate::error::Result;
use crate::node::{DEFAULT_NODE, NodeArgs};
use crate::output::{Output, note};
use crate::receipt_file::quoted;

/// Options of `cluster add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Name of the new member, for people (default: a word to put it in place of)
    #[arg(long, value_name = "NAME", default_value = "NAME")]
    pub name: String,
    /// Native API of a member that runs, http://HOST:PORT (default http://127.0.0.1:8080)
    #[arg(long, value_name = "URL", env = "PYRALOG_NODE")]
    pub node: Option<String>,
}

/// Runs the command.
pub fn run(args: &AddArgs) -> Result<Output> {
    one(args.node.as_deref())?;
    // Checks the URL; nothing is asked.
    let nodes = NodeArgs { node: args.node.iter().cloned().collect() }.connect()?;
    let url = nodes.urls().first().map_or(DEFAULT_NODE, String::as_str);
    let (commands, notes) = (commands(url, &args.name), notes(url));
    for line in &notes {
        note(line);
    }
    Ok(Output::new(json!({ "commands": commands, "notes": notes }), commands.join("\n")))
}

fn commands(url: &str, name: &str) -> [String; 2] {
    let (api, name) = (quoted(Path::new(url)), quoted(Path::new(name)));
    [
        format!(
            "pyralogd join-cluster --home HOME --api {api} --token-file TOKEN --name {name} --password-file PASSWORD \
             --p2p-listen /ip4/0.0.0.0/udp/51820 --p2p-external /ip4/ADDRESS/udp/51820"
        ),
        "pyralogd start --home HOME".to_owned(),
    ]
}

/// What the words in the commands stand for.
fn notes(url: &str) -> Vec<String> {
    let mut notes = vec![
        "type these on the machine of the new member, one after the other:".to_owned(),
        "  HOME      a directory that does not exist yet, on a disk of its own".to_owned(),
        format!(
            "  TOKEN     a copy of HOME/data/admin.token of the node at {url}, which makes a new one at each start"
        ),
        "  PASSWORD  a file with the passphrase that seals the keys of the cluster's first member: the same one"
            .to_owned(),
        "  ADDRESS   where the other members reach the new machine, of whose firewall UDP port 51820 is open"
            .to_owned(),
    ];
    if let Some((host, port)) = loopback(url) {
        notes.push(format!(
            "  {url} is reached on its own machine alone; from another one forward it first: ssh -L {port}:{host}:{port} MACHINE"
        ));
    }
    notes
}

/// Host and port of a URL that only its own machine reaches.
fn loopback(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let local = address.map_or(host == "localhost", |address| address.is_loopback());
    local.then(|| (host.to_owned(), uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
#[path = "add_test.rs"]
mod tests;
