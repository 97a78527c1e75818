//! etcd, one member: one process on this machine, one gRPC connection over loopback.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use prost::Message;

use super::http2::Grpc;
use super::server::{Server, find, ports};
use super::store::{Batch, Store, key};

const PROGRAM: &str = "etcd";
/// How to get it.
pub const INSTALL: &str = "apt-get install -y etcd-server";

/// A running etcd.
pub struct Etcd {
    grpc: Grpc,
    next: u64,
    /// Of the store, which rises with each write.
    revision: i64,
    /// After the connection, so that this goes first.
    _server: Server,
}

/// `etcdserverpb.PutRequest`.
#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `etcdserverpb.RequestOp`, the one of a put.
#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(message, optional, tag = "2")]
    put: Option<Put>,
}

/// `etcdserverpb.TxnRequest` without conditions.
#[derive(Clone, PartialEq, Message)]
struct Transaction {
    #[prost(message, repeated, tag = "2")]
    success: Vec<Operation>,
}

/// What `PutResponse` and `TxnResponse` have in common.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
}

/// `etcdserverpb.ResponseHeader`.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(int64, tag = "3")]
    revision: i64,
}

impl Etcd {
    /// Starts one, `None` where it is not installed.
    pub fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(program) = find(PROGRAM) else { return Ok(None) };
        std::fs::create_dir_all(dir)?;
        let free = ports(2)?;
        let [client, peer] = free[..] else { return Err(anyhow::anyhow!("no free ports")) };
        let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let (cluster, home) = (format!("bench={peer_url}"), dir.join("data").display().to_string());
        let args = [
            ["--name", "bench"],
            ["--data-dir", &home],
            ["--listen-client-urls", &client_url],
            ["--advertise-client-urls", &client_url],
            ["--listen-peer-urls", &peer_url],
            ["--initial-advertise-peer-urls", &peer_url],
            ["--initial-cluster", &cluster],
            ["--max-txn-ops", "1000"],
            ["--max-request-bytes", "8388608"],
            ["--quota-backend-bytes", "8589934592"],
            ["--logger", "zap"],
        ];
        let mut server = Server::start(&program, args.as_flattened(), dir)?;
        let first = || -> Result<(Grpc, i64)> {
            let mut grpc = Grpc::open(client)?;
            let revision = put(&mut grpc, &Put { key: Bytes::from_static(b"first"), value: Bytes::new() })?;
            Ok((grpc, revision))
        };
        let (grpc, revision) = server.wait(first).context("etcd")?;
        Ok(Some(Self { grpc, next: 0, revision, _server: server }))
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
        let one =
            |number: u64, record: &Bytes| Put { key: Bytes::copy_from_slice(&key(number)), value: record.clone() };
        let revision = match batch.records() {
            [record] => put(&mut self.grpc, &one(self.next, record))?,
            records => {
                let puts = records.iter().zip(self.next..).map(|(record, number)| one(number, record));
                let success = puts.map(|put| Operation { put: Some(put) }).collect();
                let message = Transaction { success }.encode_to_vec();
                written(self.grpc.call("/etcdserverpb.KV/Txn", &message)?)?
            }
        };
        ensure!(revision > self.revision, "etcd answered, but its revision did not rise");
        self.revision = revision;
        self.next += batch.records().len() as u64;
        Ok(())
    }
}

fn put(grpc: &mut Grpc, put: &Put) -> Result<i64> {
    written(grpc.call("/etcdserverpb.KV/Put", &put.encode_to_vec())?)
}

/// The revision that a write made.
fn written(answer: &[u8]) -> Result<i64> {
    let answer = Answer::decode(answer).context("an answer of etcd is not understood")?;
    Ok(answer.header.context("an answer of etcd has no header")?.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        let put = Put { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"vw") };
        assert_eq!(put.encode_to_vec(), b"\x0a\x01k\x12\x02vw");
        let transaction = Transaction { success: vec![Operation { put: Some(put) }] };
        assert_eq!(transaction.encode_to_vec(), b"\x12\x09\x12\x07\x0a\x01k\x12\x02vw");
    }

    #[test]
    fn the_revision_is_read_beside_fields_that_are_not_known() {
        // cluster_id 1, revision 300; then `succeeded`.
        assert_eq!(written(b"\x0a\x05\x08\x01\x18\xac\x02\x10\x01").unwrap(), 300);
        assert!(written(b"\x10\x01").is_err() && written(b"\xff").is_err());
    }
}
