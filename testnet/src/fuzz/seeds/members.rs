//! What members of a cluster say to each other, agree about, and keep of a partition.

use bytes::Bytes;
use pyralog_cluster_core::cluster::{Envelope, Lacks};
use pyralog_cluster_core::member::{Acked, Note, Placed, Unplaced};
use pyralog_cluster_core::raft::global::NewMember;
use pyralog_cluster_core::raft::{
    GlobalAnswer, GlobalCommand, Hello, Life, NewLog, Role, ShardAnswer, ShardCommand, Spread,
};
use pyralog_cluster_core::replication::{AckMode, Command, Epoch, Lsn, MemberId, Message, NodeSet};
use pyralog_cluster_core::tree::TrimmedPrefix;
use pyralog_cluster_core::{LogName, PartitionId, Stub};
use pyralog_crypto::{Encode, Hash, SegmentLeaf};

use super::Out;

pub(super) fn put(out: &mut Out) {
    let partition = PartitionId(5);
    let lsn = Lsn::new(Epoch(2), 9);
    let leaf = SegmentLeaf { first: 0, next: 3, root: Hash([7; 32]) };
    for (name, note) in [
        ("message", Note::Replication(Message::Release { lsn })),
        ("fetch", Note::Fetch { from: 7, stubs: false }),
        ("fetch-stubs", Note::Fetch { from: 7, stubs: true }),
        ("fetched", Note::Fetched { from: 7, reached: None, items: Bytes::from_static(b"items") }),
        ("trimmed", Note::Trimmed(TrimmedPrefix::new(vec![leaf]).unwrap_or_default())),
    ] {
        out.put("member_note", name, note.to_bytes());
        out.put("cluster_envelope", name, Envelope::Note { partition, note }.to_bytes().to_vec());
    }
    let lacks = Lacks { records: true, blocks: true, ..Lacks::default() };
    let life = Life { number: 3, nonce: [7; 16] };
    let hello = Hello { member: MemberId(1), incarnation: [9; 16], previous: life, next: life };
    let append = |mode| Envelope::Append { id: 2, partition, mode, payload: Bytes::from_static(b"records") };
    for (name, envelope) in [
        ("call", Envelope::Call { id: 1, group: 0, frame: Bytes::from_static(b"a frame") }),
        ("answer", Envelope::Answer { id: 1, frame: None }),
        ("append", append(AckMode::Durable)),
        ("append_cached", append(AckMode::Cached)),
        ("appended", Envelope::Appended { id: 2, acked: Ok(Acked::Durable(Placed { offset: 3, lsn })) }),
        ("early", Envelope::Appended { id: 2, acked: Ok(Acked::Early { lsn, mode: AckMode::Replicated }) }),
        ("unknown", Envelope::Appended { id: 2, acked: Err(Unplaced::Unknown { copies: 1, wanted: 2 }) }),
        ("gap", Envelope::Appended { id: 2, acked: Err(Unplaced::Gap { expected: 7 }) }),
        ("no_producer", Envelope::Appended { id: 2, acked: Err(Unplaced::UnknownProducer) }),
        (
            "relay",
            Envelope::Relay { id: 2, partition, mode: AckMode::Durable, payload: Bytes::from_static(b"records") },
        ),
        ("hears", Envelope::Hears { members: [1, 3].map(MemberId).into(), lacks: Lacks::default() }),
        ("hears_lacking", Envelope::Hears { members: [1, 3].map(MemberId).into(), lacks }),
        ("lead", Envelope::Lead { partition }),
        ("join", Envelope::Join(new_member())),
        ("joined", Envelope::Joined { member: MemberId(4) }),
        ("removed", Envelope::Removed { member: MemberId(4) }),
        ("not_joined", Envelope::NotJoined { lasts: true, why: "it runs".into() }),
        ("survey", Envelope::Survey { id: 3, partition, from: 7 }),
        ("records", Envelope::Records { id: 3, partition, from: 7 }),
        ("leaving", Envelope::Leaving { id: 3, member: MemberId(4) }),
        ("from", Envelope::From { to: MemberId(2), hello, envelope: Box::new(Envelope::Lead { partition }) }),
        ("ask", Envelope::Ask { id: 3, question: Bytes::from_static(b"/v1/cluster/logs/orders/records") }),
        ("told", Envelope::Told { id: 3, answer: Some(Bytes::from_static(b"\0\xc8{}")) }),
    ] {
        out.put("cluster_envelope", name, envelope.to_bytes().to_vec());
    }
    out.put("replica_entry", "records", [&[2][..], &[0; 9]].concat());
    let stub = Stub { timestamp: 5, length: 300, leaf: Hash([7; 32]) };
    out.put("replica_entry", "stub", [&[2][..], &[0; 9], &[0, 0, 0, 45], &stub.to_bytes()].concat());
    out.put("replica_entry", "changes", [&[1, 0, 0, 0, 1, 4][..], &[0; 8]].concat());
    groups(out);
}

fn new_member() -> NewMember {
    NewMember {
        name: "member-3".into(),
        peer: vec![3; 38],
        addresses: vec!["/ip4/127.0.0.1/tcp/26656".into()],
        incarnation: [4; 16],
        life: Life::default(),
    }
}

/// A log whose records have copysets of their own.
fn sparse_log(name: LogName) -> NewLog {
    NewLog {
        name,
        spec: vec![1, 2],
        partitions: 1,
        spread: Spread { nodeset: 3, replication: 2, copies: 2, coordinator_only: true },
        weak: false,
        healthy: Default::default(),
        adopt: None,
    }
}

fn groups(out: &mut Out) {
    // A hello of zeros, and a question that says nothing; a vote of term 0.
    out.put("raft_message", "heard", [&[1][..], &[0; 72], &[7]].concat());
    out.put("raft_record", "vote", [&[1][..], &[0; 17]].concat());
    let member = MemberId(3);
    let new = new_member();
    for (name, command) in [
        ("add", GlobalCommand::AddMember(new)),
        ("remove", GlobalCommand::RemoveMember { member }),
        ("role", GlobalCommand::SetRole { member, role: Role::Voter }),
        ("number", GlobalCommand::LeaseNumber { member }),
    ] {
        out.put("global_group", name, command.to_bytes());
    }
    if let Ok(name) = "orders".parse() {
        out.put("global_group", "sparse_log", GlobalCommand::CreateLog(sparse_log(name)).to_bytes());
    }
    out.put("global_group", "added", GlobalAnswer::Added { member }.to_bytes());
    let Ok(nodeset) = NodeSet::new([MemberId(1), MemberId(2), member], 3, 2) else { return };
    let take = || Command::TakeEpoch { sequencer: member, nodeset: None };
    for (name, command) in [
        ("create", ShardCommand::Create { partition: 5, nodeset }),
        ("take", ShardCommand::One { partition: 5, command: take() }),
        ("batch", ShardCommand::Batch(vec![(5, take()), (6, take())])),
    ] {
        out.put("epoch_shard", name, command.to_bytes());
    }
    out.put("epoch_shard", "done", ShardAnswer::Done.to_bytes());
}
