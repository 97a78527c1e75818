//! Three members of one cluster, over their native APIs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Bench;
use super::view::View;
use crate::bench::http::Connection;
use crate::bench::network::Network;

/// How many members there are.
pub const SIZE: usize = 3;
/// The log that is measured.
const LOG: &str = "bench";
/// How long a state may take.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// How long a member may take to say how it stands.
const LOOK: Duration = Duration::from_secs(10);

/// A running cluster; stopped and removed when dropped.
#[derive(Debug)]
pub struct Members {
    /// Its nodes: the founder first.
    pub network: Network,
    partitions: usize,
}

impl Members {
    /// Starts a cluster without logs, and waits until it is whole.
    pub fn start(cx: &Bench<'_>) -> Result<Self> {
        let this = Self { network: Network::start(1, SIZE as u16)?, partitions: 0 };
        this.wait_whole(cx)?;
        Ok(this)
    }

    /// Makes the log, and waits until all members store and somebody leads each of its partitions.
    pub fn create_log(&mut self, cx: &Bench<'_>, partitions: usize) -> Result<()> {
        let body = serde_json::json!({"name": LOG, "partitions": partitions}).to_string();
        let path = "/v1/cluster/logs";
        let answer = self.connect(0)?.ask(path, Some(body.as_bytes()))?;
        if answer.status != 201 {
            bail!("{path} was answered with {}: {}", answer.status, answer.text());
        }
        self.partitions = partitions;
        self.wait_whole(cx)
    }

    /// A connection to the API of a node that shows its admin token.
    pub fn connect(&self, node: usize) -> Result<Connection> {
        let entry = self.network.manifest.nodes.get(node).context("there is no such node")?;
        let path = entry.home.join("data").join("admin.token");
        let token = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let port = self.network.nodes.get(node).context("there is no such node")?.api;
        Connection::authorized(port, token.trim())
    }

    /// What a node says of the cluster.
    pub fn view(&self, node: usize) -> Result<View> {
        let mut connection = self.connect(node)?;
        connection.wait_at_most(LOOK)?;
        ask_view(&mut connection)
    }

    /// Waits until every member sees all of them up and no partition that lacks anything.
    pub fn wait_whole(&self, cx: &Bench<'_>) -> Result<()> {
        self.wait(cx, "the cluster is whole", |views| views.iter().all(|view| view.is_whole(SIZE, self.partitions)))
    }

    /// Waits for what the views of all members show.
    pub fn wait(&self, cx: &Bench<'_>, what: &str, met: impl Fn(&[View]) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let views: Result<Vec<View>> = (0..SIZE).map(|node| self.view(node)).collect();
            if views.as_ref().is_ok_and(|views| met(views)) {
                return Ok(());
            }
            cx.check()?;
            if Instant::now() > deadline {
                let seen = match views {
                    Ok(views) => views.iter().map(View::summary).collect::<Vec<_>>().join("; "),
                    Err(error) => format!("{error:#}"),
                };
                bail!("not within {} s: {what}: {seen}", PATIENCE.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// The node with a member's id.
    pub fn node_of(&self, member: u64) -> Result<usize> {
        for node in 0..SIZE {
            if self.view(node)?.member == member {
                return Ok(node);
            }
        }
        bail!("no node is member {member}")
    }

    /// The node that leads the partition.
    pub fn leader(&self, partition: u32) -> Result<usize> {
        let view = self.view(0)?;
        let led = view.partitions.iter().find(|other| other.partition == partition);
        self.node_of(led.and_then(|led| led.leader).context("nobody leads the partition")?)
    }

    /// Has one node lead the groups and all partitions.
    pub fn make_leader(&self, cx: &Bench<'_>, node: usize) -> Result<()> {
        let member = self.view(node)?.member;
        let all = |view: &View| {
            view.leader == Some(member) && view.led().get(&member).copied().unwrap_or(0) == self.partitions
        };
        let deadline = Instant::now() + PATIENCE;
        // Who leads may change while it is asked, and a partition may be in the middle of something: then it is asked again.
        loop {
            let leader = self.view(node)?.leader.context("nobody leads the cluster")?;
            let path = "/v1/cluster/leader";
            let body = serde_json::json!({ "member": member }).to_string();
            let answer = self.connect(self.node_of(leader)?)?.ask(path, Some(body.as_bytes()))?;
            let again = Instant::now() + Duration::from_secs(5);
            while Instant::now() < again {
                cx.check()?;
                let views = (0..SIZE).map(|node| self.view(node)).collect::<Result<Vec<_>>>()?;
                if views.iter().all(all) {
                    return Ok(());
                }
                std::thread::sleep(POLL);
            }
            if Instant::now() > deadline {
                let name = &self.network.nodes[node].name;
                bail!("{name} does not lead everything: {}; last answer {}", self.view(node)?.summary(), answer.text());
            }
        }
    }

    /// Sends a node's process a signal.
    pub fn signal(&self, node: usize, signal: Signal) -> Result<()> {
        let pid = self.network.nodes.get(node).and_then(|node| Pid::from_raw(i32::try_from(node.pid).ok()?));
        Ok(kill_process(pid.context("there is no such process")?, signal)?)
    }

    /// Starts a node that has ended, and waits until the cluster is whole again.
    pub fn restart(&mut self, cx: &Bench<'_>, node: usize) -> Result<()> {
        let status = self.network.restart(node)?.wait()?;
        if !status.success() {
            bail!("node number {node} does not start again ({status})");
        }
        self.network.look_again()?;
        self.wait_whole(cx)
    }
}

/// What the node at the other end says of the cluster.
pub fn ask_view(connection: &mut Connection) -> Result<View> {
    let path = "/v1/cluster";
    View::read(&connection.ask(path, None)?.ok(path)?.body)
}

/// Where records of a partition are appended.
pub fn records_path(partition: u32) -> String {
    format!("/v1/cluster/logs/{LOG}/records?partition={partition}")
}

/// The body of an append.
pub fn records_body<V: AsRef<[u8]>>(values: &[V]) -> Vec<u8> {
    let mut body = b"{\"records\":[".to_vec();
    for (number, value) in values.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        body.extend_from_slice(format!("{comma}{{\"value\":\"{}\"}}", hex::encode(value)).as_bytes());
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_with_values_in_hex() {
        let body: serde_json::Value = serde_json::from_slice(&records_body(&[b"ab", b"c\n"])).unwrap();
        assert_eq!(body, serde_json::json!({"records": [{"value": "6162"}, {"value": "630a"}]}));
    }
}
