//! NATS JetStream: three servers on this machine with a stream of three replicas in files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::members::SIZE;
use super::nats_client::NatsClient;
use super::system::{Client, System};
use crate::bench::storage::server::{Server, find, ports};
use crate::bench::storage::store::Batch;

/// The name in figures.
pub const NATS: &str = "NATS JetStream (before a sync)";
/// How to get it.
pub const INSTALL: &str = "apt-get install -y nats-server";
const PROGRAM: &str = "nats-server";
/// How long a question may take: servers that have no leader yet do not answer it at all.
const ANSWER: Duration = Duration::from_secs(2);
const STREAM: &str = "bench";
const SUBJECT: &str = "bench.records";

/// A running cluster.
pub struct Nats {
    ports: Vec<u16>,
    _servers: Vec<Server>,
}

impl Nats {
    /// Starts one, `None` where it is not installed.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(program) = find(PROGRAM) else { return Ok(None) };
        let free = ports(2 * SIZE)?;
        let (clients, routes) = free.split_at(SIZE);
        let mut servers = Vec::new();
        for (number, (client, route)) in clients.iter().zip(routes).enumerate() {
            let dir = dir.join(format!("nats-{number}"));
            std::fs::create_dir_all(&dir)?;
            let file = dir.join("nats.conf");
            std::fs::write(&file, config(number, *client, *route, routes, &dir))?;
            servers.push(Server::start(&program, &["-c".as_ref(), file.as_os_str()], &dir)?);
        }
        let first = *clients.first().context("no free ports")?;
        for (server, port) in servers.iter_mut().zip(clients) {
            server.wait(|| NatsClient::open(*port)).context(NATS)?;
        }
        // The cluster has to find a leader before it makes a stream.
        if let Some(server) = servers.first_mut() {
            server.wait(|| create(first)).context(NATS)?;
        }
        Ok(Some(Self { ports: clients.to_vec(), _servers: servers }))
    }

    /// The port of the server that leads the stream.
    fn leader(&self) -> Result<u16> {
        let port = *self.ports.first().context("no servers")?;
        let info = request(port, &format!("$JS.API.STREAM.INFO.{STREAM}"), &json!({}))?;
        let name = info["cluster"]["leader"].as_str().context("nobody leads the stream")?;
        let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
        number.and_then(|number| self.ports.get(number).copied()).with_context(|| format!("no server is called {name}"))
    }
}

impl System for Nats {
    fn name(&self) -> &'static str {
        NATS
    }

    fn durability(&self) -> &'static str {
        "in the page caches of 2 of 3: written to files, which are synced later"
    }

    fn protocol(&self) -> &'static str {
        "its text protocol to the stream's leader, a message per record, all of a batch sent before their acknowledgements are awaited"
    }

    fn client(&mut self) -> Result<Box<dyn Client>> {
        Ok(Box::new(NatsClient::open(self.leader()?)?))
    }
}

impl Client for NatsClient {
    fn append(&mut self, batch: &Batch) -> Result<bool> {
        for record in batch.records() {
            self.publish(SUBJECT, record);
        }
        self.flush()?;
        for _ in batch.records() {
            let answer = self.receive()?;
            if !acknowledges(answer) {
                bail!("a record was answered with {}", String::from_utf8_lossy(answer));
            }
        }
        Ok(true)
    }
}

/// `{"stream":"bench", "seq":7}`, without reading it as JSON: a thousand come for a batch.
fn acknowledges(answer: &[u8]) -> bool {
    let has = |text: &[u8]| answer.windows(text.len()).any(|window| window == text);
    has(b"\"seq\":") && !has(b"\"error\"")
}

fn create(port: u16) -> Result<()> {
    let stream = json!({
        "name": STREAM, "subjects": [SUBJECT], "retention": "limits", "storage": "file", "num_replicas": SIZE, "discard": "old",
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
    });
    request(port, &format!("$JS.API.STREAM.CREATE.{STREAM}"), &stream).map(drop)
}

fn request(port: u16, subject: &str, body: &Value) -> Result<Value> {
    let mut client = NatsClient::open(port)?;
    client.wait_at_most(ANSWER)?;
    client.publish(subject, body.to_string().as_bytes());
    client.flush()?;
    let answer: Value = serde_json::from_slice(client.receive()?).context("an answer of NATS is not JSON")?;
    ensure!(answer["error"].is_null(), "{subject}: {}", answer["error"]);
    Ok(answer)
}

fn config(number: usize, client: u16, route: u16, routes: &[u16], dir: &Path) -> String {
    let others = routes.iter().filter(|other| **other != route).map(|other| format!("\"nats://127.0.0.1:{other}\""));
    format!(
        "server_name: n{number}\nlisten: \"127.0.0.1:{client}\"\n\
         jetstream {{ store_dir: {:?}, max_memory_store: 64MB, max_file_store: 32GB }}\n\
         cluster {{ name: bench, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
        dir.join("data").display().to_string(),
        others.collect::<Vec<_>>().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sequence_number_acknowledges() {
        assert!(acknowledges(br#"{"stream":"bench", "seq":7}"#));
        let refused = br#"{"error":{"code":503,"description":"insufficient resources"},"stream":"bench","seq":0}"#;
        assert!(!acknowledges(refused) && !acknowledges(b""));
    }

    #[test]
    fn a_server_is_told_the_routes_of_the_others() {
        let text = config(1, 4, 6, &[5, 6, 7], Path::new("/d"));
        assert!(text.contains("server_name: n1\nlisten: \"127.0.0.1:4\"") && text.contains("store_dir: \"/d/data\""));
        assert!(text.contains("routes: [\"nats://127.0.0.1:5\", \"nats://127.0.0.1:7\"]"), "{text}");
    }
}
