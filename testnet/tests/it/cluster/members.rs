//! Three members, over their native APIs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::net::Net;

/// How many members there are.
pub const SIZE: usize = 3;
/// The log of this test.
const LOG: &str = "orders";
/// How long an append may take: longer than it takes to give up a member that is not heard, so that the nodes' own answers are seen.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long any other call may take.
const LOOK: Duration = Duration::from_secs(10);

/// The members of one cluster.
pub struct Members<'a> {
    net: &'a Net,
    agent: ureq::Agent,
}

/// What a member said.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; null where it is no JSON, or broke off.
    pub body: Value,
}

/// A record as a member gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its timestamp.
    pub timestamp: u64,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether it has a key or headers.
    pub more: bool,
}

impl<'a> Members<'a> {
    /// Those of a network with one cluster.
    pub fn of(net: &'a Net) -> Self {
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
        Self { net, agent: config.build().into() }
    }

    /// Name of a node.
    pub fn name(&self, node: usize) -> &'static str {
        ["node0", "node0-1", "node0-2"][node]
    }

    /// Makes the log.
    pub fn create(&self) -> Result<(), String> {
        self.create_with("partition")
    }

    /// The same, with these copysets.
    pub fn create_with(&self, copysets: &str) -> Result<(), String> {
        // Small segments, so that some are sealed.
        let log = json!({"name": LOG, "segment_bytes": (1 << 20).to_string(), "copysets": copysets});
        match self.ask(0, "/v1/cluster/logs", Some(log), LOOK) {
            Ok(Answer { status: 201, .. }) => Ok(()),
            Ok(Answer { body, .. }) if body["error"]["code"] == "log_exists" => Ok(()),
            Ok(Answer { status, body }) => Err(format!("{status}: {body}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks a member to do something; whether it did.
    pub fn post(&self, node: usize, path: &str, body: &Value) -> Result<(), String> {
        match self.ask(node, path, Some(body.clone()), LOOK) {
            Ok(Answer { status: 200..300, .. }) => Ok(()),
            Ok(Answer { status, body }) => Err(format!("{status}: {body}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What a member answers, if it does.
    pub fn get(&self, node: usize, path: &str) -> Option<Value> {
        self.ask(node, path, None, LOOK).ok().filter(|answer| answer.status == 200).map(|answer| answer.body)
    }

    /// Status and body of what a member answers when it is asked to do something.
    pub fn posted(&self, node: usize, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.ask(node, path, Some(body.clone()), LOOK).ok().map(|answer| (answer.status, answer.body))
    }

    /// Size and root of all that a member has of the log.
    pub fn checkpoint(&self, node: usize) -> Value {
        let path = format!("/v1/cluster/logs/{LOG}/records?partition=0&limit=1&proof=1");
        self.get(node, &path).unwrap_or_default()["checkpoint"]["checkpoint"].take()
    }

    /// Status and body of what a member answers.
    pub fn answer(&self, node: usize, path: &str) -> Option<(u16, Value)> {
        self.ask(node, path, None, LOOK).ok().map(|answer| (answer.status, answer.body))
    }

    /// The number of a node's member.
    pub fn id(&self, node: usize) -> Option<u64> {
        self.view(node)?["member"].as_u64()
    }

    /// Has a member remove another one.
    pub fn remove(&self, node: usize, member: u64) -> Result<(), String> {
        match self.delete(node, &format!("/v1/cluster/members/{member}"), LOOK) {
            Ok(Answer { status: 200..300, .. }) => Ok(()),
            Ok(Answer { body, .. }) => Err(body.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// DELETE.
    pub fn delete(&self, node: usize, path: &str, limit: Duration) -> Result<Answer, ureq::Error> {
        let (url, bearer) = self.address(node, path);
        let request = self.agent.delete(url).header("authorization", bearer);
        read(request.config().timeout_global(Some(limit)).build().call()?)
    }

    /// Appends one record through a member.
    pub fn append(&self, node: usize, timestamp: u64, value: &[u8]) -> Result<Answer, ureq::Error> {
        let record = json!({"timestamp": timestamp.to_string(), "value": hex::encode(value)});
        let path = format!("/v1/cluster/logs/{LOG}/records?partition=0");
        self.ask(node, &path, Some(json!({"records": [record]})), PATIENCE)
    }

    /// All records that a member has from an offset on. Fails where one is passed over.
    pub fn read(&self, node: usize, from: u64) -> Vec<Held> {
        let mut read = Vec::new();
        loop {
            let next = from + read.len() as u64;
            let path = format!("/v1/cluster/logs/{LOG}/records?partition=0&limit=1000&from={next}");
            let page = until(Duration::from_secs(30), &format!("{} is read from {next} on", self.name(node)), || {
                let answer = self.ask(node, &path, None, LOOK).map_err(|error| error.to_string())?;
                if answer.status == 200 { Ok(answer.body) } else { Err(format!("{}: {}", answer.status, answer.body)) }
            });
            let records = page["records"].as_array().unwrap();
            for (record, offset) in records.iter().zip(next..) {
                assert_eq!(number(&record["offset"]), Some(offset), "{} passes a record over", self.name(node));
                read.push(Held {
                    timestamp: number(&record["timestamp"]).unwrap(),
                    value: hex::decode(record["value"].as_str().unwrap()).unwrap(),
                    more: record["key"] != Value::Null || record["headers"] != json!([]),
                });
            }
            if records.is_empty() {
                assert_eq!(page["first_offset"], "0", "nothing goes by retention");
                assert_eq!(number(&page["end_offset"]), Some(next), "{} reads less than it has", self.name(node));
                return read;
            }
        }
    }

    /// Index of the node that leads partition 0.
    pub fn leader(&self) -> Option<usize> {
        let views: Vec<_> = (0..SIZE).map(|node| self.view(node)).collect();
        let mut partitions = views.iter().flatten().flat_map(|view| list(&view["partitions"]));
        let led = partitions.find(|partition| partition["log"] == LOG && partition["leader"].is_u64())?;
        views.iter().position(|view| view.as_ref().is_some_and(|view| view["member"] == led["leader"]))
    }

    /// Whether each member sees three that are up, and every partition is led and stored by all of them; if not, what is amiss.
    pub fn whole(&self) -> Result<(), String> {
        self.all(is_whole)
    }

    /// The same, whether or not the log is there.
    pub fn full(&self) -> Result<(), String> {
        self.all(|view, ids| are_up(view, ids) && is_full(view, ids))
    }

    /// Whether each member sees three that are up.
    pub fn up(&self) -> Result<(), String> {
        self.all(are_up)
    }

    fn all(&self, is_so: impl Fn(&Value, &BTreeSet<u64>) -> bool) -> Result<(), String> {
        let views: Option<Vec<Value>> = (0..SIZE).map(|node| self.view(node)).collect();
        let so = views.is_some_and(|views| {
            let ids: BTreeSet<_> = views.iter().filter_map(|view| view["member"].as_u64()).collect();
            ids.len() == SIZE && views.iter().all(|view| is_so(view, &ids))
        });
        if so { Ok(()) } else { Err(self.views()) }
    }

    /// What each member says of the cluster, for a failure.
    pub fn views(&self) -> String {
        let view = |node| format!("{}: {}\n", self.name(node), self.view(node).unwrap_or_default());
        (0..SIZE).map(view).collect()
    }

    /// What a member says of the cluster.
    pub fn view(&self, node: usize) -> Option<Value> {
        let answer = self.ask(node, "/v1/cluster", None, Duration::from_secs(2)).ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// Where a call goes, and the token. Both may be others after a start.
    fn address(&self, node: usize, path: &str) -> (String, String) {
        let entry = self.net.manifest().nodes.swap_remove(node);
        let token = std::fs::read_to_string(entry.home.join("data/admin.token")).unwrap_or_default();
        (format!("{}{path}", entry.api), format!("Bearer {}", token.trim()))
    }

    /// POST where there is a body, else GET.
    pub fn ask(&self, node: usize, path: &str, body: Option<Value>, limit: Duration) -> Result<Answer, ureq::Error> {
        let (url, bearer) = self.address(node, path);
        read(match body {
            Some(body) => {
                let request = self.agent.post(url).header("authorization", bearer);
                request.config().timeout_global(Some(limit)).build().send_json(body)?
            }
            None => {
                let request = self.agent.get(url).header("authorization", bearer);
                request.config().timeout_global(Some(limit)).build().call()?
            }
        })
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    Ok(Answer { status: response.status().as_u16(), body: response.body_mut().read_json().unwrap_or_default() })
}

/// Whether a view shows these members, all up, and nothing that is missing.
fn is_whole(view: &Value, ids: &BTreeSet<u64>) -> bool {
    let here = list(&view["partitions"]).any(|partition| partition["log"] == LOG);
    are_up(view, ids) && here && is_full(view, ids)
}

/// Whether these members store and lead all partitions of a view, of which there are some, and lack nothing.
fn is_full(view: &Value, ids: &BTreeSet<u64>) -> bool {
    let stored = |partition: &Value| {
        let by: BTreeSet<_> = list(&partition["members"]).filter_map(Value::as_u64).collect();
        by == *ids && partition["leader"].is_u64() && partition["behind"] == false && partition["records"].is_string()
    };
    list(&view["partitions"]).count() > 0 && list(&view["partitions"]).all(stored)
}

/// Whether a member sees these members, and all of them up.
fn are_up(view: &Value, ids: &BTreeSet<u64>) -> bool {
    let up = list(&view["members"]).filter(|member| member["up"] == true);
    let up: BTreeSet<_> = up.filter_map(|member| member["member"].as_u64()).collect();
    up == *ids && list(&view["members"]).count() == SIZE
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A number that stands in a string.
pub fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// Waits for a state, and fails with what was amiss last.
pub fn until<T>(limit: Duration, what: &str, look: impl Fn() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(reached) => return reached,
            Err(amiss) => assert!(Instant::now() < deadline, "not reached within {limit:?}: {what}\n{amiss}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
