//! etcd, three members: processes on this machine, gRPC over loopback to the one that leads.

use std::path::Path;

use anyhow::{Context, Result};

use super::members::SIZE;
use super::system::{Client, System};
use crate::bench::storage::etcd::{LIMITS, PROGRAM};
use crate::bench::storage::etcd_client::EtcdClient;
use crate::bench::storage::server::{Server, find, ports};
use crate::bench::storage::store::Batch;

/// The name in figures.
pub const ETCD: &str = "etcd";
/// Keys of one client: more than a run puts.
const KEYS: u64 = 1 << 40;

/// A running cluster.
pub struct Etcd {
    ports: Vec<u16>,
    clients: u64,
    _servers: Vec<Server>,
}

impl Etcd {
    /// Starts one, `None` where it is not installed.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(program) = find(PROGRAM) else { return Ok(None) };
        let free = ports(2 * SIZE)?;
        let (clients, peers) = free.split_at(SIZE);
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let named = peers.iter().enumerate().map(|(number, port)| format!("m{number}={}", url(port)));
        let cluster = named.collect::<Vec<_>>().join(",");
        let mut servers = Vec::new();
        for (number, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let dir = dir.join(format!("etcd-{number}"));
            std::fs::create_dir_all(&dir)?;
            let (name, home) = (format!("m{number}"), dir.join("data").display().to_string());
            let (client, peer) = (url(client), url(peer));
            let mut args = vec![
                ["--name", &name],
                ["--data-dir", &home],
                ["--listen-client-urls", &client],
                ["--advertise-client-urls", &client],
                ["--listen-peer-urls", &peer],
                ["--initial-advertise-peer-urls", &peer],
                ["--initial-cluster", &cluster],
            ];
            args.extend(LIMITS);
            servers.push(Server::start(&program, args.as_flattened(), &dir)?);
        }
        // Each member on its own, so that none is missing in what is measured.
        for (server, port) in servers.iter_mut().zip(clients) {
            server.wait(|| EtcdClient::open(*port, 0)).context(ETCD)?;
        }
        Ok(Some(Self { ports: clients.to_vec(), clients: 0, _servers: servers }))
    }
}

impl System for Etcd {
    fn name(&self) -> &'static str {
        ETCD
    }

    fn durability(&self) -> &'static str {
        "on 2 of 3 disks: fsync of its log"
    }

    fn protocol(&self) -> &'static str {
        "gRPC to the leader, a Put, or a Txn of a Put per record"
    }

    fn client(&mut self) -> Result<Box<dyn Client>> {
        let leader = self.ports.iter().find(|port| EtcdClient::leads(**port).unwrap_or(false));
        self.clients += 1;
        Ok(Box::new(EtcdClient::open(*leader.context("nobody leads etcd")?, self.clients * KEYS)?))
    }
}

impl Client for EtcdClient {
    fn append(&mut self, batch: &Batch) -> Result<bool> {
        EtcdClient::append(self, batch)?;
        Ok(true)
    }
}
