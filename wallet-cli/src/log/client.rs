//! The record logs of one node over its API, under its admin token. Every answer is checked before it is used.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pyralog_crypto::{PartitionConsistency, check_log_name};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cursor::Cursor;
use super::wire::{Ack, LogInfo, Page, Placement};
use crate::admin::{Admin, PATIENCE, nonsense, understood};
use crate::error::{Failure, Result};
use crate::node::{Answer, Call, NodeFault};

/// Added to a wait asked of the node before the connection is given up.
const GRACE: Duration = Duration::from_secs(10);
/// Most partitions of a log.
const MAX_PARTITIONS: usize = 4096;
/// Where the API's paths begin.
const LOGS: &str = "/v1/cluster/logs";
/// Names of the logs that a cluster keeps for itself begin with this.
const OWN: &str = "pyralog.";

/// Which node holds the logs. One: a log of the same name on another node is another log, and each node has a token of its own.
#[derive(Debug, Clone, Default, Args)]
pub struct LogNodeArgs {
    /// Native API of the node that holds the log, http://HOST:PORT (default http://127.0.0.1:8080)
    #[arg(long, value_name = "URL", env = "PYRALOG_NODE")]
    pub node: Option<String>,
    /// The node's admin token, which is HOME/data/admin.token (default: that of the node of the local network in .localnet)
    #[arg(long, value_name = "FILE", env = "PYRALOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// The logs of one node.
#[derive(Debug)]
pub struct Client {
    node: Admin,
}

impl LogNodeArgs {
    /// Checks the URL and finds the token.
    pub fn connect(&self) -> Result<Client> {
        if self.node.as_ref().is_some_and(|urls| urls.contains(',')) {
            return Err(Failure::usage("a log is in one node, and several are named with --node or PYRALOG_NODE")
                .next("name the one that holds the log with --node URL"));
        }
        Ok(Client { node: Admin::connect(self.node.as_deref(), self.token_file.as_deref())? })
    }
}

impl Client {
    /// The node's URL.
    pub fn url(&self) -> &str {
        self.node.url()
    }

    /// `pyralog log WORDS` with the flags that name this node.
    pub fn command(&self, words: &str) -> String {
        format!("pyralog log {words}{}", self.node.flags())
    }

    /// The command that shows the members of the cluster, and who stores what.
    pub fn cluster_status(&self) -> String {
        format!("pyralog cluster status{}", self.node.flags())
    }

    /// All logs.
    pub fn list(&self) -> Result<Vec<LogInfo>> {
        #[derive(Deserialize)]
        struct Logs {
            logs: Vec<LogInfo>,
        }
        let answer = self.call("", Call::Get, PATIENCE).and_then(understood::<Logs>);
        let logs = answer.and_then(|Logs { logs }| logs.into_iter().map(|info| self.sound(info)).collect());
        logs.map_err(|fault| self.failure(None, fault))
    }

    /// One log.
    pub fn describe(&self, name: &str) -> Result<LogInfo> {
        self.ask(name).map_err(|fault| self.failure(Some(name), fault))
    }

    /// The same, for who can do something about a fault.
    pub fn ask(&self, name: &str) -> Result<LogInfo, NodeFault> {
        let answer = self.call(&format!("/{name}"), Call::Get, PATIENCE)?;
        self.named(name, answer)
    }

    /// Makes a log.
    pub fn create(&self, name: &str, log: &Value) -> Result<LogInfo, NodeFault> {
        let answer = self.call("", Call::Post(log.to_string().as_bytes()), PATIENCE)?;
        self.named(name, answer)
    }

    /// Deletes a log.
    pub fn delete(&self, name: &str) -> Result<(), NodeFault> {
        let answer = self.call(&format!("/{name}"), Call::Delete, PATIENCE)?;
        let deleted = answer.body["deleted"].as_str();
        if deleted == Some(name) { Ok(()) } else { Err(nonsense(format!("it does not say that it deleted {name}"))) }
    }

    /// Appends the `count` records of a body, and says where they went, in their order, when they are as safe as `ack` says.
    pub fn append(
        &self,
        name: &str,
        (partition, ack): (Option<u32>, Ack),
        body: &[u8],
        count: usize,
    ) -> Result<Vec<Placement>, NodeFault> {
        #[derive(Deserialize)]
        struct Placements {
            records: Vec<Placement>,
        }
        let partition = partition.map(|number| format!("partition={number}"));
        let ack = (ack != Ack::Durable).then(|| format!("ack={}", ack.word()));
        let query: Vec<String> = partition.into_iter().chain(ack).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("/{name}/records{mark}{}", query.join("&"));
        let answer = self.call(&path, Call::Post(body), PATIENCE)?;
        let Placements { records } = understood(answer)?;
        if records.len() != count {
            return Err(nonsense(format!("it gives places to {} records of {count}", records.len())));
        }
        Ok(records)
    }

    /// Opens a producer of a partition: its id.
    pub fn open_producer(&self, name: &str, partition: u32) -> Result<String, NodeFault> {
        #[derive(Deserialize)]
        struct Opened {
            producer: String,
            partition: u32,
        }
        let body = json!({ "partition": partition }).to_string();
        let answer = self.call(&format!("/{name}/producers"), Call::Post(body.as_bytes()), PATIENCE)?;
        let opened: Opened = understood(answer)?;
        let is_id = hex::decode(&opened.producer).is_ok_and(|bytes| bytes.len() == 16);
        if !is_id || opened.partition != partition {
            return Err(nonsense("it does not say which producer it opened".to_owned()));
        }
        Ok(opened.producer)
    }

