//! The cluster of one node over its API, under its admin token. Every answer is checked before it is used.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::wire::ClusterInfo;
use crate::admin::{Admin, PATIENCE, lacks_majority, may_be_done, nonsense, understood};
use crate::error::{Failure, Result};
use crate::node::{Answer, Call, NodeFault};

/// Where the API's paths begin.
const CLUSTER: &str = "/v1/cluster";

/// Which member of the cluster is asked. One: each has a token of its own.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterNodeArgs {
    /// Native API of a member of the cluster, http://HOST:PORT (default http://127.0.0.1:8080)
    #[arg(long, value_name = "URL", env = "PYRALOG_NODE")]
    pub node: Option<String>,
    /// That member's admin token, which is HOME/data/admin.token (default: that of the node of the local network in .localnet)
    #[arg(long, value_name = "FILE", env = "PYRALOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// The cluster, asked through one of its members.
#[derive(Debug)]
pub struct Client {
    node: Admin,
}

impl ClusterNodeArgs {
    /// Checks the URL and finds the token.
    pub fn connect(&self) -> Result<Client> {
        one(self.node.as_deref())?;
        Ok(Client { node: Admin::connect(self.node.as_deref(), self.token_file.as_deref())? })
    }
}

/// Several nodes may be members of different clusters.
pub fn one(node: Option<&str>) -> Result<()> {
    if node.is_some_and(|urls| urls.contains(',')) {
        return Err(Failure::usage(
            "one member of the cluster is asked, and several nodes are named with --node or PYRALOG_NODE",
        )
        .next("name one member with --node URL"));
    }
    Ok(())
}

impl Client {
    /// The URL of the asked member.
    pub fn url(&self) -> &str {
        self.node.url()
    }

    /// `pyralog cluster WORDS` with the flags that name the asked member.
    pub fn command(&self, words: &str) -> String {
        format!("pyralog cluster {words}{}", self.node.flags())
    }

    /// The cluster as the member sees it, and the same as it was sent.
    pub fn status(&self) -> Result<(ClusterInfo, Value), NodeFault> {
        let answer = self.node.call(CLUSTER, Call::Get, PATIENCE)?;
        let document = answer.body.clone();
        let info: ClusterInfo = understood(answer)?;
        info.check().map_err(nonsense)?;
        Ok((info, document))
    }

    /// Removes a member; nobody asks before whether the others have what they need where records may be lost.
    pub fn remove(&self, member: u64, may_lose_records: bool) -> Result<(), NodeFault> {
        let query = if may_lose_records { "?may_lose_records=true" } else { "" };
        let answer = self.node.call(&format!("{CLUSTER}/members/{member}{query}"), Call::Delete, PATIENCE)?;
        says(&answer, "removed", member)
    }

    /// Hands the lead to a member, and says for how many partitions it was asked, too, where the node counts them.
    pub fn transfer(&self, member: u64) -> Result<Option<u64>, NodeFault> {
        let answer = self.post("leader", &json!({ "member": member }))?;
        says(&answer, "leader", member)?;
        Ok(answer.body["asked"].as_u64())
    }

    /// Asks better placed members to lead, and says for how many partitions.
    pub fn rebalance(&self) -> Result<u64, NodeFault> {
        let answer = self.post("rebalance", &json!({}))?;
        let asked = answer.body["asked"].as_u64();
        asked.ok_or_else(|| nonsense("it does not say how many partitions are to be led by another member".to_owned()))
    }

    /// A fault as the failure that a command ends with, with the step that mends it.
    pub fn failure(&self, fault: NodeFault) -> Failure {
        let url = self.url();
        match fault {
            NodeFault::NotFound { code, message, .. } if code == "no_such_member" => {
                Failure::error(format!("{url}: {message}")).next(self.command("status"))
            }
            NodeFault::NotFound { message, .. } => Failure::error(format!("{url}: {message}"))
                .next("name a member of a cluster, of the version of this program, with --node URL"),
            NodeFault::Busy { code, message, .. } if lacks_majority(&code) => {
                Failure::error(format!("{url} cannot serve now: {message}"))
                    .next("start members until a majority of the voters is up, and try again in 2 s")
            }
            NodeFault::Refused { code, message, .. } if code == "refused" => {
                Failure::error(format!("{url}: {message}")).next(self.command("status"))
            }
            fault => self.node.failure(fault),
        }
    }

    /// The same of a call that changes something: where it may be done nevertheless, `open` says so.
    pub fn failure_of_change(&self, fault: NodeFault, open: &str) -> Failure {
        let undecided = may_be_done(&fault);
        let failure = self.failure(fault);
        if undecided { failure.also(open).next(self.command("status")) } else { failure }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Answer, NodeFault> {
        self.node.call(&format!("{CLUSTER}/{path}"), Call::Post(body.to_string().as_bytes()), PATIENCE)
    }
}

/// An answer that names another member than was asked for says nothing of what was done.
fn says(answer: &Answer, key: &str, member: u64) -> Result<(), NodeFault> {
    if answer.body[key].as_u64() == Some(member) {
        return Ok(());
    }
    Err(nonsense(format!("it does not answer for member {member}")))
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
