//! node, p2p and zk: what peers and clients send beside consensus.

use pyralog_crypto::Decode;
use pyralog_node::driver::wire::{MAX_GOSSIP_BUNDLES, MAX_SYNC_REQUEST_BYTES, SyncRequest, TxGossip};
use pyralog_node::rpc::{envelope::Call, params::Params, query::Query};
use pyralog_node::tunnel::{Meet, Seen};
use pyralog_p2p::{MAX_RECORD_ADDRESSES, MAX_RECORD_BYTES, PeerRecords, SignedPeerRecord};
use pyralog_zk::Envelope;

use super::canonical;

/// The largest frame that is tried, bytes.
const FRAME: usize = 1 << 16;
/// The network that the peer records of the corpus are signed for.
pub const NETWORK: &str = "fuzz-net";
/// Parameters of every kind.
const NAMES: [&str; 7] = ["height", "hash", "prove", "query", "per_page", "data", "path"];

pub fn tx_gossip(bytes: &[u8]) -> bool {
    let Some(gossip) = canonical::<TxGossip>(bytes) else { return false };
    assert!((1..=MAX_GOSSIP_BUNDLES).contains(&gossip.bundles.len()));
    for tx in gossip.bundles.iter().flatten() {
        super::ledger::tx(tx);
    }
    true
}

pub fn sync_request(bytes: &[u8]) -> bool {
    let Some(_) = canonical::<SyncRequest>(bytes) else { return false };
    assert!(bytes.len() <= MAX_SYNC_REQUEST_BYTES);
    true
}

/// A call over POST or WebSocket, the part of a URI behind `?`, and the query language.
pub fn meet(bytes: &[u8]) -> bool {
    canonical::<Meet>(bytes).is_some() | canonical::<Seen>(bytes).is_some()
}

pub fn rpc_call(bytes: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(Ok(call)) = serde_json::from_slice(bytes).map(Call::parse) {
        accepted = true;
        if let Ok(params) = Params::from_json(call.params, &NAMES) {
            read_all(&params);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(params) = Params::from_query(text, &NAMES) {
            accepted = true;
            read_all(&params);
        }
        if let Ok(query) = Query::parse(text) {
            accepted = true;
            let tags =
                query.conditions.iter().map(|c| (c.key.clone(), vec!["7".to_owned(), "pyra".to_owned()])).collect();
            let _ = query.matches(&tags);
        }
    }
    accepted
}

fn read_all(params: &Params) {
    for name in NAMES {
        let _ = (params.int(name), params.text(name), params.flag(name));
        let _ = (params.bytes(name), params.hex_bytes(name), params.hash(name));
    }
}

pub fn request_frame(bytes: &[u8]) -> bool {
    let Ok(read) = pyralog_p2p::check_request_frame(bytes, FRAME) else { return false };
    assert!(read.is_none_or(|length| length + 4 == bytes.len()));
    read.is_some()
}

pub fn response_frame(bytes: &[u8]) -> bool {
    let Ok(length) = pyralog_p2p::check_response_frame(bytes, FRAME) else { return false };
    assert_eq!(length + 5, bytes.len());
    true
}

pub fn member_frames(bytes: &[u8]) -> bool {
    let Ok((messages, pings)) = pyralog_p2p::check_member_frames(bytes, FRAME) else { return false };
    assert!((messages + pings) * 4 <= bytes.len(), "a frame without a head");
    true
}

pub fn address_book(bytes: &[u8]) -> bool {
    let Ok(peers) = pyralog_p2p::check_address_book(bytes) else { return false };
    assert!(peers * 64 <= bytes.len(), "a peer without a signature");
    true
}

/// A datagram on the tunnels' port.
pub fn tunnel_datagram(bytes: &[u8]) -> bool {
    pyralog_p2p::check_tunnel_datagram(bytes)
}

/// What a peer sends inside a tunnel.
pub fn inner_packet(bytes: &[u8]) -> bool {
    let valid = pyralog_p2p::check_inner_packet(bytes);
    assert!(!valid || (40..=pyralog_p2p::INNER_MTU).contains(&bytes.len()));
    valid
}

pub fn peer_record(bytes: &[u8]) -> bool {
    let Some(signed) = canonical::<SignedPeerRecord>(bytes) else { return false };
    assert!(bytes.len() <= MAX_RECORD_BYTES && signed.record().addresses.len() <= MAX_RECORD_ADDRESSES);
    let mut book = PeerRecords::new(NETWORK, 1);
    // A book takes what its network's identity signed, and nothing else.
    let verified = SignedPeerRecord::verify(bytes, NETWORK);
    assert_eq!(book.insert(bytes).is_ok(), verified.is_ok());
    assert_eq!(book.get(&signed.peer()).is_some(), verified.is_ok());
    true
}

pub fn peer_records(bytes: &[u8]) -> bool {
    let Ok(book) = PeerRecords::decode(bytes, NETWORK, 64) else { return false };
    assert_eq!(book.encode(), bytes, "another encoding of the same book was accepted");
    true
}

pub fn proof_envelope(bytes: &[u8]) -> bool {
    let decoded = canonical::<Envelope>(bytes).is_some();
    // No statement has a verifier yet, so nothing may pass.
    assert!(pyralog_zk::verify(bytes, b"public inputs").is_err());
    assert_eq!(decoded, Envelope::from_bytes(bytes).is_ok());
    decoded
}
