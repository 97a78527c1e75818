//! What nodes say to each other beside consensus, what they are asked, and proof envelopes.
#![allow(clippy::expect_used, reason = "constant inputs")]

use pyralog_crypto::{Encode, MerkleHash, Sha256, Writer};
use pyralog_node::chain::BlockMeta;
use pyralog_node::driver::wire::{SyncRequest, SyncResponse, TxGossip};
use pyralog_node::tunnel::{Meet, Seen};
use pyralog_p2p::PeerId;
use pyralog_zk::{Envelope, ProofSystem, StatementId};

use super::{Out, txs};
use crate::fuzz::chain::{BASE, key, run};

/// Some peer.
const PEER: &str = "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K";

pub(super) fn put(out: &mut Out) {
    let run = run();
    out.put("tx_gossip", "two-bundles", TxGossip { attempt: 0, bundles: txs::later_transactions() }.to_bytes());
    out.put("tx_gossip", "again", TxGossip { attempt: 7, bundles: txs::later_transactions() }.to_bytes());
    out.put("sync_request", "status", SyncRequest::Status.to_bytes());
    out.put("sync_request", "blocks", SyncRequest::Blocks { from: 4, max: 16 }.to_bytes());
    let peer: PeerId = PEER.parse().expect("a peer id");
    let at = "192.0.2.1:51820".parse().expect("an address");
    out.put("meet", "ask", Meet::Ask { peer }.to_bytes());
    out.put("meet", "wanted", Meet::Wanted { peer, at }.to_bytes());
    out.put("meet", "seen", Seen(Some(at)).to_bytes());
    out.put("meet", "unknown", Seen(None).to_bytes());
    let after = run.blocks.iter().filter(|block| block.height > BASE);
    let blocks: Vec<_> = after.map(|block| (block.block_bytes.clone(), block.commit_bytes())).collect();
    let height = run.blocks.len() as u64;
    out.put("sync_response", "one", SyncResponse { height, blocks: blocks[..1].to_vec() }.to_bytes());
    out.put("sync_response", "all", SyncResponse { height, blocks }.to_bytes());
    out.put("sync_response", "status", SyncResponse { height, blocks: Vec::new() }.to_bytes());
    for block in run.blocks.iter().filter(|b| b.height == 1 || b.height == BASE) {
        out.put("block_meta", format!("height-{}", block.height), BlockMeta::of(block).to_bytes());
    }
    rpc(out);
    peers(out);
    let statement = StatementId::new("notary.v1").expect("a statement");
    let envelope = |system, length| {
        Envelope::new(statement.clone(), system, Sha256::digest(b"key"), vec![5; length]).expect("fits").to_bytes()
    };
    out.put("proof_envelope", "groth16", envelope(ProofSystem::Groth16Bn254, 128));
    out.put("proof_envelope", "plonky3", envelope(ProofSystem::Plonky3Goldilocks, 300));
}

fn rpc(out: &mut Out) {
    let calls = [
        ("status", r#"{"jsonrpc":"2.0","id":1,"method":"status","params":{}}"#),
        ("tx", r#"{"jsonrpc":"2.0","id":"a","method":"tx","params":{"hash":"q83v","prove":true}}"#),
        ("block", r#"{"jsonrpc":"2.0","id":2,"method":"block","params":["7"]}"#),
        ("query", "height=7&hash=0xabCD&prove=true&query=%22tx.height%3E5%22&per_page=30"),
        ("event", "tm.event='Tx' AND tx.height>=5 AND transfer.to CONTAINS 'pyra' AND a.b EXISTS"),
    ];
    for (name, text) in calls {
        out.put("rpc_call", name, text);
    }
}

/// A request and responses as they are framed, and a snapshot of signed peer records (libp2p RFC 0002 and 0003).
fn peers(out: &mut Out) {
    let mut request = Writer::new();
    request.bytes(&SyncRequest::Status.to_bytes());
    out.put("request_frame", "status", request.into_bytes());
    // Two messages.
    out.put("member_frames", "two", b"\0\0\0\x05hello\0\0\0\x01!".to_vec());
    let mut response = Writer::new();
    response.u8(0).bytes(&SyncResponse::default().to_bytes());
    out.put("response_frame", "ok", response.into_bytes());
    out.put("response_frame", "busy", vec![1, 0, 0, 0, 0]);
    let mut book = Writer::new();
    book.u8(1).list(&[1, 2, 3], |w, n| {
        w.bytes(&peer_record(*n));
    });
    out.put("address_book", "three", book.into_bytes());
    out.put("address_book", "empty", vec![1, 0, 0, 0, 0]);
}

/// The signed envelope of peer `n`, which listens on 192.0.2.n, TCP port 26656.
fn peer_record(n: u8) -> Vec<u8> {
    const PAYLOAD_TYPE: [u8; 2] = [0x03, 0x01];
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2], prefixed(bytes).as_slice()].concat();
    let public = [&[0x08, 0x01], field(2, &key(n).public_key().0).as_slice()].concat();
    // The multihash `identity` of the key is its peer id.
    let peer = [&[0x00], prefixed(&public).as_slice()].concat();
    let port = 26_656u16.to_be_bytes();
    let address = [4, 192, 0, 2, n, 6, port[0], port[1]];
    let record = [field(1, &peer), vec![2 << 3, n], field(3, &field(1, &address))].concat();
    let signed = [prefixed(b"libp2p-peer-record"), prefixed(&PAYLOAD_TYPE), prefixed(&record)].concat();
    let signature = key(n).sign(&signed);
    [field(1, &public), field(2, &PAYLOAD_TYPE), field(3, &record), field(5, &signature.0)].concat()
}

/// With the length before it as a varint; nothing here is longer than two such bytes can say.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let prefix = if length < 0x80 { vec![length as u8] } else { vec![length as u8 & 0x7f | 0x80, (length >> 7) as u8] };
    [prefix.as_slice(), bytes].concat()
}