    /// The records from the cursor on, after a wait of at most `wait` for the first of them. The cursor goes behind them. The node refuses where
    /// the log of this name is not the one that is meant.
    pub fn page(&self, name: &str, cursor: &mut Cursor, ask: Ask) -> Result<Page, NodeFault> {
        let (query, meant) = (cursor.query(ask.limit, ask.wait, ask.proof), ask.incarnation);
        let path = format!("/{name}/records?{query}&incarnation={meant}");
        let answer = self.call(&path, Call::Get, ask.wait + GRACE)?;
        let page: Page = understood(answer)?;
        if page.incarnation != meant {
            return Err(nonsense(format!(
                "it answers for incarnation {} of {name} instead of {meant}",
                page.incarnation
            )));
        }
        cursor.step(&page, ask.limit).map_err(nonsense)?;
        Ok(page)
    }

    /// A proof that the partition of `new` records continues the one of `old` records, unverified.
    pub fn consistency(
        &self,
        log: &LogInfo,
        partition: u32,
        old: u64,
        new: u64,
    ) -> Result<PartitionConsistency, NodeFault> {
        #[derive(Deserialize)]
        struct Grown {
            consistency: PartitionConsistency,
        }
        let LogInfo { name, incarnation, .. } = log;
        let query = format!("partition={partition}&incarnation={incarnation}&old={old}&new={new}");
        let answer = self.call(&format!("/{name}/consistency?{query}"), Call::Get, PATIENCE)?;
        understood::<Grown>(answer).map(|Grown { consistency }| consistency)
    }

    /// A fault as the failure that a command ends with, with the step that mends it.
    pub fn failure(&self, name: Option<&str>, fault: NodeFault) -> Failure {
        let url = self.url();
        let log = name.unwrap_or("NAME");
        match fault {
            NodeFault::NotFound { code, .. } if code == "no_such_log" && is_reserved(log) => {
                let why = format!(
                    "{url} has no log {log}; \"pyralog\" and names that begin with {OWN} are the cluster's own: nobody else makes such a log"
                );
                Failure::error(why).next(format!("see the logs that are there: {}", self.command("list")))
            }
            NodeFault::NotFound { code, .. } if code == "no_such_log" => {
                let create = self.command(&format!("create {log}"));
                Failure::error(format!("{url} has no log {log}"))
                    .next(format!("{create}, or see those that are there: {}", self.command("list")))
            }
            NodeFault::NotFound { code, message, .. } if code == "no_such_partition" => {
                Failure::error(format!("{url}: {message}")).next(self.command(&format!("describe {log}")))
            }
            NodeFault::NotFound { message, .. } => Failure::error(format!("{url}: {message}"))
                .next("name a node that serves record logs, one of the version of this program, with --node URL"),
            NodeFault::Refused { code, message, .. } if code == "log_exists" => {
                Failure::error(format!("{url}: {message}")).next(self.command(&format!("describe {log}")))
            }
            NodeFault::Refused { code, message, .. } if code == "out_of_range" => {
                let describe = self.command(&format!("describe {log}"));
                Failure::error(format!("{url}: {message}"))
                    .next(format!("read from an offset that the log holds: {describe} shows the first and the next"))
            }
            NodeFault::Refused { code, message, .. } if code == "unknown_producer" => {
                let producer = self.command(&format!("producer {log}"));
                Failure::error(format!("{url}: {message}")).next(format!(
                    "open another one: {producer}; read before you append again what it has not answered"
                ))
            }
            NodeFault::Refused { code, message, .. } if is_replaced(&code) => {
                Failure::error(format!("{url}: {message}")).next(self.command(&format!("describe {log}")))
            }
            fault => self.node.failure(fault),
        }
    }

    fn call(&self, path: &str, call: Call<'_>, patience: Duration) -> Result<Answer, NodeFault> {
        self.node.call(&format!("{LOGS}{path}"), call, patience)
    }

    fn named(&self, name: &str, answer: Answer) -> Result<LogInfo, NodeFault> {
        let info = self.sound(understood(answer)?)?;
        if info.name == name { Ok(info) } else { Err(nonsense(format!("it answers for the log {}", info.name))) }
    }

    /// What a node describes must be a log.
    fn sound(&self, info: LogInfo) -> Result<LogInfo, NodeFault> {
        check_log_name(&info.name)
            .map_err(|error| nonsense(format!("it names a log that none can be called: {error}")))?;
        let in_order = (0u32..).zip(&info.partitions).all(|(number, partition)| partition.number() == number);
        let extents = || info.partitions.iter().filter_map(|partition| partition.extent().ok());
        let ordered = extents().all(|extent| extent.first_offset <= extent.next_offset);
        if !(1..=MAX_PARTITIONS).contains(&info.partitions.len()) || !in_order || !ordered {
            return Err(nonsense(format!("what it says of the partitions of {} contradicts itself", info.name)));
        }
        Ok(info)
    }
}

/// How records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Of this incarnation of the log.
    pub incarnation: u64,
    /// At most so many.
    pub limit: u64,
    /// How long the node waits for the first.
    pub wait: Duration,
    /// With a proof of each.
    pub proof: bool,
}

/// Whether nobody but a cluster may have a log of this name, or of one that people would take for it.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with(OWN) || OWN.strip_suffix('.') == Some(name.as_str())
}

/// Whether a refusal says that the log of the name is another one than was meant.
pub fn is_replaced(code: &str) -> bool {
    code == "log_replaced"
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
