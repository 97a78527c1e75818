//! A client of etcd: its protobuf messages over one gRPC connection.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use prost::Message;

use super::http2::Grpc;
use super::store::{Batch, key};

/// A connection that puts records under keys that follow each other.
pub struct EtcdClient {
    grpc: Grpc,
    next: u64,
    /// Of the store, which rises with each write.
    revision: i64,
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

/// What `PutResponse`, `TxnResponse` and `StatusResponse` have in common, and the leader of the last.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

/// `etcdserverpb.ResponseHeader`.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(uint64, tag = "2")]
    member: u64,
    #[prost(int64, tag = "3")]
    revision: i64,
}

impl EtcdClient {
    /// Connects, and puts an empty value under the key `first`; records get the keys behind it.
    pub fn open(port: u16, first: u64) -> Result<Self> {
        let mut this = Self { grpc: Grpc::open(port)?, next: first, revision: 0 };
        let empty = Put { key: this.key(0), value: Bytes::new() };
        this.revision = this.put(&empty)?;
        this.next += 1;
        Ok(this)
    }

    /// Whether the member at `port` leads its cluster.
    pub fn leads(port: u16) -> Result<bool> {
        let mut grpc = Grpc::open(port)?;
        let answer = Answer::decode(grpc.call("/etcdserverpb.Maintenance/Status", b"")?)?;
        let member = answer.header.context("an answer of etcd has no header")?.member;
        ensure!(answer.leader != 0, "nobody leads etcd");
        Ok(answer.leader == member)
    }

    /// Puts the records, all or none.
    pub fn append(&mut self, batch: &Batch) -> Result<()> {
        let one = |number: usize, record: &Bytes| Put { key: self.key(number as u64), value: record.clone() };
        let revision = match batch.records() {
            [record] => self.put(&one(0, record))?,
            records => {
                let puts = records.iter().enumerate().map(|(number, record)| one(number, record));
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

    fn key(&self, behind: u64) -> Bytes {
        Bytes::copy_from_slice(&key(self.next + behind))
    }

    fn put(&mut self, put: &Put) -> Result<i64> {
        written(self.grpc.call("/etcdserverpb.KV/Put", &put.encode_to_vec())?)
    }
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

    #[test]
    fn a_status_says_who_answers_and_who_leads() {
        // header { member_id 5 }, version "3", leader 7.
        let answer = Answer::decode(&b"\x0a\x02\x10\x05\x12\x013\x20\x07"[..]).unwrap();
        assert_eq!((answer.header.unwrap().member, answer.leader), (5, 7));
    }
}
