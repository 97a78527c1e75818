//! Calls that administer one node: they go to that node alone, under its admin token. What is said of a fault names what mends it.

pub mod form;
mod token;

#[cfg(test)]
pub mod testkit;

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::{Failure, Result};
use crate::node::{Answer, Call, DEFAULT_NODE, NodeArgs, NodeFault, Nodes};
use crate::output::{safe, shown};
use crate::receipt_file::quoted;
use token::Token;

/// How long a call may take: the node answers when what was asked for is durable.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One node, and the token under which it is administered.
#[derive(Debug)]
pub struct Admin {
    nodes: Nodes,
    url: String,
    token: Token,
    flags: String,
}

impl Admin {
    /// Checks the URL (that of the default node where none is named) and finds the token.
    pub fn connect(node: Option<&str>, token_file: Option<&Path>) -> Result<Self> {
        let nodes = NodeArgs { node: node.map(str::to_owned).into_iter().collect() }.connect()?;
        let url = nodes.urls().first().map_or(DEFAULT_NODE, String::as_str).to_owned();
        let token = Token::find(&url, token_file, Path::new("."))?;
        Ok(Self { nodes, url, token, flags: flags(node, token_file) })
    }

    /// The node's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// ` --node URL --token-file FILE` for a command to type, each where it was given and does not stand in the environment anyway.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    /// One call. Where the token is not taken, the one that the file holds now is tried: nothing was done under the old one.
    pub fn call(&self, path: &str, call: Call<'_>, patience: Duration) -> Result<Answer, NodeFault> {
        let bearer = self.token.bearer();
        match self.nodes.authorized(&self.url, path, call, &bearer, patience) {
            Err(NodeFault::Refused { code, .. }) if is_unauthorized(&code) && self.token.renew(&bearer) => {
                self.nodes.authorized(&self.url, path, call, &self.token.bearer(), patience)
            }
            answer => answer,
        }
    }

    /// A fault as the failure that a command ends with, with the step that mends it, where it has nothing to do with what was asked for.
    pub fn failure(&self, fault: NodeFault) -> Failure {
        let url = &self.url;
        match fault {
            NodeFault::Refused { code, .. } if is_unauthorized(&code) => {
                let file = shown(self.token.file());
                Failure::error(format!("{url} does not take the admin token in {file}")).next(
                    "a node makes a new one at each start: name that of this node, --token-file HOME/data/admin.token",
                )
            }
            NodeFault::Nonsense(message) => Failure::error(format!("{url}: {message}"))
                .next("name the native API of a node of the version of this program with --node URL"),
            fault => fault.into_failure(url),
        }
    }
}

fn flags(node: Option<&str>, token_file: Option<&Path>) -> String {
    let flag = |name: &str, variable: &str, value: Option<&Path>| match value {
        Some(value) if std::env::var_os(variable).as_deref() != Some(value.as_os_str()) => {
            format!(" --{name} {}", quoted(value))
        }
        _ => String::new(),
    };
    flag("node", "PYRALOG_NODE", node.map(Path::new)) + &flag("token-file", "PYRALOG_TOKEN_FILE", token_file)
}

/// The body of an answer as what it must be.
pub fn understood<T: DeserializeOwned>(answer: Answer) -> Result<T, NodeFault> {
    serde_json::from_value(answer.body)
        .map_err(|error| nonsense(format!("its answer is not understood: {}", safe(&error.to_string()))))
}

/// The fault of an answer that contradicts itself or the API.
pub fn nonsense(what: String) -> NodeFault {
    NodeFault::Nonsense(what)
}

/// Whether what was asked for may have been done although there was no answer that says so.
pub fn may_be_done(fault: &NodeFault) -> bool {
    match fault {
        NodeFault::Lost(_) | NodeFault::Nonsense(_) | NodeFault::Partly { .. } => true,
        NodeFault::Busy { code, .. } => !is_put_off(code) && !lacks_majority(code),
        // A disk that is full before a record is taken, or while it is written.
        NodeFault::Refused { code, remedy, .. } if code == "disk_full" => {
            !remedy.as_ref().is_some_and(|remedy| remedy.contains("no record was taken"))
        }
        NodeFault::Unreachable(_) | NodeFault::NotFound { .. } | NodeFault::Refused { .. } => false,
    }
}

/// Whether a node that is busy says by this code that it has done nothing.
pub fn is_put_off(code: &str) -> bool {
    matches!(code, "busy" | "rate_limited")
}

/// Whether a node says by this code that without a majority of the voters it has done nothing.
pub fn lacks_majority(code: &str) -> bool {
    matches!(code, "no_leader" | "not_started")
}

/// Whether a refusal is that of a token.
fn is_unauthorized(code: &str) -> bool {
    matches!(code, "unauthorized" | "401")
}
