use proptest::prelude::*;

use super::*;

fn gossip() -> TxGossip {
    TxGossip {
        attempt: 0,
        bundles: vec![vec![Bytes::from_static(b"one")], vec![Bytes::from_static(b"two"), Bytes::new()]],
    }
}

fn response() -> SyncResponse {
    SyncResponse { height: 9, blocks: vec![(Bytes::from_static(b"block"), Bytes::from_static(b"commit"))] }
}

#[test]
fn vectors() {
    let request = SyncRequest::Blocks { from: 258, max: 16 };
    assert_eq!(hex::encode(request.to_bytes()), "0101000000000000010200000010");
    assert_eq!(hex::encode(SyncRequest::Status.to_bytes()), "0100");
    assert_eq!(SyncRequest::from_bytes(&request.to_bytes()).unwrap(), request);
    assert_eq!(TxGossip::from_bytes(&gossip().to_bytes()).unwrap(), gossip());
    assert_eq!(SyncResponse::from_bytes(&response().to_bytes()).unwrap(), response());
    let removed = SyncRequest::Removed { member: 3 };
    assert_eq!(SyncRequest::from_bytes(&removed.to_bytes()).unwrap(), removed);
    for said in [true, false] {
        assert_eq!(WasRemoved::from_bytes(&WasRemoved(said).to_bytes()), Ok(WasRemoved(said)));
    }
    let first = "0000000200000001000000036f6e65000000020000000374776f00000000";
    assert_eq!(hex::encode(gossip().to_bytes()), format!("01{first}"));
    let again = TxGossip { attempt: 258, ..gossip() };
    assert_eq!(hex::encode(again.to_bytes()), format!("0200000102{first}"));
    assert_eq!(TxGossip::from_bytes(&again.to_bytes()).unwrap(), again);
    let zeroth = hex::decode(format!("0200000000{first}")).unwrap();
    assert!(TxGossip::from_bytes(&zeroth).is_err(), "one message, one encoding");
}

#[test]
fn the_document_prints_what_this_encoding_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let printed = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        hex::decode(line.unwrap_or_else(|| panic!("no vector {name}"))).unwrap()
    };
    let txs = TxGossip::from_bytes(&printed("gossip.txs")).unwrap();
    let tx = |name| Bytes::from(printed(name));
    assert_eq!(txs.bundles, [vec![tx("tx.transfer")], vec![tx("tx.anchor"), tx("tx.companion")]]);
    assert_eq!(txs.to_bytes(), printed("gossip.txs"));
    assert_eq!(SyncRequest::Status.to_bytes(), printed("sync.request.status"));
    assert_eq!(SyncRequest::Blocks { from: 258, max: 16 }.to_bytes(), printed("sync.request.blocks"));
    assert_eq!(SyncResponse { height: 9, blocks: vec![] }.to_bytes(), printed("sync.answer.status"));
    assert_eq!(response().to_bytes(), printed("sync.answer.blocks"));
    assert_eq!(SyncRequest::Removed { member: 3 }.to_bytes(), printed("sync.request.removed"));
    assert_eq!(WasRemoved(true).to_bytes(), printed("sync.answer.removed"));
}

#[test]
fn bounds_hold_before_anything_is_allocated() {
    let mut many = Writer::new();
    many.u8(1).u32(u32::MAX);
    assert!(TxGossip::from_bytes(&many.into_bytes()).is_err());
    let mut three = Writer::new();
    three.u8(1).u32(1).u32(3);
    assert!(TxGossip::from_bytes(&three.into_bytes()).is_err(), "no bundle has three transactions");
    assert!(TxGossip::from_bytes(&TxGossip::default().to_bytes()).is_err(), "an empty message is refused");
    let blocks = vec![(Bytes::new(), Bytes::new()); MAX_SYNC_BLOCKS + 1];
    assert!(SyncResponse::from_bytes(&SyncResponse { height: 1, blocks }.to_bytes()).is_err());
    assert!(SyncRequest::Status.to_bytes().len() <= MAX_SYNC_REQUEST_BYTES);
}

fn canonical<T: Encode + Decode>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        canonical::<TxGossip>(&bytes);
        canonical::<SyncRequest>(&bytes);
        canonical::<SyncResponse>(&bytes);
    }

    #[test]
    fn mutated_bytes_are_refused_or_canonical(at in any::<prop::sample::Index>(), flip in 1u8..) {
        for bytes in [gossip().to_bytes(), TxGossip { attempt: 1, ..gossip() }.to_bytes(), response().to_bytes()] {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            canonical::<TxGossip>(&bytes);
            canonical::<SyncResponse>(&bytes);
        }
    }
}
