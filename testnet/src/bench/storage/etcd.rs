//! etcd, one member: one process on this machine, one gRPC connection over loopback.

use std::path::Path;

use anyhow::{Context, Result};

use super::etcd_client::EtcdClient;
use super::server::{Server, find, ports};
use super::store::{Batch, Store};

/// Its name in `PATH`.
pub const PROGRAM: &str = "etcd";
/// How to get it.
pub const INSTALL: &str = "apt-get install -y etcd-server";
/// What batches need: as many operations and bytes in a transaction, and room for a run.
pub const LIMITS: [[&str; 2]; 4] = [
    ["--max-txn-ops", "1000"],
    ["--max-request-bytes", "8388608"],
    ["--quota-backend-bytes", "8589934592"],
    ["--logger", "zap"],
];

/// A running etcd.
pub struct Etcd {
    client: EtcdClient,
    /// After the connection, so that this goes first.
    _server: Server,
}

impl Etcd {
    /// Starts one, `None` where it is not installed.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(program) = find(PROGRAM) else { return Ok(None) };
        std::fs::create_dir_all(dir)?;
        let free = ports(2)?;
        let [port, peer] = free[..] else { return Err(anyhow::anyhow!("no free ports")) };
        let (client_url, peer_url) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
        let (cluster, home) = (format!("bench={peer_url}"), dir.join("data").display().to_string());
        let mut args = vec![
            ["--name", "bench"],
            ["--data-dir", &home],
            ["--listen-client-urls", &client_url],
            ["--advertise-client-urls", &client_url],
            ["--listen-peer-urls", &peer_url],
            ["--initial-advertise-peer-urls", &peer_url],
            ["--initial-cluster", &cluster],
        ];
        args.extend(LIMITS);
        let mut server = Server::start(&program, args.as_flattened(), dir)?;
        let client = server.wait(|| EtcdClient::open(port, 0)).context("etcd")?;
        Ok(Some(Self { client, _server: server }))
    }
}

impl Store for Etcd {
    fn name(&self) -> &'static str {
        "etcd, one member"
    }

    fn durability(&self) -> &'static str {
        "a Put, or a Txn of one Put per record; fsync of its log"
    }

    fn clients(&self) -> &'static str {
        "one gRPC connection over loopback, one batch at a time; etcd is a process of its own on this machine"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        self.client.append(batch)
    }
}
